/** Contestants that take turns in one run, and PyTorch as one of them. */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'

const PYTHON = '/usr/bin/python3'
/** Any optimised BLAS does several times more on one core, a plain one a tenth of it. */
const LEAST_BLAS_GFLOPS = 15
/** What would tie PyTorch's BLAS to another processor or more threads than it is allowed. */
const NOT_FOR_TORCH = ['OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE']

/**
 * PyTorch in a process of its own: a line in, a JSON line out. Undefined where there is none.
 * @param script prints a line with `version` and `gemmGflops` when it is ready.
 */
export async function openTorch(script, args, threads = 1) {
  if (spawnSync(PYTHON, ['-c', 'import torch']).status !== 0) return undefined
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) }
  for (const name of NOT_FOR_TORCH) delete env[name]
  const child = spawn(PYTHON, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'], env })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the torch process ended early')
    return JSON.parse(value)
  }
  const about = await next()
  return {
    ...about,
    isYardstick: about.gemmGflops >= LEAST_BLAS_GFLOPS,
    run: async () => {
      child.stdin.write('\n')
      return next()
    },
    close: () => child.stdin.end(),
  }
}

/** What a run of this process takes: milliseconds of the clock and of the processor (user and system). */
export async function timed(run) {
  const started = performance.now()
  const before = process.cpuUsage()
  const value = await run()
  const { user, system } = process.cpuUsage(before)
  return { value, ms: performance.now() - started, processorMs: (user + system) / 1000 }
}

export const median = (values) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** Of several runs, of the clock and of the processor each for itself. */
export const medianTime = (times) => ({
  ms: median(times.map(({ ms }) => ms)),
  processorMs: median(times.map(({ processorMs }) => processorMs)),
})

/** A figure held against its target: met where it is at most that, not judged where it could not be measured. */
export function judge(what, value, target, unit = '') {
  const verdict = value === undefined ? 'not judged' : value <= target ? 'pass' : 'MISS'
  return { what, value, target, unit, verdict }
}

/** `fp32 over torch   0.93 (target <= 1)   pass`. */
export function judgedLine({ what, value, target, unit, verdict }) {
  const figure = value === undefined ? '-' : `${Number(value.toPrecision(3))}${unit}`
  return `  ${what.padEnd(52)} ${figure.padStart(9)}   target <= ${`${target}${unit}`.padEnd(8)} ${verdict}`
}

/** Of the clock, and of the processor. */
export const timeText = ({ ms, processorMs }) =>
  `${ms.toFixed(ms < 10 ? 1 : 0)} ms (processor ${processorMs.toFixed(processorMs < 10 ? 1 : 0)})`
