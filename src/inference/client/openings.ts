/**
 * Which channels a client opened in the last 24 hours, on its disk so that a restart forgets none. Offers cost nothing,
 * and each opening costs gas and locks a deposit: so there are only so many in a day, whoever asks for one.
 */
import { z } from 'zod'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { readKept, writeKept } from '../kept-json.js'

const DAY_SECONDS = 86_400
/** Far more providers than anybody needs who are new on one day: a channel is there for a month. */
const MOST_A_DAY = 10

const schema = z.strictObject({
  format: z.literal('plumbline-openings'),
  version: z.literal(1),
  openings: z
    .array(z.strictObject({ payee: z.string().regex(/^0x[0-9a-fA-F]{40}$/), at: z.int().min(0) }))
    .max(MOST_A_DAY),
})
interface Opening {
  readonly payee: string
  /** Unix seconds. */
  readonly at: number
}

export class Openings {
  readonly #path: string | undefined
  readonly #now: () => number
  #openings: readonly Opening[]
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string | undefined, now: () => number, openings: readonly Opening[]) {
    this.#path = path
    this.#now = now
    this.#openings = openings
  }

  /** In memory alone. @param now Unix milliseconds */
  static passing(now: () => number = Date.now): Openings {
    return new Openings(undefined, now, [])
  }

  /** @param now Unix milliseconds */
  static async open(path: string, now: () => number = Date.now): Promise<Openings> {
    return new Openings(path, now, (await readKept(path, schema))?.openings ?? [])
  }

  /** Unix seconds; undefined where it was longer than a day ago, or never. */
  openedAt(payee: Address): number | undefined {
    return this.#ofTheDay().find((each) => each.payee === payee)?.at
  }

  /** With whom channels were opened, or tried to be, in the last 24 hours. */
  payees(): readonly Address[] {
    return this.#ofTheDay().map(({ payee }) => payee as Address)
  }

  /** @param payee whose channel may have been opened before @throws UserError DENIED with how many there were */
  require(payee?: Address): void {
    const openings = this.#ofTheDay().filter((each) => each.payee !== payee)
    const [oldest] = openings
    if (oldest === undefined || openings.length < MOST_A_DAY) return
    const free = new Date((oldest.at + DAY_SECONDS) * 1000).toISOString()
    throw new UserError(
      `${openings.length} channels were opened in the last 24 hours, ${MOST_A_DAY} may be: the next one from ${free}`,
      {
        code: 'DENIED',
        remedy: 'buy from providers that this node has a channel with, or wait',
        details: { have: openings.length, most: MOST_A_DAY },
      },
    )
  }

  /** Counts one; resolves when the disk has it. @throws UserError as {@link require} */
  async add(payee: Address): Promise<void> {
    this.require(payee)
    const before = this.#openings.find((each) => each.payee === payee)
    await this.#keep([...this.#without(payee), { payee, at: this.#seconds() }]).catch((error: unknown) => {
      // Nothing is sent then.
      this.#openings = [...this.#without(payee), ...(before === undefined ? [] : [before])]
      throw error
    })
  }

  /** It did not come about. */
  async remove(payee: Address): Promise<void> {
    await this.#keep(this.#without(payee))
  }

  #without(payee: Address): readonly Opening[] {
    return this.#ofTheDay().filter((each) => each.payee !== payee)
  }

  async #keep(openings: readonly Opening[]): Promise<void> {
    this.#openings = openings
    if (this.#path === undefined) return
    const path = this.#path
    this.#writing = this.#writing
      .catch(() => undefined)
      .then(() => writeKept(path, { format: 'plumbline-openings', version: 1, openings: this.#openings }))
    await this.#writing
  }

  #ofTheDay(): readonly Opening[] {
    const now = this.#seconds()
    // What is dated more than a day ahead was dated by a clock that was wrong, and would count until then.
    return this.#openings.filter(({ at }) => Math.abs(at - now) < DAY_SECONDS)
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000)
  }
}
