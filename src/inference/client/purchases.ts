/** Buys a job from one provider: sends it, pays for it, checks what comes, and keeps what an audit of it needs. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ErrorCode, UserError } from '../../errors.js'
import type { Host } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import type { JobEvidence } from '../audit/audit.js'
import type { KeptEvidence } from '../audit/evidence.js'
import { type Job, type JobAnswer, type JobOutput, type JobPayment, OUTPUT_KINDS } from '../job.js'
import { decodeOutput, encodeInput, encodeTerms, termsOfParameters } from '../network/job-codec.js'
import type { Offer } from '../network/offer.js'
import { type Candidate, providerName } from './candidates.js'
import type { DailyBudget } from './daily-budget.js'
import type { Delivery, Order } from './dealing.js'
import { Dealings } from './dealings.js'
import { isLackOfMoney } from './failures.js'
import type { Purse } from './payments.js'
import { isAuditable } from './recipient.js'

/** What a buyer's audits ask of its jobs, and say of providers. */
export interface BuyerAudits {
  /**
   * Whether a receipt's date is near enough to a time.
   * @param issuedAt Unix seconds
   * @param at Unix seconds; now unless given
   */
  isTimely(issuedAt: number, at?: number): boolean
  /** Of a job that was paid for and delivered; returns at once. */
  keep(evidence: KeptEvidence): void
  /**
   * Before any of them is chosen: resolves when this node knows what its auditors found about them, or has waited long
   * enough; never throws.
   * @param candidates for the job at hand, those first that would be chosen first
   * @param others that are known: nobody waits for them
   */
  meet?(candidates: readonly Offer[], others: readonly Offer[]): Promise<void>
  /** Whether a provider failed audits that this node believes. */
  isAvoided(peerId: string): boolean
  /** How many of its receipts were found good; 0 of a provider that ever failed an audit that this node believes. */
  goodFindings(peerId: string): number
}

export interface PurchasesModules {
  readonly host: Host
  readonly log: Logger
  readonly purse: Purse
  /** Absent: nothing is counted. */
  readonly budget?: DailyBudget | undefined
  /** Absent: nothing is kept. */
  readonly audits: BuyerAudits | undefined
}

export interface BuyOptions {
  readonly signal: AbortSignal | undefined
  /** As {@link Order.patienceMs}. */
  readonly patienceMs?: number
  /** Whatever goes wrong before is this client's own trouble: its money, its chain. */
  readonly onAsked?: () => void
  /** As `RunOptions.onPaid`. */
  readonly onPaid?: ((payment: JobPayment) => void) | undefined
}

const SEEN_AFTER_SECONDS = 1

export class Purchases {
  readonly #isAudited: boolean
  readonly #modules: PurchasesModules
  readonly #dealings: Dealings
  readonly #keeping = new Set<Promise<void>>()

