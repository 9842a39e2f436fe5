/**
 * Who is asked for a job, and in which order: those that offer it for what it may cost, did not cheat, and put no more at
 * stake than may be; the cheapest and then the nearest first.
 */
import { UserError } from '../../errors.js'
import type { Job, JobInput, RunOptions } from '../job.js'
import type { Offer } from '../network/offer.js'
import { smaller, smallest } from '../payment/wei.js'
import { type Candidate, candidatesFor, offeredFor, requireSendable } from './candidates.js'
import type { Conduct, SpeedHint } from './conduct.js'
import type { DailyBudget } from './daily-budget.js'
import { withinExposure } from './exposure.js'
import type { LeftProviders } from './left-providers.js'
import type { FoundOffer, Offers } from './offers.js'
import type { Purse } from './payments.js'
import type { JobPiece } from './piecewise.js'
import type { BuyerAudits } from './purchases.js'

export interface ChoiceOptions {
  readonly maxPriceWei?: bigint
  readonly exposureWei: bigint
  readonly allowUnaudited?: boolean
}

export interface ChoiceModules {
  readonly offers: Pick<Offers, 'find' | 'renew'>
  readonly purse: Purse
  readonly conduct: Conduct
  readonly left: LeftProviders
  readonly audits: BuyerAudits | undefined
  readonly budget: DailyBudget | undefined
}

export class Choice {
  readonly #options: ChoiceOptions
  readonly #modules: ChoiceModules

  constructor(options: ChoiceOptions, modules: ChoiceModules) {
    this.#options = options
    this.#modules = modules
  }

  /** @throws UserError NOT_FOUND, DENIED with have and need, BAD_ARGUMENT */
  async candidates(
    job: Job,
    options: RunOptions,
    pieces: readonly JobPiece[] = [],
  ): Promise<readonly Candidate[]> {
    if (pieces.length === 0) requireSendable(job)
    const { signal } = options
    const found = await this.#modules.offers.find(signal)
    let candidates = await this.#fitting(job, found, options, pieces)
    const { audits } = this.#modules
    if (audits?.meet !== undefined) {
      const first = new Set(candidates.map(({ offer }) => offer))
      const others = found.map(({ offer }) => offer).filter((offer) => !first.has(offer))
      await audits.meet([...first], others)
      signal?.throwIfAborted()
      // What was found about them leaves some out, and puts others behind.
      candidates = await this.#fitting(job, found, options, pieces)
    }
    // Who is left out for now has a channel that nothing ever came of: others are asked first, and it when there are none.
    const others = candidates.filter(
      ({ offer, priceWei, arrears }) =>
        priceWei === 0n ||
        arrears === 0 ||
        !this.#modules.purse.hasChannel(offer) ||
        this.#modules.purse.hasDelivered(offer),
    )
    return others.length > 0 ? others : candidates
  }

  /** @throws UserError NOT_FOUND, DENIED with have and need */
  async #fitting(
    job: Job,
    found: readonly FoundOffer[],
    options: RunOptions,
    pieces: readonly JobPiece[] = [],
  ): Promise<readonly Candidate[]> {
    const inputs = pieces.length === 0 ? [job.input] : pieces.map(({ input }) => input)
    const candidates = await this.offering(job, found, options, inputs)
    return withinExposure(candidates, inputs, this.#options.exposureWei)
  }

  /** Who offers it for what it may cost, however much that puts at stake. @throws UserError NOT_FOUND, DENIED with have and need */
  async offering(
    job: Job,
    found: readonly FoundOffer[],
    options: RunOptions,
    inputs: readonly JobInput[],
  ): Promise<readonly Candidate[]> {
    try {
      return await this.#offering(job, found, options, inputs)
    } catch (error) {
      // What acquits who is passed over may not be known here yet: before there is nobody, auditors are asked about it.
      const { audits } = this.#modules
      const blamed = found
        .map(({ offer }) => offer)
        .filter((offer) => offeredFor(job, offer) !== undefined && audits?.isAvoided(offer.peerId) === true)
      if (audits?.meet === undefined || blamed.length === 0) throw error
      await audits.meet(blamed, [])
      options.signal?.throwIfAborted()
      return this.#offering(job, found, options, inputs)
    }
  }

  /** @throws as {@link offering} */
  async #offering(
    job: Job,
    found: readonly FoundOffer[],
    { maxPriceWei }: RunOptions,
    inputs: readonly JobInput[],
  ): Promise<readonly Candidate[]> {
    const limits = {
      maxPriceWei: smaller(maxPriceWei, this.#options.maxPriceWei),
      isShunned: (offer: Offer) => this.isShunned(offer),
      arrears: (peerId: string) => this.#modules.conduct.arrears(peerId),
      goodFindings: (peerId: string) => this.#modules.audits?.goodFindings(peerId) ?? 0,
      expectedMs: (peerId: string, work: number, hint: SpeedHint) =>
        this.#modules.conduct.expectedMs(peerId, work, hint),
      hasChannel: (offer: Offer) => this.#modules.purse.hasChannel(offer),
      isUnauditedTaken: this.#options.allowUnaudited === true,
    }
    let candidates = candidatesFor(job, found, limits, inputs)
    // Which channels there are counts, and the ledger is opened for the first paid job.
    if (!this.#modules.purse.isOpen && candidates.every(({ priceWei }) => priceWei > 0n)) {
      const isOpen = await this.#modules.purse.open().then(
        () => true,
        () => false,
      )
      if (isOpen) candidates = candidatesFor(job, found, limits, inputs)
    }
    const { budget } = this.#modules
    if (budget === undefined) return candidates
    const { leftWei } = budget
    const affordable = candidates.filter(({ priceWei }) => priceWei <= leftWei)
    if (affordable.length === 0) budget.require(candidates.map(({ priceWei }) => priceWei).reduce(smallest))
    return affordable
  }

  /** As its provider offers it now, where that is something else, and fits. */
  async renewed(candidate: Candidate, job: Job, options: RunOptions): Promise<Candidate | undefined> {
    const found = await this.#modules.offers.renew(candidate, options.signal)
    if (found === undefined) return undefined
    try {
      const [otherwise] = await this.#fitting(job, [found], options)
      const { unit, priceWeiPerUnit } = candidate.model
      return otherwise?.model.unit === unit && otherwise.model.priceWeiPerUnit === priceWeiPerUnit
        ? undefined
        : otherwise
    } catch (error) {
      if (error instanceof UserError) return undefined
      throw error
    }
  }

  /** Auditors are asked about who is passed over for what they said: nobody waits for it. Never throws. */
  askAbout(found: readonly FoundOffer[]): void {
    const { audits } = this.#modules
    const blamed = found.map(({ offer }) => offer).filter(({ peerId }) => audits?.isAvoided(peerId) === true)
    if (blamed.length > 0) void audits?.meet?.([], blamed)
  }

  /** It cheated, or failed audits. */
  isShunned({ peerId }: Pick<Offer, 'peerId'>): boolean {
    return this.#modules.left.has(peerId) || this.#modules.audits?.isAvoided(peerId) === true
  }
}
