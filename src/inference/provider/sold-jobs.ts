/**
 * What a provider's jobs run on: models of this machine, and those of a server behind it where its operator has one. What a
 * server runs nobody can run again: such models are told apart, and offered as what they are.
 */
import { UserError } from '../../errors.js'
import type { Job, JobAnswer, ServedModel } from '../job.js'
import type { LocalJobs, LocalRunOptions } from '../local/local-jobs.js'
import type { Pausable } from '../standing-still.js'
import type { UpstreamJobs } from '../upstream/upstream-jobs.js'

/** What a provider needs of them. */
export interface ProviderJobs {
  /** Waiting or running. */
  readonly length: number
  readonly retryAfterSeconds: number
  models(): Promise<readonly SoldModel[]>
  run(job: Job, options: LocalRunOptions): Promise<JobAnswer>
}

export interface SoldModel extends ServedModel {
  /** Of one whose files are elsewhere: no auditor can run a job again. */
  readonly isUnaudited?: true
}

export interface Upstream {
  readonly jobs: UpstreamJobs
  /** Of its list; the others are not sold. */
  readonly names: readonly string[]
}

export class SoldJobs implements ProviderJobs, Pausable {
  readonly #local: LocalJobs
  readonly #upstream: Upstream | undefined
  #served: ReadonlySet<string> = new Set()

  constructor(local: LocalJobs, upstream?: Upstream) {
    this.#local = local
    this.#upstream = upstream
  }

  get length(): number {
    return this.#local.length + (this.#upstream?.jobs.length ?? 0)
  }

  get retryAfterSeconds(): number {
    return Math.max(this.#local.retryAfterSeconds, this.#upstream?.jobs.retryAfterSeconds ?? 1)
  }

  /** @throws UserError as `LocalJobs.models` and `UpstreamJobs.models`; NOT_FOUND for a name that the server does not have */
  async models(): Promise<readonly SoldModel[]> {
    const own = await this.#local.models()
    const upstream = this.#upstream
    if (upstream === undefined) return own
    const listed = await upstream.jobs.models()
    const served = upstream.names.map((name): SoldModel => {
      const model = listed.find(({ id }) => id === name)
      if (model !== undefined) return { ...model, isUnaudited: true }
      throw new UserError(`${upstream.jobs.name} has no model ${name} whose task is known`, {
        code: 'NOT_FOUND',
        remedy:
          'mend inference.provider.upstream.models, or say what it is for in inference.provider.upstream.tasks',
      })
    })
    this.#served = new Set(served.map(({ sha256 }) => sha256))
    return [...own, ...served]
  }

  run(job: Job, options: LocalRunOptions): Promise<JobAnswer> {
    const upstream = this.#served.has(job.model) ? this.#upstream : undefined
    return (upstream?.jobs ?? this.#local).run(job, options)
  }

  pause(): void {
    this.#local.pause()
    this.#upstream?.jobs.pause()
  }

  resume(): void {
    this.#upstream?.jobs.resume()
    this.#local.resume()
  }

  async close(): Promise<void> {
    await Promise.all([this.#local.close(), this.#upstream?.jobs.close()])
  }
}
