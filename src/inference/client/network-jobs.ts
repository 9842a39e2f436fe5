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
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { formatEther } from '../../chain/index.js'
import { type Address, addressBytes, addressOfPublicKey } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { UserError } from '../../errors.js'
import type { Host } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import type { JobEvidence } from '../audit/audit.js'
import type { KeptEvidence } from '../audit/evidence.js'
import type { Job, JobAnswer, JobOutput, JobSource, RunOptions, ServedModel } from '../job.js'
import {
  decodeOutput,
  encodeInput,
  encodeTerms,
  MAX_INPUT_BYTES,
  termsOfParameters,
} from '../network/job-codec.js'
import type { Offer, OfferedModel } from '../network/offer.js'
import type { Payer } from '../payment/index.js'
import { smallest } from '../payment/wei.js'
import { priceOf, unitsOf } from '../units.js'
import type { Channels } from './channels.js'
import { Dealing } from './dealing.js'
import { type FoundOffer, Offers } from './offers.js'

export interface NetworkJobsOptions {
  /** These providers alone: multiaddrs or peer ids. */
  readonly providers?: readonly string[]
  /** No job may cost more. */
  readonly maxPriceWei?: bigint
  /** What one provider may hold without having delivered. */
  readonly exposureWei: bigint
  /** Whether jobs may be sampled by auditors, who hear them then; true unless given. */
  readonly audit?: boolean
  /** Called before anything of a job leaves; what it throws refuses that. */
  readonly onRecipient?: (recipient: Recipient) => void | Promise<void>
}

/** Who is going to hear a job, what for, and what it costs: known before it is sent. */
export interface Recipient {
  readonly provider: string
  readonly addresses: readonly string[]
  readonly model: string
  readonly units: number
  readonly priceWei: bigint
  /** Auditors may hear it, too. */
  readonly isAudited: boolean
  /** How long the provider says that it keeps it. */
  readonly keptSeconds: number
  /** The most that this provider can cost by taking money for nothing. */
  readonly mostLostWei: bigint
}

/** A client's ledger and channels, opened when the first job costs something. */
export interface ClientPayments {
  readonly payer: Payer
  readonly channels: Channels
  readonly domain: TypedDomain
  readonly chainId: number
  readonly contract: Address
}

/** What a buyer's audits ask of its jobs, and say of providers. */
export interface BuyerAudits {
  /** Whether a receipt's date is near enough to now. @param issuedAt Unix seconds */
  isTimely(issuedAt: number): boolean
  /** Of a job that was paid for and delivered; returns at once. */
  keep(evidence: KeptEvidence): void
  /** Whether a provider failed audits that this node believes. */
  isAvoided(peerId: string): boolean
}

export interface NetworkJobsModules {
  readonly host: Host
  readonly log: Logger
  /** Absent: nothing is kept, and nobody avoided. */
  readonly audits?: BuyerAudits
  /** Absent: only free jobs. @throws UserError where the chain cannot be used */
  readonly openPayments?: () => Promise<ClientPayments>
}

