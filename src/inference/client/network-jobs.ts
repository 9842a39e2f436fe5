/**
 * Jobs that providers of the network run, for money where they ask for it: found by their offers, the cheapest and then
 * the nearest first, others where one fails.
 *
 *     const jobs = new NetworkJobs({ depositWei, ... }, { host, log, openPayments })
 *     jobs.start()
 *     const [model] = await jobs.models()
 *     await jobs.run({ task: 'transcribe', model: model.sha256, input, parameters: {} }, { maxPriceWei })
 *
 * What a provider can cost by taking money for nothing is at most `exposureWei` (docs/inference.md).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { UserError } from '../../errors.js'
import type { Host } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import type { KnownModels } from '../catalogue/known-models.js'
import type { Job, JobAnswer, JobSource, RunOptions, ServedModel } from '../job.js'
import type { Offer } from '../network/offer.js'
import { isOfOtherLedger } from '../payment/index.js'
import { smaller } from '../payment/wei.js'
import { workOf } from '../units.js'
import { type Candidate, inOrder, servedModels } from './candidates.js'
import { ChainWait } from './chain-wait.js'
import { Choice } from './choice.js'
import { Conduct } from './conduct.js'
import type { DailyBudget } from './daily-budget.js'
import { mostSeconds } from './exposure.js'
import { isBlame, isDoneElsewhere, isFailure, isOfTerms, isRefusal } from './failures.js'
import { LeftProviders } from './left-providers.js'
import { NewChannels } from './new-channels.js'
import { Offers } from './offers.js'
import { type OpenPayments, Purse } from './payments.js'
import { LEAST_PIECE_SECONDS } from './pieces.js'
import { type JobPiece, piecesOf, runPiecewise } from './piecewise.js'
import { type BuyerAudits, Purchases } from './purchases.js'
import { type Recipient, recipientOf } from './recipient.js'
import { withSentSound } from './sent-sound.js'

export interface NetworkJobsOptions {
  /** These providers alone: multiaddrs or peer ids. */
  readonly providers?: readonly string[]
  /** No job may cost more. */
  readonly maxPriceWei?: bigint
  /** What one provider may hold without having delivered. */
  readonly exposureWei: bigint
  /** Whether jobs may be sampled by auditors, who hear them then; true unless given. */
  readonly audit?: boolean
  /** Whether what no audit can judge, since a server behind its provider runs it, is bought as well; false unless given. */
  readonly allowUnaudited?: boolean
  /** Called before anything of a job leaves; what it throws refuses that. */
  readonly onRecipient?: (recipient: Recipient) => void | Promise<void>
  /** Called every ten seconds while a job waits for the chain. */
  readonly onChainWait?: (elapsedMs: number) => void
}

export interface NetworkJobsModules {
  readonly host: Host
  readonly log: Logger
  /** Models that this machine knows, as they are at the moment. */
  readonly knownModels: () => Promise<KnownModels>
  /** Absent: nothing is kept, and nobody avoided. */
  readonly audits?: BuyerAudits
  /** Absent: only free jobs. */
  readonly openPayments?: OpenPayments
  /** Of all jobs of a day; absent: what they cost is not counted. */
  readonly budget?: DailyBudget
  /** Providers that cheated; in memory unless given. */
  readonly left?: LeftProviders
  /** One of its own unless given. */
  readonly conduct?: Conduct
}

/** Where a provider says when to come again, that is done so often, if it is soon. */
const MOST_TRIES = 8
const LONGEST_WAIT_SECONDS = 5
/** A recording is cut otherwise so often, where nobody did the first piece. */
const MOST_CUTS = 3

export class NetworkJobs implements JobSource {
  readonly #options: NetworkJobsOptions
  readonly #modules: NetworkJobsModules
  readonly #offers: Offers
  readonly #purse: Purse
  readonly #purchases: Purchases
  readonly #conduct: Conduct
  readonly #left: LeftProviders
  readonly #choice: Choice
  #underWay = 0

