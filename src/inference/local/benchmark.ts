/** What a model of the catalogue costs on this machine: time to load, memory, time of a call, by length and threads. */
import { UserError } from '../../errors.js'
import { embedsFrom, type ModelCard } from '../catalogue/card.js'
import { LocalModel } from './local-model.js'
import type { Sound } from './sound.js'

export type Precision = 'fp32' | 'int8'

export interface BenchmarkPlan {
  readonly precisions: readonly Precision[]
  readonly threads: readonly number[]
  /** Lengths of sound, s. */
  readonly seconds: readonly number[]
  /** Calls of each length that count; one more goes before. */
  readonly runs: number
  /** What the serving process may use; what the system has available unless given. */
  readonly memoryBytes?: number
}

export interface BenchmarkRow {
  readonly precision: Precision
  readonly threads: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** p50 over the sound's length. */
  readonly realTimeFactor: number
  readonly loadMs: number
  /** Of the serving process after these calls, mapped weights included. */
  readonly memoryBytes: number
}

/** Loud enough to be heard as something, and the same each time. */
const SAMPLE_RATE = 16_000
const AMPLITUDE = 0.3

/**
 * Loads the model once for each precision and number of threads, in a process of its own, and calls it.
 * @param report each row as soon as it is known
 * @throws UserError UNAVAILABLE with have and need where the model does not fit; BAD_ARGUMENT where it takes no sound
 */
export async function benchmark(
  card: ModelCard,
  plan: BenchmarkPlan,
  report: (row: BenchmarkRow) => void,
  signal?: AbortSignal,
): Promise<readonly BenchmarkRow[]> {
  const { memoryBytes } = plan
  const call = callOf(card)
  const rows: BenchmarkRow[] = []
  for (const precision of plan.precisions)
    for (const threads of plan.threads) {
      signal?.throwIfAborted()
      const started = performance.now()
      const model = await LocalModel.open(card, {
        threads,
        int8: precision === 'int8',
        ...(card.task === 'embed' && { embedding: { input: 'sound' as const } }),
        ...(memoryBytes === undefined ? {} : { memoryBytes }),
      })
      const loadMs = performance.now() - started
      try {
        for (const seconds of plan.seconds) {
          const times = await timesOf(() => call(model, soundOf(seconds), signal), plan.runs)
          const p50Ms = percentile(times, 50)
          const row = {
            precision,
            threads,
            seconds,
            p50Ms,
            p99Ms: percentile(times, 99),
            realTimeFactor: p50Ms / 1000 / seconds,
            loadMs,
            memoryBytes: model.residentBytes,
          }
          rows.push(row)
          report(row)
        }
      } finally {
        await model.close()
      }
    }
  return rows
}

type Call = (model: LocalModel, sound: Sound, signal?: AbortSignal) => Promise<unknown>

function callOf(card: ModelCard): Call {
  switch (card.task) {
    case 'transcribe':
      return (model, sound, signal) => model.transcribe(sound, signal)
    case 'identify':
      return (model, sound, signal) => model.identify(sound, signal)
    case 'translate':
      return (model, sound, signal) => model.translate(sound, undefined, signal)
    case 'embed':
      if (embedsFrom(card) === 'sound')
        return (model, content, signal) => model.embed({ content, form: 'vector' }, signal)
  }
  throw new UserError(`${card.name} takes no sound, and other models are not measured yet`, {
    code: 'BAD_ARGUMENT',
    remedy: 'name a model to transcribe, identify, translate or embed sounds',
    exitStatus: 2,
  })
}

async function timesOf(call: () => Promise<unknown>, runs: number): Promise<readonly number[]> {
  await call()
  const times: number[] = []
  for (let run = 0; run < runs; run++) {
    const started = performance.now()
    await call()
    times.push(performance.now() - started)
  }
  return times
}

/** The least value that so many percent of the values do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}

/** A voice's buzz with noise, rising and falling as syllables do: what it says does not change what it costs. */
function soundOf(seconds: number): Sound {
  let state = 1
  const samples = Float32Array.from({ length: Math.round(seconds * SAMPLE_RATE) }, (_, i) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const t = i / SAMPLE_RATE
    const buzz = Math.sin(2 * Math.PI * 140 * t) + 0.5 * Math.sin(2 * Math.PI * 420 * t)
    return AMPLITUDE * Math.abs(Math.sin(2 * Math.PI * 2 * t)) * (buzz + state / 2 ** 31 - 1)
  })
  return { samples, sampleRate: SAMPLE_RATE }
}