  /** @param isAudited whether jobs may be sampled by auditors */
  constructor(isAudited: boolean, modules: PurchasesModules) {
    this.#isAudited = isAudited
    this.#modules = modules
    const { host, log, purse, audits } = modules
    this.#dealings = new Dealings({
      ...{ host, log, openPayment: () => purse.open() },
      ...(audits === undefined ? {} : { isTimely: (issuedAt, at) => audits.isTimely(issuedAt, at) }),
    })
  }

  /** @throws UserError what the provider answered; VERIFICATION_FAILED where it cheats; what the payment lacks */
  async buy(
    candidate: Candidate,
    job: Job,
    { signal, patienceMs, onAsked, onPaid }: BuyOptions,
  ): Promise<JobAnswer> {
    const { offer, model, units, priceWei } = candidate
    const isAudited = this.#isAudited && model.unaudited !== true
    const terms = encodeTerms({
      task: job.task,
      unit: model.unit,
      units,
      priceWeiPerUnit: model.priceWeiPerUnit,
      // What nobody is going to audit is not kept for it either.
      audit: isAuditable(candidate, this.#isAudited),
      ...termsOfParameters(job.parameters),
    })
    const input = encodeInput(job.input)
    const { purse, budget } = this.#modules
    const giveBack = priceWei === 0n ? undefined : await budget?.take(priceWei)
    const claim =
      priceWei === 0n
        ? undefined
        : await purse.claim(offer, priceWei, signal).catch((error: unknown) => {
            giveBack?.()
            throw error
          })
    let isBegun = false
    let isReceipted = false
    const delivery = await this.#deal(
      candidate,
      {
        ...{ model: model.sha256, terms, input, priceWei },
        onBegun: () => {
          isBegun = true
        },
        onReceipt: () => {
          isReceipted = true
        },
        ...(claim === undefined ? {} : { claim, channelId: claim.channelId }),
        ...(patienceMs === undefined ? {} : { patienceMs }),
      },
      { signal, ...(onAsked === undefined ? {} : { onAsked }) },
    )
      .catch((error: unknown) => {
        // What was broken off may be settled later: it counts, unless it never was asked for or the provider refused it.
        const isRefused = error instanceof UserError && error.details.isRemote === true
        if (!isBegun || (!isReceipted && isRefused)) giveBack?.()
        throw error
      })
      .finally(() => claim?.release())
    if (!isReceipted) giveBack?.()
    const { receipt, receiptDigest } = delivery
    // Before it is read: of what turns out to be no output this is the proof.
    if (receipt !== undefined && isAudited)
      this.#keepLater({ receipt, terms, input, output: delivery.output }, offer)
    const runSeconds = delivery.runMs / 1000
    if (receipt === undefined || receiptDigest === undefined)
      return { output: readOutput(delivery, job, offer), runSeconds }
    const { priceWei: paidWei, units: paidUnits } = receipt
    const payment = { provider: offer.peerId, priceWei: paidWei, units: paidUnits, receiptDigest }
    onPaid?.(payment)
    return { output: readOutput(delivery, job, offer), runSeconds, payments: [payment] }
  }

  #deal(
    candidate: Candidate,
    order: Order,
    { signal, onAsked = () => {} }: Pick<BuyOptions, 'signal' | 'onAsked'>,
  ): Promise<Delivery> {
    const { offer, priceWei } = candidate
    return this.#dealings.with(candidate, order.claim !== undefined, async (dealing) => {
      const others = dealing.isBusy
      onAsked()
      try {
        return await dealing.run(order, signal)
      } catch (error) {
        if (order.claim !== undefined && isRefusedByCode(error)) this.#doubt(offer)
        // The channel has room: the provider has not seen it, or others of this client stand against its limit for one client.
        const isPassing = priceWei <= (offer.payment?.exposureWei ?? 0n) && (others || dealing.isBusy)
        const isUnseen = isPassing || (await this.#modules.purse.isFresh(offer))
        throw isLackOfMoney(error) && isUnseen ? again(error) : error
      }
    })
  }

  /** Where there is no such channel any more nobody has to wait for that: the next job asks again, or another time. */
  #doubt(offer: Offer): void {
    const { purse, log } = this.#modules
    void purse
      .doubt(offer)
      .catch((error: unknown) => log.debug({ err: error }, 'a channel was not looked at'))
  }

  async close(): Promise<void> {
    await Promise.all(this.#keeping)
    await this.#dealings.close()
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
    const { audits, purse } = this.#modules
    if (audits === undefined) return
    const { domain } = await purse.open()
    audits.keep({ ...evidence, provider: publicKey, domain })
  }
}

/** As a provider answers where it knows of no such channel, whatever else it may mean by it. */
const isRefusedByCode = (error: unknown): boolean => error instanceof UserError && REFUSALS.has(error.code)
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['BUSY', 'DENIED', 'NOT_FOUND', 'UNAVAILABLE'])

/** It sees what this client did soon, and is worth asking again. */
function again({ message, details }: UserError): UserError {
  return new UserError(message, {
    code: 'BUSY',
    details: { ...details, retryAfterSeconds: SEEN_AFTER_SECONDS },
  })
}

/**
 * The output, read.
 * @throws UserError VERIFICATION_FAILED for what no honest provider signs a receipt of: what `encodeOutput` never makes, or
 *   another task's; BAD_MESSAGE for the former where it was free
 */
function readOutput({ output: encoded, receipt }: Delivery, { task }: Job, offer: Offer): JobOutput {
  const output = decodePaid(encoded, receipt !== undefined, offer)
  if (output.kind === OUTPUT_KINDS[task]) return output
  throw new UserError(`${providerName(offer)} answered a job to ${task} with ${output.kind}`, {
    code: 'VERIFICATION_FAILED',
  })
}

function decodePaid(encoded: Uint8Array, isReceipted: boolean, offer: Offer): JobOutput {
  try {
    return decodeOutput(encoded)
  } catch (error) {
    if (!isReceipted || !(error instanceof UserError)) throw error
    throw new UserError(`${providerName(offer)} was paid for what is no output: ${error.message}`, {
      code: 'VERIFICATION_FAILED',
      cause: error,
    })
  }
}