  constructor(options: NetworkJobsOptions, modules: NetworkJobsModules) {
    this.#options = options
    this.#modules = modules
    const { host, log, audits, openPayments, conduct = new Conduct() } = modules
    this.#conduct = conduct
    this.#left = modules.left ?? LeftProviders.passing()
    this.#purse = new Purse(openPayments, new ChainWait(options.onChainWait))
    this.#offers = new Offers({
      ...{ host, log, named: options.providers ?? [] },
      isKnown: (offer) => this.#purse.hasDelivered(offer),
    })
    this.#choice = new Choice(options, {
      ...{ offers: this.#offers, purse: this.#purse, conduct: this.#conduct, left: this.#left },
      audits: modules.audits,
      budget: modules.budget,
    })
    this.#purchases = new Purchases(options.audit ?? true, {
      ...{ host, log, audits, purse: this.#purse },
      budget: modules.budget,
    })
  }

  start(): void {
    this.#offers.start()
  }

  async close(): Promise<void> {
    this.#offers.stop()
    await this.#purchases.close()
    await this.#modules.budget?.close()
  }

  /** The cheapest first. */
  async models(signal?: AbortSignal): Promise<readonly ServedModel[]> {
    const found = await this.#offers.find(signal)
    // A model that is not listed is asked for by nobody.
    this.#choice.askAbout(found)
    const asked = found.filter(({ offer }) => !this.#choice.isShunned(offer))
    // Where nobody else is left, the refusal of a job says why.
    return servedModels(
      asked.length > 0 ? asked : found,
      await this.#modules.knownModels(),
      this.#options.allowUnaudited === true,
    )
  }

  /** Who would hear a job, in the order in which they are asked. @throws as {@link run}, before anything is sent */
  async describe(job: Job, options: RunOptions = {}): Promise<readonly Recipient[]> {
    const sent = await withSentSound(job, options.signal)
    const pieces = await this.#pieces(sent, options)
    return (await this.#choice.candidates(sent, options, pieces)).map((each) =>
      recipientOf(each, this.#options),
    )
  }

  /** Jobs that somebody waits for. */
  get underWay(): number {
    return this.#underWay
  }

  /** A long recording whose text is wanted on the way is bought in pieces, and so is one that is too long for a job, and speech that is. */
  async run(job: Job, options: RunOptions = {}): Promise<JobAnswer> {
    this.#underWay++
    try {
      return await this.#run(await withSentSound(job, options.signal), options)
    } finally {
      this.#underWay--
    }
  }

  async #run(job: Job, options: RunOptions): Promise<JobAnswer> {
    const channels = new NewChannels(this.#purse)
    for (let tries = 1, pieces = await this.#pieces(job, options); ; tries++) {
      let isBegun = false
      const buy = async (piece: Job, limits: RunOptions): Promise<JobAnswer> => {
        const answer = await this.#buy(piece, limits, channels)
        isBegun = true
        return answer
      }
      try {
        return await this.#runIn(pieces, job, { ...options, buy })
      } catch (error) {
        if (isBegun || tries >= MOST_CUTS || !isDoneElsewhere(error)) throw error
        // Who comes first after those that failed may take more of it at once, or less.
        const others = await this.#pieces(job, options).catch(() => pieces)
        if (others.length === pieces.length) throw error
        pieces = others
      }
    }
  }

  async #runIn(
    pieces: readonly JobPiece[],
    job: Job,
    { buy, ...options }: RunOptions & { readonly buy: (job: Job, options: RunOptions) => Promise<JobAnswer> },
  ): Promise<JobAnswer> {
    const { onText } = options
    if (pieces.length === 0) {
      const answer = await buy(job, options)
      if (answer.output.kind === 'transcription') onText?.(answer.output.text)
      return answer
    }
    // Somebody does all of it for what it may cost, before any of it is sent.
    await this.#choice.candidates(job, options, pieces)
    const maxPriceWei = smaller(options.maxPriceWei, this.#options.maxPriceWei)
    return runPiecewise(job, {
      ...options,
      ...(maxPriceWei === undefined ? {} : { maxPriceWei }),
      pieces,
      buy,
    })
  }

  /** As which a recording is bought: none of them longer than may be at stake with who comes first. @throws as {@link run} */
  async #pieces(job: Job, options: RunOptions): Promise<readonly JobPiece[]> {
    const isStreamed = options.onText !== undefined
    const isCut = job.task === 'transcribe' && workOf(job.input) > LEAST_PIECE_SECONDS
    if (!isCut) return piecesOf(job, isStreamed)
    const found = await this.#offers.find(options.signal)
    const all = await this.#choice.offering(job, found, options, [job.input])
    return piecesOf(job, isStreamed, mostSeconds(job, all, this.#options.exposureWei))
  }

  async #buy(job: Job, options: RunOptions, channels: NewChannels): Promise<JobAnswer> {
    const { signal } = options
    for (let tries = 1; ; tries++) {
      const failures: UserError[] = []
      const candidates = [...(await this.#choice.candidates(job, options))]
      const renewed = new Set<string>()
      const blaming = new Map<string, number>()
      for (let next = candidates.shift(); next !== undefined; next = candidates.shift()) {
        const candidate = next
        const { peerId } = candidate.offer
        try {
          if (!(await channels.allows(candidate))) continue
          await this.#options.onRecipient?.(recipientOf(candidate, this.#options))
          const answer = await this.#buyFrom(candidate, job, { signal, blaming, others: candidates })
          // It could be done.
          for (const [blamer, askedAtMs] of blaming) this.#conduct.failed(blamer, askedAtMs)
          return answer
        } catch (error) {
          signal?.throwIfAborted()
          if (!isDoneElsewhere(error)) throw error
          failures.push(error)
          await this.#judge(candidate, error)
          if (!isOfTerms(error) || renewed.has(peerId)) continue
          renewed.add(peerId)
          const otherwise = await this.#choice.renewed(candidate, job, options)
          if (otherwise === undefined) continue
          candidates.push(otherwise)
          candidates.sort(inOrder)
        }
      }
      // Why there is nobody left to ask is this client's own bound, before anything that others said.
      const [first] =
        channels.refusal === undefined
          ? [...failures.filter((failure) => !isBlame(failure)), ...failures]
          : [channels.refusal]
      if (first === undefined) throw new Error('a job without candidates was not refused')
      const waits = failures.flatMap(({ code, details }) =>
        code === 'BUSY' ? [Number(details.retryAfterSeconds ?? 1)] : [],
      )
      const soonest = Math.min(...waits)
      if (tries >= MOST_TRIES || !(soonest <= LONGEST_WAIT_SECONDS))
        throw failures.find(({ code }) => code === 'BUSY') ?? first
      await sleep(soonest * 1000, undefined, signal === undefined ? {} : { signal })
    }
  }

  /**
   * @param others that can be asked after it
   * @param blaming who finds the job amiss is noted there, with when it was asked
   * @throws as {@link Purchases.buy}
   */
  async #buyFrom(
    candidate: Candidate,
    job: Job,
    {
      signal,
      others,
      blaming,
    }: {
      readonly signal: AbortSignal | undefined
      readonly others: readonly Candidate[]
      readonly blaming: Map<string, number>
    },
  ): Promise<JobAnswer> {
    const { arrears, latencyMs, offer, model } = candidate
    const { peerId } = offer
    const work = workOf(job.input)
    // Who is the best hope that is left has all the time that there is.
    const isLast = others.every((other) => other.arrears > arrears)
    const patienceMs = this.#conduct.patienceMs(peerId, work, latencyMs, {
      runMsPerSecond: model.runMsPerSecond,
      underWay: offer.underWay,
    })
    let askedAtMs: number | undefined
    try {
      const answer = await this.#purchases.buy(candidate, job, {
        signal,
        ...(isLast ? {} : { patienceMs }),
        onAsked: () => {
          askedAtMs = this.#conduct.asked(peerId)
        },
      })
      if (askedAtMs !== undefined) this.#conduct.did(peerId, askedAtMs, work)
      this.#offers.know(peerId)
      return answer
    } catch (error) {
      if (askedAtMs === undefined) throw error
      if (isBlame(error)) blaming.set(peerId, askedAtMs)
      // Whoever asked may have lost patience before.
      const isItsFailure =
        signal?.aborted === true
          ? this.#conduct.elapsedMs(askedAtMs) > patienceMs
          : isFailure(error) || this.#isFirstRefusal(candidate, error)
      if (isItsFailure) this.#conduct.failed(peerId, askedAtMs)
      throw error
    }
  }

  /** Who took a channel and refuses from the beginning does so to everybody: new keys are free. */
  #isFirstRefusal({ offer, priceWei }: Candidate, error: unknown): boolean {
    return priceWei > 0n && isRefusal(error) && !this.#purse.hasDelivered(offer)
  }

  /** What a failure says of a provider. */
  async #judge({ offer }: Candidate, error: UserError): Promise<void> {
    const { log } = this.#modules
    log.info({ provider: offer.peerId, reason: error.message }, 'a provider did not do a job')
    if (isOfOtherLedger(error)) return this.#giveUp(offer, error.message)
    if (error.code !== 'VERIFICATION_FAILED' || error.details.isRemote === true) return
    // No honest provider does that: nothing more is asked of it, and the rest of the deposit comes home.
    await this.#left
      .add(offer.peerId, error.message, Date.now() / 1000)
      .catch((reason: unknown) =>
        log.warn({ reason: String(reason) }, 'that a provider was left is not on the disk'),
      )
    await this.#purse
      .leave(offer)
      .catch((reason: unknown) => log.warn({ reason: String(reason) }, 'the channel could not be left'))
  }

  /** It may be an honest one, and what it holds of the channel from before. */
  async #giveUp(offer: Offer, why: string): Promise<void> {
    const { log } = this.#modules
    await this.#purse
      .giveUp(offer, why)
      .catch((reason: unknown) => log.warn({ reason: String(reason) }, 'the channel could not be given up'))
  }
}
