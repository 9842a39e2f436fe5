/**
 * Answers that were paid and could not be delivered, since another job of the same request failed, or the client was
 * gone: kept for a while, so that whoever repeats the request does not pay for them again.
 */
import { createHash } from 'node:crypto'
import type { Job, JobAnswer } from '../job.js'
import { bytesOf } from './answer-bytes.js'

/** Whose job it was, and which of its request's. */
export interface PaidJob {
  /** What the client showed to be let in; empty where nothing is asked for. */
  readonly authorization: string
  readonly path: string
  /** 0 for the first job of a request. */
  readonly ordinal: number
  readonly job: Job
}

interface Kept {
  readonly answer: JobAnswer
  readonly bytes: number
  /** Monotonic milliseconds. */
  readonly untilMs: number
}

export class PaidAnswers {
  readonly #limits: { readonly paidBytes: number; readonly paidMs: number }
  /** The oldest first. */
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  constructor(limits: { readonly paidBytes: number; readonly paidMs: number }) {
    this.#limits = limits
  }

  /** @returns whether there is room for it; the oldest make some */
  keep(paid: PaidJob, answer: JobAnswer): boolean {
    const { paidBytes, paidMs } = this.#limits
    const bytes = bytesOf(answer.output)
    if (bytes > paidBytes) return false
    const key = keyOf(paid)
    this.#drop(key)
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes + bytes <= paidBytes) break
      this.#drop(oldest)
    }
    this.#kept.set(key, { answer, bytes, untilMs: performance.now() + paidMs })
    this.#bytes += bytes
    return true
  }

  /** Hands it out, and keeps it no longer. */
  take(paid: PaidJob): JobAnswer | undefined {
    const now = performance.now()
    for (const [key, { untilMs }] of this.#kept) {
      if (untilMs > now) break
      this.#drop(key)
    }
    // A hash of half an hour of sound is no trifle.
    if (this.#kept.size === 0) return undefined
    const key = keyOf(paid)
    const found = this.#kept.get(key)
    this.#drop(key)
    return found?.answer
  }

  #drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }
}

/** A digest, so that neither a key nor what was said lies here beside its answer. */
function keyOf({ authorization, path, ordinal, job }: PaidJob): string {
  const { task, model, input, parameters } = job
  const sorted = Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))
  const rate = input.kind === 'sound' ? input.sampleRate : null
  const hash = createHash('sha256')
  hash.update(`${JSON.stringify([authorization, path, ordinal, task, model, sorted, input.kind, rate])}\n`)
  return hash.update(input.kind === 'sound' ? input.pcm16 : input.text).digest('hex')
}
