/**
 * A process of its own that serves a recogniser as the daemon does, from a child process with a limit on its memory,
 * and prints how late its event loop came meanwhile: `node lag.mjs DIRECTORY SECONDS CALLS MEMORY_BYTES`.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

const dist = (path) => import(new URL(`../../../dist/${path}`, import.meta.url).href)
const { readCard } = await dist('inference/catalogue/card.js')
const { LocalModel } = await dist('inference/local/local-model.js')

/** Milliseconds between looks; what is later than that is lag. */
const RESOLUTION_MS = 1
const IDLE_MS = 3000

async function lagOf(work) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1000
  histogram.disable()
  const ms = (nanoseconds) => nanoseconds / 1e6
  return {
    seconds,
    p50: ms(histogram.percentile(50)),
    p99: ms(histogram.percentile(99)),
    max: ms(histogram.max),
  }
}

const [directory, seconds, calls, memoryBytes] = process.argv.slice(2)
const sampleRate = 16_000
const samples = Float32Array.from({ length: Number(seconds) * sampleRate }, (_, i) => Math.sin(i * i * 1e-6))
const model = await LocalModel.open(await readCard(directory), {
  threads: 1,
  memoryBytes: Number(memoryBytes),
})
await model.transcribe({ samples, sampleRate })
const idle = await lagOf(() => sleep(IDLE_MS))
const busy = await lagOf(async () => {
  for (let call = 0; call < Number(calls); call++) await model.transcribe({ samples, sampleRate })
})
await model.close()
console.log(JSON.stringify({ calls: Number(calls), idle, busy }))