/** Where a provider says when to come again, that is done so often, if it is soon. */
const MOST_TRIES = 8
const LONGEST_WAIT_SECONDS = 5
/** Another provider may do better after these; anything else is the job's own fault. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'BUSY',
  'UNAVAILABLE',
  'UNREACHABLE',
  'TIMEOUT',
  'VERIFICATION_FAILED',
  'BAD_MESSAGE',
  'NOT_FOUND',
  'DENIED',
  'RATE_LIMITED',
])

interface Candidate extends FoundOffer {
  readonly model: OfferedModel
  readonly units: number
  readonly priceWei: bigint
}

export class NetworkJobs implements JobSource {
  readonly #options: NetworkJobsOptions
  readonly #modules: NetworkJobsModules
  readonly #offers: Offers
  readonly #dealings = new Map<string, Dealing>()
  /** Providers that cheated. */
  readonly #left = new Set<string>()
  readonly #keeping = new Set<Promise<void>>()
  #payments: Promise<ClientPayments> | undefined

  constructor(options: NetworkJobsOptions, modules: NetworkJobsModules) {
    this.#options = options
    this.#modules = modules
    const { host, log } = modules
    this.#offers = new Offers({ host, log, named: options.providers ?? [] })
  }

  start(): void {
    this.#offers.start()
  }

  async close(): Promise<void> {
    this.#offers.stop()
    await Promise.all(this.#keeping)
    await Promise.all([...this.#dealings.values()].map((dealing) => dealing.close()))
  }

  /** The cheapest first. */
  async models(signal?: AbortSignal): Promise<readonly ServedModel[]> {
    const found = await this.#offers.find(signal)
    const asked = found.filter(({ offer }) => !this.#isShunned(offer))
    // Where nobody else is left, the refusal of a job says why.
    return (asked.length > 0 ? asked : found)
      .flatMap(({ offer }) => offer.models.map((model) => servedModel(offer, model)))
      .sort((a, b) =>
        a.priceWeiPerUnit < b.priceWeiPerUnit ? -1 : a.priceWeiPerUnit > b.priceWeiPerUnit ? 1 : 0,
      )
  }

  /** Who would hear a job, in the order in which they are asked. @throws as {@link run}, before anything is sent */
  async describe(job: Job, { maxPriceWei, signal }: RunOptions = {}): Promise<readonly Recipient[]> {
    return (await this.#candidates(job, maxPriceWei, signal)).map((each) => this.#recipient(each))
  }

  async run(job: Job, { signal, maxPriceWei, onText }: RunOptions = {}): Promise<JobAnswer> {
    for (let tries = 1; ; tries++) {
      const failures: UserError[] = []
      for (const candidate of await this.#candidates(job, maxPriceWei, signal)) {
        try {
          const answer = await this.#runAt(candidate, job, signal)
          if (answer.output.kind === 'transcription') onText?.(answer.output.text)
          return answer
        } catch (error) {
          signal?.throwIfAborted()
          if (!(error instanceof UserError) || !ELSEWHERE.has(error.code)) throw error
          failures.push(error)
          await this.#judge(candidate, error)
        }
      }
      const [first] = failures
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

  async #runAt(candidate: Candidate, job: Job, signal: AbortSignal | undefined): Promise<JobAnswer> {
    const { offer, model, units, priceWei } = candidate
    await this.#options.onRecipient?.(this.#recipient(candidate))
    const terms = encodeTerms({
      task: job.task,
      unit: model.unit,
      units,
      priceWeiPerUnit: model.priceWeiPerUnit,
      audit: this.#options.audit ?? true,
      ...termsOfParameters(job.parameters),
    })
    const input = encodeInput(job.input)
    const order = { model: model.sha256, terms, input, priceWei }
    const channelId = priceWei === 0n ? undefined : await this.#channel(offer, priceWei)
    const dealing = await this.#dealing(candidate, channelId !== undefined)
    const delivery = await dealing.run(
      { ...order, ...(channelId === undefined ? {} : { channelId }) },
      signal,
    )
    const output = decodeOutput(delivery.output)
    requireKind(output, job, offer.peerId)
    const { receipt, receiptDigest } = delivery
    if (receipt !== undefined && (this.#options.audit ?? true))
      this.#keepLater({ receipt, terms, input, output: delivery.output }, offer)
    return {
      output,
      runSeconds: delivery.runMs / 1000,
      ...(receipt === undefined || receiptDigest === undefined
        ? {}
        : {
            payment: {
              provider: offer.peerId,
              priceWei: receipt.priceWei,
              units: receipt.units,
              receiptDigest,
            },
          }),
    }
  }

  /** Neither asked nor listed: it cheated, or failed audits. */
  #isShunned({ peerId }: Pick<Offer, 'peerId'>): boolean {
    return this.#left.has(peerId) || this.#modules.audits?.isAvoided(peerId) === true
  }

  /** Writing megabytes down can wait until the answer is on its way. */
  #keepLater(evidence: JobEvidence, offer: Offer): void {
    const keeping = nextTurn()
      .then(() => this.#keep(evidence, offer))
      .catch((error: unknown) => this.#modules.log.warn({ err: error }, 'a job is not kept for its audit'))
      .finally(() => this.#keeping.delete(keeping))
    this.#keeping.add(keeping)
  }

  async #keep(evidence: JobEvidence, { publicKey }: Offer): Promise<void> {
    const { audits } = this.#modules
    if (audits === undefined) return
    const { domain } = await this.#openPayments()
    audits.keep({ ...evidence, provider: publicKey, domain })
  }

  async #channel(offer: Offer, priceWei: bigint): Promise<Uint8Array> {
    const { payment } = offer
    const { channels, chainId, contract } = await this.#openPayments()
    if (
      payment === undefined ||
      payment.chainId !== chainId ||
      !isSame(payment.contract, addressBytes(contract))
    )
      throw new UserError(`${nameOf(offer)} is paid on another chain (${payment?.chainId ?? 'none'})`, {
        code: 'DENIED',
        remedy: 'choose another provider, or set chain.rpcUrls to that chain',
      })
    const payee = addressOfPublicKey(offer.publicKey)
    return (await channels.ready(payee, priceWei, payment)).channelId
  }

  #openPayments(): Promise<ClientPayments> {
    const { openPayments } = this.#modules
    if (openPayments === undefined)
      throw new UserError('paid jobs need a chain, and none is configured', {
        code: 'BAD_CONFIG',
        remedy: 'set chain.rpcUrls, or choose models that cost nothing',
        exitStatus: 2,
      })
    this.#payments ??= openPayments().catch((error: unknown) => {
      // The next job may find the chain again.
      this.#payments = undefined
      throw error
    })
    return this.#payments
  }

  async #dealing({ offer, target }: Candidate, isPaid: boolean): Promise<Dealing> {
    const key = `${offer.peerId}/${isPaid}`
    const known = this.#dealings.get(key)
    if (known !== undefined) return known
    const { host, log, audits } = this.#modules
    const payment = isPaid ? { payment: await this.#openPayments() } : {}
    const timely =
      audits === undefined ? {} : { isTimely: (issuedAt: number): boolean => audits.isTimely(issuedAt) }
    const dealing =
      this.#dealings.get(key) ??
      new Dealing({ host, target, name: nameOf(offer), log, ...payment, ...timely })
    this.#dealings.set(key, dealing)
    return dealing
  }

  /** What a failure says of a provider. */
  async #judge({ offer }: Candidate, error: UserError): Promise<void> {
    const { log } = this.#modules
    log.info({ provider: offer.peerId, reason: error.message }, 'a provider did not do a job')
    if (error.code === 'NOT_FOUND' || error.code === 'DENIED')
      await this.#offers.find(undefined, true).catch(() => [])
    if (error.code !== 'VERIFICATION_FAILED' || error.details.isRemote === true) return
    // No honest provider does that: nothing more is asked of it, and the rest of the deposit comes home.
    this.#left.add(offer.peerId)
    const payments = await this.#payments?.catch(() => undefined)
    const payee = addressOfPublicKey(offer.publicKey)
    if (payments?.channels.known(payee) === undefined) return
    await payments.channels
      .leave(payee)
      .catch((reason: unknown) => log.warn({ reason: String(reason) }, 'the channel could not be left'))
  }

  /** @throws UserError NOT_FOUND, DENIED with have and need, BAD_ARGUMENT */
  async #candidates(
    job: Job,
    maxPriceWei: bigint | undefined,
    signal: AbortSignal | undefined,
  ): Promise<readonly Candidate[]> {
    if (job.input.kind === 'sound' && job.input.pcm16.length > MAX_INPUT_BYTES)
      throw new UserError(`the sound has ${job.input.pcm16.length} bytes`, {
        code: 'BAD_ARGUMENT',
        remedy: `send at most ${MAX_INPUT_BYTES} at once: cut it, or lower its sample rate`,
      })
    const found = await this.#offers.find(signal)
    const all = found.flatMap((each): Candidate[] => {
      const model = each.offer.models.find(
        ({ sha256, task }) => task === job.task && bytesToHex(sha256) === job.model,
      )
      if (model === undefined) return []
      const units = unitsOf(model.unit, job.input)
      return [{ ...each, model, units, priceWei: priceOf(units, model.priceWeiPerUnit) }]
    })
    if (all.length === 0)
      throw new UserError(`nobody offers the model ${job.model.slice(0, 16)}`, {
        code: 'NOT_FOUND',
        remedy: 'ask which models there are, or name a --provider',
      })
    const offering = all.filter(({ offer }) => !this.#isShunned(offer))
    if (offering.length === 0)
      throw new UserError(
        `whoever offers the model ${job.model.slice(0, 16)} has cheated or failed audits (${all.length})`,
        { code: 'DENIED', remedy: 'plumbline audit --records tells who and when; name another --provider' },
      )
    const limit = smaller(maxPriceWei, this.#options.maxPriceWei)
    const fitting = limit === undefined ? offering : offering.filter(({ priceWei }) => priceWei <= limit)
    if (fitting.length === 0) {
      const needWei = offering.map(({ priceWei }) => priceWei).reduce(smallest)
      const haveWei = limit ?? 0n
      throw new UserError(
        `too expensive: have ${formatEther(haveWei)}, need ${formatEther(needWei, 'up')} at least`,
        {
          code: 'DENIED',
          remedy: 'raise the highest price, or send less',
          details: { haveWei: String(haveWei), needWei: String(needWei) },
        },
      )
    }
    return fitting.sort(byPriceThenLatency)
  }

  #recipient({ offer, model, units, priceWei }: Candidate): Recipient {
    return {
      provider: offer.peerId,
      addresses: offer.addresses,
      model: model.id,
      units,
      priceWei,
      isAudited: offer.audited && (this.#options.audit ?? true) && priceWei > 0n,
      keptSeconds: offer.keptSeconds,
      mostLostWei: priceWei === 0n ? 0n : this.#options.exposureWei,
    }
  }
}

function byPriceThenLatency(a: Candidate, b: Candidate): number {
  if (a.priceWei !== b.priceWei) return a.priceWei < b.priceWei ? -1 : 1
  return (a.latencyMs ?? Number.POSITIVE_INFINITY) - (b.latencyMs ?? Number.POSITIVE_INFINITY) || 0
}

const smaller = (a: bigint | undefined, b: bigint | undefined): bigint | undefined =>
  a === undefined || b === undefined ? (a ?? b) : smallest(a, b)
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const nameOf = ({ peerId }: Pick<Offer, 'peerId'>): string => `provider ..${peerId.slice(-8)}`

const KINDS: Readonly<Record<Job['task'], JobOutput['kind']>> = {
  transcribe: 'transcription',
  translate: 'translation',
  identify: 'labels',
  speak: 'speech',
  embed: 'vector',
}

function requireKind({ kind }: JobOutput, { task }: Job, peerId: string): void {
  if (kind === KINDS[task]) return
  throw new UserError(`${nameOf({ peerId })} answered a job to ${task} with ${kind}`, {
    code: 'VERIFICATION_FAILED',
  })
}

function servedModel(
  offer: Offer,
  { id, sha256, task, languages, licence, unit, priceWeiPerUnit }: OfferedModel,
): ServedModel {
  return {
    id,
    sha256: bytesToHex(sha256),
    task,
    languages,
    licence: licence ?? null,
    unit,
    priceWeiPerUnit,
    ownedBy: offer.peerId,
    addedAtMs: offer.sequence,
  }
}
