/** How many channels one job may open: an offer costs nothing, a channel a deposit and gas. */
import { UserError } from '../../errors.js'
import type { Offer } from '../network/offer.js'
import type { Candidate } from './candidates.js'
import type { Purse } from './payments.js'

const MOST_FOR_A_JOB = 3

export class NewChannels {
  readonly #purse: Purse
  #opened = 0
  /** Who was let through last without having a channel. */
  #trying: Offer | undefined
  #refusal: UserError | undefined

  /** Of one job, whatever pieces it is bought in. */
  constructor(purse: Purse) {
    this.#purse = purse
  }

  /** Whether a candidate may be asked now: in its turn, one after the other. @throws UserError as {@link Purse.open} */
  async allows({ offer, priceWei }: Candidate): Promise<boolean> {
    if (priceWei === 0n) return true
    const { channels } = await this.#purse.open()
    if (this.#trying !== undefined && this.#purse.hasChannel(this.#trying)) this.#opened++
    this.#trying = undefined
    if (this.#purse.hasChannel(offer)) return true
    this.#refusal ??= this.#refusalNow(() => channels.requireOpening())
    if (this.#refusal !== undefined) return false
    this.#trying = offer
    return true
  }

  /** Why somebody was passed over; undefined where nobody was. */
  get refusal(): UserError | undefined {
    return this.#refusal
  }

  #refusalNow(require: () => void): UserError | undefined {
    if (this.#opened >= MOST_FOR_A_JOB)
      return new UserError(
        `channels were opened with ${this.#opened} providers for this job, and no more are: the next ones are not asked`,
        { code: 'DENIED', remedy: 'ask again, or name a --provider that you know' },
      )
    try {
      require()
      return undefined
    } catch (error) {
      if (error instanceof UserError) return error
      throw error
    }
  }
}
