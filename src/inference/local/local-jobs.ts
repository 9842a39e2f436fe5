/**
 * Jobs on the models of this machine: each model in a process of its own that stays warm and has all its languages, one
 * line for all jobs.
 *
 *     const jobs = await LocalJobs.open({ dataDir })
 *     const [model] = await jobs.models()
 *     await jobs.run({ task: 'transcribe', model: model.sha256, input, parameters: {} }, { signal })
 */
import { availableParallelism, totalmem } from 'node:os'
import { UserError } from '../../errors.js'
import type { Logger } from '../../telemetry/logger.js'
import { embedsFrom, type ModelCard } from '../catalogue/card.js'
import { Catalogue } from '../catalogue/catalogue.js'
import { servedMemoryOf } from '../catalogue/memory.js'
import { ModelHashes } from '../catalogue/model-hash.js'
import type { Job, JobAnswer, JobInput, JobSource, RunOptions, ServedModel } from '../job.js'
import { unitOf } from '../units.js'
import { WorkingTime } from '../working-time.js'
import { JobQueue, type JobQueueOptions } from './job-queue.js'
import { ModelPool, type ModelPoolOptions } from './model-pool.js'
import { checkJob, type JobLimits, kindOf, openingFor, runJob } from './run-job.js'

export interface LocalJobsOptions
  extends Partial<JobQueueOptions>,
    Partial<ModelPoolOptions>,
    Partial<JobLimits> {
  readonly dataDir: string
  /** Names of the catalogue; all unless given. */
  readonly names?: readonly string[]
  readonly log?: Logger
}

export interface LocalRunOptions extends Pick<RunOptions, 'signal' | 'onText'> {
  /** Whose it is, where the line is shared; one for all unless given. */
  readonly client?: string
  /** It waits no longer: from now on it costs work, and so many milliseconds of it by then. */
  readonly onBegun?: (workedMs: () => number) => void
}

const MIB = 2 ** 20

/** Half of the machine is for models; the access point's own work needs the rest. */
const defaults = (): JobQueueOptions & ModelPoolOptions & JobLimits => ({
  parallel: 1,
  mostWaiting: 32,
  mostBytes: 256 * MIB,
  deadlineMs: 300_000,
  memoryBytes: Math.floor(totalmem() / 2),
  threads: availableParallelism(),
  niceness: 10,
  // Half an hour at 16 kHz is 58 MB.
  mostSoundSeconds: 1800,
  mostCharacters: 20_000,
  // Twenty minutes at 24 kHz: what the gateway's longest text takes where it is spoken slowly.
  mostSpeechBytes: 64 * MIB,
})

export class LocalJobs implements JobSource {
  readonly #options: LocalJobsOptions
  readonly #limits: JobLimits
  readonly #queue: JobQueue
  readonly #pool: ModelPool
  readonly #hashes: ModelHashes
  readonly #working = new WorkingTime()
  #cards: ReadonlyMap<string, ModelCard> = new Map()

  private constructor(options: LocalJobsOptions, hashes: ModelHashes) {
    const all = { ...defaults(), ...options }
    this.#options = options
    this.#limits = all
    this.#queue = new JobQueue(all)
    this.#pool = new ModelPool(all)
    this.#hashes = hashes
  }

  /** Reads no model yet. */
  static async open(options: LocalJobsOptions): Promise<LocalJobs> {
    return new LocalJobs(options, await ModelHashes.open(options.dataDir))
  }

  /** Jobs that wait or run. */
  get length(): number {
    return this.#queue.length
  }

  get retryAfterSeconds(): number {
    return this.#queue.retryAfterSeconds
  }

  /**
   * Those of the catalogue that jobs can be sent to, as it is now; images are no jobs yet. The first call hashes their
   * files. @throws UserError BAD_CONFIG for a catalogue that is none, NOT_FOUND for a name that is not in it
   */
  async models(): Promise<readonly ServedModel[]> {
    const { dataDir, names } = this.#options
    const catalogue = await Catalogue.open(dataDir)
    const chosen = names === undefined ? catalogue.list() : names.map((name) => catalogue.get(name))
    const served: ServedModel[] = []
    const cards = new Map<string, ModelCard>()
    for (const card of chosen) {
      if (card.task === 'embed' && embedsFrom(card) === 'image') continue
      const sha256 = await this.#hashOf(card)
      if (sha256 === undefined || cards.has(sha256)) continue
      cards.set(sha256, card)
      served.push(servedModel(card, sha256))
    }
    this.#cards = cards
    return served
  }

