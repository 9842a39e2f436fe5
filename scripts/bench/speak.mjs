#!/usr/bin/env node
/**
 * `npm run bench -- speak [--letters 200] [--runs 3] [--threads 1] [--json]`: a voice of the published MMS-TTS size on
 * random weights: how long it takes to load, its memory, and the real-time factor (work over the sound's length), by
 * the clock and in processor time, which a busy machine hardly changes.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'
import { writeRandomCheckpoint } from '../random-checkpoint.mjs'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'speak'),
  options: {
    letters: { type: 'string', default: '200' },
    runs: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const SENTENCE = 'the measurement took three seconds and everybody was content with what it had found. '
const text = SENTENCE.repeat(Math.ceil(Number(values.letters) / SENTENCE.length)).slice(
  0,
  Number(values.letters),
)

/** MB, of this process: at most, and now what is not a mapped file. */
function memory() {
  const status = readFileSync('/proc/self/status', 'utf8')
  const of = (name) => Math.round((Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6)
  return { peakMB: of('VmHWM'), anonymousMB: of('RssAnon') }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

register()
const { Voice } = await import('../../src/models/vits/index.ts')
const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'))
try {
  await writeRandomCheckpoint('mms-tts', directory)
  const fileMB = statSync(join(directory, 'model.safetensors')).size / 1e6
  const started = performance.now()
  const voice = await Voice.open(directory, { threads: Number(values.threads) })
  const loadMs = Math.round(performance.now() - started)
  const loaded = memory()
  const { pieces } = voice.plan(text)
  const runs = []
  for (let run = 0; run < Number(values.runs); run++) {
    const from = performance.now()
    const cpu = process.cpuUsage()
    let samples = 0
    for (const [index, piece] of pieces.entries())
      samples += (await voice.speak(piece, index, { seed: run })).length
    const { user, system } = process.cpuUsage(cpu)
    const seconds = samples / voice.sampleRate
    runs.push({
      seconds,
      realTimeFactor: (performance.now() - from) / 1000 / seconds,
      processorFactor: (user + system) / 1e6 / seconds,
    })
  }
  await voice.close()
  const result = {
    threads: Number(values.threads),
    letters: text.length,
    pieces: pieces.length,
    soundSeconds: median(runs.map(({ seconds }) => seconds)),
    realTimeFactor: median(runs.map(({ realTimeFactor }) => realTimeFactor)),
    processorFactor: median(runs.map(({ processorFactor }) => processorFactor)),
    fileMB,
    loadMs,
    loadedAnonymousMB: loaded.anonymousMB,
    peakMB: memory().peakMB,
  }
  if (values.json) console.log(JSON.stringify(result))
  else {
    console.log(`voice of ${fileMB.toFixed(0)} MB, loaded in ${loadMs} ms, ${values.threads} thread(s)`)
    console.log(
      `${text.length} letters in ${pieces.length} piece(s), ${result.soundSeconds.toFixed(1)} s of sound`,
    )
    console.log(
      `real-time factor ${result.realTimeFactor.toFixed(3)} by the clock, ` +
        `${result.processorFactor.toFixed(3)} in processor time; at most ${result.peakMB} MB resident`,
    )
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
