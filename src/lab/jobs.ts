/** Jobs that saturate the prover's node while it is measured: what they make of the measurement, and it of them. */
import type { ChildProcess } from 'node:child_process'
import type { FlowOrder, JobsMessage, JobTimes } from './jobs-child.js'

/** Of one measurement. */
export interface JobsFigures {
  /** Jobs that ended before it began, and those that it met. */
  readonly before: JobsSummary
  readonly met: JobsSummary
  readonly failures: readonly string[]
}

export interface JobsSummary {
  readonly jobs: number
  readonly medianMs: number | null
  readonly longestMs: number | null
}

export class LabJobs {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Resolves when the model is warm and the first job was done. */
  async flow(): Promise<void> {
    await this.#order({ flow: true }, 'flowing')
  }

  /** Lets what is under way end, and tells what a measurement from `startedMs` (Unix) to now met. */
  async rest(startedMs: number): Promise<JobsFigures> {
    const message = await this.#order({ flow: false }, 'rested')
    if (message.kind !== 'rested') throw new Error('another answer than asked for')
    const { jobs, failures } = message
    const isBefore = (job: JobTimes): boolean => job.startedMs + job.tookMs <= startedMs
    // The first one loads the model.
    const warm = jobs.slice(1)
    return {
      before: summaryOf(warm.filter(isBefore)),
      met: summaryOf(warm.filter((job) => !isBefore(job))),
      failures,
    }
  }

  async #order(order: FlowOrder, awaited: JobsMessage['kind']): Promise<JobsMessage> {
    const child = this.#child
    return new Promise((resolve, reject) => {
      const over = (): void => {
        child.off('message', onMessage)
        child.off('exit', onExit)
      }
      const onExit = (): void => {
        over()
        reject(new Error("the laboratory's jobs ended"))
      }
      const onMessage = (message: JobsMessage): void => {
        if (message.kind !== awaited && message.kind !== 'error') return
        over()
        if (message.kind === 'error') reject(new Error(message.message))
        else resolve(message)
      }
      child.on('message', onMessage)
      child.once('exit', onExit)
      child.send(order)
    })
  }
}

function summaryOf(jobs: readonly JobTimes[]): JobsSummary {
  const sorted = jobs.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
  return {
    jobs: sorted.length,
    medianMs: sorted[Math.floor(sorted.length / 2)] ?? null,
    longestMs: sorted.at(-1) ?? null,
  }
}
