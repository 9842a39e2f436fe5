#!/usr/bin/env node
/**
 * `npm run bench -- inference [--seconds 5] [--runs 7] [--threads 1] [--only speed,load,lag,large] [--json]`:
 *
 * - speed: a recogniser of wav2vec 2.0 base's shape on random weights: float32, int8, and PyTorch's forward of the
 *   same weights where /usr/bin/python3 has torch, whose logits must be ours. The three take turns, so that what else
 *   the machine does falls on all. Ratios are of medians of one run, in processor time with one thread: a busy machine
 *   stretches the clock, the work hardly. PyTorch is a yardstick only where its matrix products run on an optimised
 *   BLAS (Debian: libopenblas0-pthread).
 * - load: memory that loading it takes, in fresh processes.
 * - lag: how late the event loop of a process comes that serves it from a child.
 * - large: the layout of MMS with a billion parameters: 4 GB of random weights, written to the temporary folder and
 *   removed, loaded in a fresh process that transcribes ten seconds and switches languages.
 *
 * Exit status 1 where a target is missed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'
import { writeRandomCheckpoint } from '../random-checkpoint.mjs'
import { lag, large, loading } from './inference/processes.mjs'
import { judgedLine, timeText } from './support/side-by-side.mjs'

register()
const { speed } = await import('./inference/speed.mjs')

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'inference'),
  options: {
    seconds: { type: 'string', default: '5' },
    runs: { type: 'string', default: '7' },
    threads: { type: 'string', default: '1' },
    only: { type: 'string', default: 'speed,load,lag,large' },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const settings = { seconds, runs: Number(values.runs), threads: Number(values.threads) }
const parts = {
  speed: (directory) => speed(directory, settings),
  load: (directory) => loading(directory, seconds),
  lag: (directory) => lag(directory, seconds),
  large,
}
const wanted = values.only.split(',')
const unknown = wanted.filter((name) => parts[name] === undefined)
if (unknown.length > 0) throw new Error(`no part ${unknown}; there are ${Object.keys(parts).join(', ')}`)

const texts = {
  speed: ({ float, int8, torch, int8Changes, threads, runs }) => [
    `speed, wav2vec 2.0 base, ${seconds} s of sound, ${threads} thread(s), medians of ${runs}:`,
    `  fp32 ${timeText(float)}, int8 ${timeText(int8)}`,
    torch === undefined
      ? '  torch: skipped, /usr/bin/python3 has none (Debian: python3-torch)'
      : `  torch ${torch.version} ${timeText(torch)}, its BLAS at ${torch.gemmGflops.toFixed(0)} GFLOP/s${torch.yardstick ? '' : ': no yardstick, install libopenblas0-pthread'}`,
    `  int8 moves the logits by ${(100 * int8Changes.logitsDistance).toFixed(1)} % and keeps ${(100 * int8Changes.sameLetters).toFixed(1)} % of the ${int8Changes.frames} frames' letters (${int8Changes.differentLetters} different ones; random weights)`,
  ],
  load: ({ fileMB, loads }) => [
    `load, ${fileMB.toFixed(0)} MB of weights:`,
    ...loads.map(
      ({ precision, loadMs, before, loaded }) =>
        `  ${precision} in ${loadMs} ms, stays at ${loaded.anonymousMB - before.anonymousMB} MB beside the mapped file`,
    ),
  ],
  lag: ({ idle, busy, calls, machineIsBusy }) => [
    `lag, ${calls} calls in ${busy.seconds.toFixed(1)} s:`,
    `  p50 ${busy.p50.toFixed(1)}, p99 ${busy.p99.toFixed(1)}, most ${busy.max.toFixed(1)} ms; idle ${idle.p50.toFixed(1)}, ${idle.p99.toFixed(1)}, ${idle.max.toFixed(1)} ms${machineIsBusy ? ': others hold the cores' : ''}`,
  ],
  large: ({ skipped, loadMs, runMs, firstSwitch, after }) => [
    'large, MMS with a billion parameters:',
    skipped === undefined
      ? `  loaded in ${(loadMs / 1000).toFixed(1)} s, transcribed in ${(runMs / 1000).toFixed(1)} s, first switch ${timeText(firstSwitch)}; at the end ${after.anonymousMB} MB beside the mapped file`
      : `  skipped: ${skipped}`,
  ],
}

const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'))
const report = { loadAverage: loadavg()[0] }
try {
  if (wanted.some((name) => name !== 'large')) await writeRandomCheckpoint('wav2vec2-base', directory)
  for (const name of wanted) {
    report[name] = await parts[name](directory)
    if (!values.json)
      console.log([...texts[name](report[name]), ...report[name].rows.map(judgedLine)].join('\n'))
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
if (values.json) console.log(JSON.stringify(report, null, 2))
const rows = wanted.flatMap((name) => report[name].rows)
process.exitCode = rows.some(({ verdict }) => verdict === 'MISS') ? 1 : 0