  /**
   * For who offers them to others: a model that never fits would fail each of their jobs.
   * @throws UserError UNAVAILABLE with have and need for the first that does not; as {@link models}
   */
  async requireRoom(): Promise<void> {
    await this.models()
    for (const card of this.#cards.values()) this.#pool.requireRoom(card)
  }

  /**
   * For who serves whichever fit.
   * @throws UserError UNAVAILABLE with have and need of the smallest where there are models and none fits; as {@link models}
   */
  async requireRoomForOne(): Promise<void> {
    await this.models()
    const [smallest] = [...this.#cards.values()].toSorted((a, b) => servedMemoryOf(a) - servedMemoryOf(b))
    if (smallest !== undefined) this.#pool.requireRoom(smallest)
  }

  /** The catalogue's entry of a model that is served. @throws UserError NOT_FOUND */
  async card(sha256: string): Promise<ModelCard> {
    if (!this.#cards.has(sha256)) await this.models()
    const card = this.#cards.get(sha256)
    if (card !== undefined) return card
    throw new UserError(`there is no model ${sha256.slice(0, 16)}`, {
      code: 'NOT_FOUND',
      remedy: 'ask which models there are',
    })
  }

  /** `onText` is called with each stretch of some twenty seconds that the model has heard, and with none of a job that was given up. */
  async run(job: Job, { signal, onText, client, onBegun }: LocalRunOptions = {}): Promise<JobAnswer> {
    const card = await this.card(job.model)
    checkJob(card, job, this.#limits)
    const work = async (either: AbortSignal): Promise<JobAnswer> => {
      // To load a model is work, too.
      onBegun?.(this.#working.begin())
      await this.#requireUnchanged(card, job.model)
      return this.#pool.use({ card, sha256: job.model }, openingFor(card, job), async (model) => {
        either.throwIfAborted()
        const workedMs = this.#working.begin()
        const output = await runJob(model, card, job, either, this.#limits, onText)
        return { output, runSeconds: workedMs() / 1000 }
      })
    }
    return this.#queue.run(bytesOf(job.input), work, signal, { client, kind: kindOf(card, job) })
  }

  /** Begins no job, and stops those that run where they are: the machine is needed. */
  pause(): void {
    this.#working.pause()
    this.#queue.pause()
    this.#pool.suspend()
  }

  resume(): void {
    this.#working.resume()
    this.#pool.resume()
    this.#queue.resume()
  }

  async close(): Promise<void> {
    this.#pool.resume()
    const ended = this.#queue.close()
    await this.#pool.close()
    await ended
  }

  /**
   * A process may have died, or been closed for another model's sake, and reads the files anew: what they hold by now is to
   * go by no other model's name, which would be signed for, and judged by. @throws UserError UNAVAILABLE
   */
  async #requireUnchanged(card: ModelCard, sha256: string): Promise<void> {
    if ((await this.#hashOf(card)) === sha256) return
    throw new UserError(`the files of ${card.name} are not those any more that jobs are taken for`, {
      code: 'UNAVAILABLE',
      remedy: 'whoever runs it must put them back, or start again what serves it',
    })
  }

  /** Undefined for a model whose files went away: it is missed when it is asked for. */
  async #hashOf(card: ModelCard): Promise<string | undefined> {
    try {
      return await this.#hashes.of(card)
    } catch (error) {
      this.#options.log?.warn({ model: card.name, err: error }, 'the files of a model cannot be read')
      return undefined
    }
  }
}

function servedModel(card: ModelCard, sha256: string): ServedModel {
  const { name, task, languages, licence, addedAtMs, precision, languageModel } = card
  return {
    id: name,
    sha256,
    ...(precision === 'int8' ? { precision } : {}),
    ...(languageModel === null ? {} : { hearsWithNgrams: true as const }),
    task,
    languages,
    licence,
    unit: unitOf(task, embedsFrom(card)),
    priceWeiPerUnit: 0n,
    ownedBy: 'local',
    addedAtMs,
  }
}

const bytesOf = (input: JobInput): number =>
  input.kind === 'sound' ? input.pcm16.length : Buffer.byteLength(input.text)
