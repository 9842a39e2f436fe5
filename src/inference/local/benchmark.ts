/** What a model of the catalogue costs on this machine: time to load, memory, time of a call, by size and threads. */
import { embedsFrom, type ModelCard } from '../catalogue/card.js'
import type { Precision } from '../catalogue/precision.js'
import type { BenchmarkUnit, BenchmarkWork } from './bench-work.js'
import { LocalModel } from './local-model.js'

export interface BenchmarkPlan {
  readonly precisions: readonly Precision[]
  readonly threads: readonly number[]
  /** Of the model's inputs, in the unit of its work. */
  readonly sizes: readonly number[]
  /** Calls of each size that count; one more goes before. */
  readonly runs: number
  /** What the serving process may use; what the system has available unless given. */
  readonly memoryBytes?: number
}

export interface BenchmarkRow {
  readonly precision: Precision
  readonly threads: number
  /** Of the input: how much of which unit. */
  readonly size: number
  readonly unit: BenchmarkUnit
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of the sound that was heard or spoken; absent where there is none. */
  readonly seconds?: number
  /** p50 over the sound's length. */
  readonly realTimeFactor?: number
  readonly loadMs: number
  /** Of the serving process after these calls, mapped weights included. */
  readonly memoryBytes: number
}

/**
 * Loads the model once for each precision and number of threads, in a process of its own, and calls it.
 * @param report each row as soon as it is known
 * @throws UserError UNAVAILABLE with have and need where the model does not fit
 */
export async function benchmark(
  card: ModelCard,
  work: BenchmarkWork,
  plan: BenchmarkPlan,
  report: (row: BenchmarkRow) => void,
  signal?: AbortSignal,
): Promise<readonly BenchmarkRow[]> {
  const { memoryBytes } = plan
  const input = embedsFrom(card)
  const rows: BenchmarkRow[] = []
  for (const precision of plan.precisions)
    for (const threads of plan.threads) {
      signal?.throwIfAborted()
      const started = performance.now()
      const model = await LocalModel.open(card, {
        threads,
        int8: precision === 'int8',
        ...(card.task === 'embed' && input !== undefined && { embedding: { input } }),
        ...(memoryBytes === undefined ? {} : { memoryBytes }),
      })
      const loadMs = performance.now() - started
      try {
        for (const size of plan.sizes) {
          const { times, seconds } = await timesOf(() => work.call(model, size, signal), plan.runs)
          const p50Ms = percentile(times, 50)
          const row = {
            precision,
            threads,
            size,
            unit: work.unit,
            p50Ms,
            p99Ms: percentile(times, 99),
            ...(seconds === undefined ? {} : { seconds, realTimeFactor: p50Ms / 1000 / seconds }),
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

/** The first call warms up and does not count. */
async function timesOf(
  call: () => Promise<number | undefined>,
  runs: number,
): Promise<{ readonly times: readonly number[]; readonly seconds: number | undefined }> {
  const seconds = await call()
  const times: number[] = []
  for (let run = 0; run < runs; run++) {
    const started = performance.now()
    await call()
    times.push(performance.now() - started)
  }
  return { times, seconds }
}

/** The least value that so many percent of the values do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}
