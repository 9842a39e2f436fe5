/** What jobs of each model took: for offers, and to know how much of one was done. Pure. */
import type { JobInput } from '../job.js'
import { MOST_RUN_MS_PER_SECOND, type OfferedModel } from '../network/offer.js'
import { workOf } from '../units.js'

/** The last job's share in what is told of the next. */
const SMOOTHING = 0.3

export class Speeds {
  /** Milliseconds for a second of speech, by model. */
  readonly #msPerSecond = new Map<string, number>()

  /** As an offer says it; nothing of a model without a job. */
  of(sha256: string): Pick<OfferedModel, 'runMsPerSecond'> {
    const measured = this.#msPerSecond.get(sha256)
    if (measured === undefined) return {}
    return { runMsPerSecond: Math.min(MOST_RUN_MS_PER_SECOND, Math.max(1, Math.round(measured))) }
  }

  learn(sha256: string, runSeconds: number, input: JobInput): void {
    // What is shorter than a second says more of the beginning than of the rest.
    const ms = (1000 * runSeconds) / Math.max(1, workOf(input))
    const before = this.#msPerSecond.get(sha256) ?? ms
    this.#msPerSecond.set(sha256, before + SMOOTHING * (ms - before))
  }

  /** How much of a job was done in so much time, from 0 to 1; all of it where nothing is known. */
  doneShare(sha256: string, workedMs: number, input: JobInput): number {
    const msPerSecond = this.#msPerSecond.get(sha256)
    if (msPerSecond === undefined) return 1
    return Math.min(1, workedMs / Math.max(1, msPerSecond * Math.max(1, workOf(input))))
  }
}
