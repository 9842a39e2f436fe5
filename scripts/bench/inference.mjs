#!/usr/bin/env node
/**
 * `npm run bench -- inference [--seconds 5] [--runs 7] [--threads 1] [--json]`: a recogniser of wav2vec 2.0 base's shape
 * on random weights: float32, int8, and PyTorch's forward of the same weights where /usr/bin/python3 has torch. The
 * three take turns, so that what else the machine does falls on all. Ratios are of medians of one run, in processor
 * time with one thread: a busy machine stretches the clock, the work hardly. PyTorch is a yardstick only where its
 * matrix products run on an optimised BLAS (Debian: libopenblas0-pthread). Loading is measured in processes of its own.
 * Exit status 1 where a target is missed.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'
import { writeRandomCheckpoint } from '../random-checkpoint.mjs'

/** fp32 over torch, int8 over fp32, memory grown in loading over the file's size. */
const TARGETS = { floatOverTorch: 1, int8OverFloat: 0.65, loadOverFile: 1.3 }
/** Any optimised BLAS does several times more on one core, a plain one a tenth of it. */
const LEAST_BLAS_GFLOPS = 15
const PYTHON = '/usr/bin/python3'
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'inference'),
  options: {
    seconds: { type: 'string', default: '5' },
    runs: { type: 'string', default: '7' },
    threads: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const samples = Math.round(Number(values.seconds) * 16_000)
const threads = Number(values.threads)

/** PyTorch in a process of its own: a line in, milliseconds out. Undefined where there is none. */
async function openTorch(directory) {
  if (spawnSync(PYTHON, ['-c', 'import torch']).status !== 0) return undefined
  const { OPENBLAS_CORETYPE: _, ...inherited } = process.env
  const child = spawn(
    PYTHON,
    [here('inference/torch_forward.py'), directory, String(samples), String(threads)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...inherited, OMP_NUM_THREADS: String(threads) },
    },
  )
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the torch process ended early')
    return value
  }
  const about = JSON.parse(await next())
  return {
    ...about,
    run: async () => {
      child.stdin.write('\n')
      return JSON.parse(await next())
    },
    close: () => child.stdin.end(),
  }
}

/** Of the clock, and of the processor. */
const median = (times) => {
  const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
  return { ms: middle(times.map(({ ms }) => ms)), processorMs: middle(times.map((time) => time.processorMs)) }
}

register()
const { SpeechModel } = await import('../../src/models/wav2vec2/model.ts')
const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'))
try {
  await writeRandomCheckpoint('wav2vec2-base', directory)
  const fileMB = statSync(join(directory, 'model.safetensors')).size / 1e6
  const loads = ['fp32', 'int8'].map((precision) => {
    const { stdout, status } = spawnSync(
      process.execPath,
      [here('inference/load.mjs'), directory, precision, values.seconds],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    )
    if (status !== 0) throw new Error(`loading ${precision} failed`)
    const measured = JSON.parse(stdout)
    return { ...measured, grownOverFile: (measured.loaded.peakMB - measured.before.residentMB) / fileMB }
  })

  const float = await SpeechModel.open(directory, { threads })
  const int8 = await SpeechModel.open(directory, { threads, int8: true })
  const torch = await openTorch(directory)
  const sound = Float32Array.from({ length: samples }, (_, i) =>
    Math.sin(Math.fround(Math.fround(i) ** 2) * Math.fround(1e-6)),
  )
  const batch = float.prepare([sound])
  const results = await float.run(batch)
  const rounded = await int8.run(batch)
  const times = { float: [], int8: [], torch: [] }
  for (let run = 0; run < Number(values.runs); run++) {
    for (const [name, model] of [
      ['float', float],
      ['int8', int8],
    ]) {
      const started = performance.now()
      const processor = process.cpuUsage()
      await model.run(batch)
      const { user, system } = process.cpuUsage(processor)
      times[name].push({ ms: performance.now() - started, processorMs: (user + system) / 1000 })
    }
    if (torch !== undefined) times.torch.push(await torch.run())
  }
  torch?.close()
  await float.close()
  await int8.close()

  const classes = results.logits.shape[2]
  const first = Array.from(
    { length: results.logits.shape[1] },
    (_, frame) => results.logits.data[frame * classes],
  )
  const agrees = (other) =>
    first.filter((value, i) => Math.abs(value - other[i]) <= 0.02).length / first.length
  const letters = float.letters(results)[0]
  const roundedLetters = int8.letters(rounded)[0]
  const [floatTime, int8Time, torchTime] = [times.float, times.int8, times.torch].map(median)
  const ratio = (a, b) => (threads === 1 ? a.processorMs / b.processorMs : a.ms / b.ms)
  const yardstick = torch !== undefined && torch.gemmGflops >= LEAST_BLAS_GFLOPS
  const report = {
    seconds: Number(values.seconds),
    threads,
    float: floatTime,
    int8: int8Time,
    torch: torch && { version: torch.version, gemmGflops: torch.gemmGflops, yardstick, ...torchTime },
    floatOverTorch: yardstick ? ratio(floatTime, torchTime) : undefined,
    int8OverFloat: ratio(int8Time, floatTime),
    floatRealTimeFactor: floatTime.ms / (1000 * Number(values.seconds)),
    int8RealTimeFactor: int8Time.ms / (1000 * Number(values.seconds)),
    framesAsTorch: torch === undefined ? undefined : agrees(torch.logits),
    int8SameLetters: letters.filter((letter, i) => letter === roundedLetters[i]).length / letters.length,
    fileMB,
    loads,
    targets: TARGETS,
  }
  const met =
    report.int8OverFloat <= TARGETS.int8OverFloat &&
    (report.floatOverTorch === undefined || report.floatOverTorch <= TARGETS.floatOverTorch) &&
    loads[0].grownOverFile <= TARGETS.loadOverFile
  if (values.json) console.log(JSON.stringify(report, null, 2))
  else {
    const time = ({ ms, processorMs }) => `${ms.toFixed(0)} ms (processor ${processorMs.toFixed(0)})`
    const shown = (value) => (value === undefined ? 'not judged' : value.toFixed(2))
    const { torch: other } = report
    console.log(
      [
        `inference, wav2vec 2.0 base, ${report.seconds} s of sound, ${threads} thread(s), medians of ${values.runs}:`,
        `  fp32 ${time(report.float)}, int8 ${time(report.int8)}`,
        other === undefined
          ? `  no torch in ${PYTHON}`
          : `  torch ${other.version} ${time(other)}, its BLAS at ${other.gemmGflops.toFixed(0)} GFLOP/s${other.yardstick ? '' : ': no yardstick, install libopenblas0-pthread'}`,
        `  fp32/torch ${shown(report.floatOverTorch)} (target ${TARGETS.floatOverTorch}), int8/fp32 ${shown(report.int8OverFloat)} (target ${TARGETS.int8OverFloat})`,
        `  frames as torch's ${shown(report.framesAsTorch)}, same letters in int8 ${shown(report.int8SameLetters)} (random weights)`,
        ...loads.map(
          (load) =>
            `  loading ${load.precision}: ${load.loadMs} ms, memory grew by ${load.grownOverFile.toFixed(2)} of the file's ${fileMB.toFixed(0)} MB at its peak, stays at ${load.loaded.anonymousMB - load.before.anonymousMB} MB`,
        ),
      ].join('\n'),
    )
  }
  process.exitCode = met ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
