/** A process of its own that loads a recogniser, and prints what that took: `node load.mjs DIRECTORY fp32|int8 SECONDS`. */
import { readFileSync } from 'node:fs'
import { register } from 'tsx/esm/api'

register()
const { Recogniser } = await import('../../../src/models/wav2vec2/recogniser.ts')
const { loadRuntime } = await import('../../../src/ml/session/runtime.ts')
await loadRuntime()

/** MB, of this process: what is resident now, at most, and of it what is not a mapped file. */
function memory() {
  const status = readFileSync('/proc/self/status', 'utf8')
  const of = (name) => Math.round((Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6)
  return { residentMB: of('VmRSS'), peakMB: of('VmHWM'), anonymousMB: of('RssAnon') }
}

const [directory, precision, seconds] = process.argv.slice(2)
const before = memory()
const started = performance.now()
const recogniser = await Recogniser.open(directory, { int8: precision === 'int8' })
const loadMs = Math.round(performance.now() - started)
const loaded = memory()
const sound = Float32Array.from({ length: Number(seconds) * 16_000 }, (_, i) => Math.sin(i * i * 1e-6))
const ran = performance.now()
const [transcript] = await recogniser.transcribe([sound])
const runMs = Math.round(performance.now() - ran)
const switches = []
const other = recogniser.language === undefined ? [] : ['deu', 'eng', 'deu', 'eng', 'deu', 'eng']
for (const language of other) {
  const from = performance.now()
  const before = process.cpuUsage()
  await recogniser.setLanguage(language)
  const { user, system } = process.cpuUsage(before)
  switches.push({ ms: performance.now() - from, processorMs: (user + system) / 1000 })
}
const after = memory()
console.log(
  JSON.stringify({
    precision,
    loadMs,
    runMs,
    frames: transcript?.frames,
    before,
    loaded,
    after,
    ...(switches.length === 0
      ? {}
      : { firstSwitch: switches[0], warmSwitchMs: Math.max(...switches.slice(2).map(({ ms }) => ms)) }),
  }),
)
await recogniser.close()
