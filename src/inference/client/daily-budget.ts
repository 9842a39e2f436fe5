/**
 * What a client may spend on jobs in any 24 hours, counted on its disk so that a restart forgets nothing. The disk is
 * ahead of what was spent by a little, so that not every job waits for it: a crash costs that much of the day's budget.
 */
import { z } from 'zod'
import { formatEther } from '../../chain/index.js'
import { UserError } from '../../errors.js'
import { readKept, writeKept } from '../kept-json.js'
import { largest } from '../payment/wei.js'

const HOUR_MS = 3_600_000
const HOURS = 24
/** The share of the budget by which the disk is ahead. */
const AHEAD = 100n

const wei = z.string().regex(/^\d{1,40}$/)
const schema = z.strictObject({
  format: z.literal('plumbline-spending'),
  version: z.literal(1),
  budgetWei: wei,
  /** Whole hours since 1970. */
  hours: z.array(z.strictObject({ hour: z.int().min(0), spentWei: wei })).max(2 * HOURS),
})

export interface Spending {
  readonly spentWei: bigint
  readonly budgetWei: bigint
}

/** As the disk has it, for people; undefined where nothing was ever bought. @param now Unix milliseconds */
export async function readSpending(path: string, now: number): Promise<Spending | undefined> {
  const kept = await readKept(path, schema)
  if (kept === undefined) return undefined
  const spentWei = kept.hours
    .filter(({ hour }) => isOfTheDay(hour, now))
    .reduce((sum, each) => sum + BigInt(each.spentWei), 0n)
  return { spentWei, budgetWei: BigInt(kept.budgetWei) }
}

const hourOf = (now: number): number => Math.floor(now / HOUR_MS)

/** What is dated more than a day ahead was dated by a clock that was wrong, and would count until then. */
const isOfTheDay = (hour: number, now: number): boolean => Math.abs(hour - hourOf(now)) < HOURS

export class DailyBudget {
  readonly #path: string
  readonly #budgetWei: bigint
  readonly #now: () => number
  /** By hour. */
  readonly #spent: Map<number, bigint>
  /** What the disk has of each hour: as much at least. */
  #kept: ReadonlyMap<number, bigint>
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string, budgetWei: bigint, now: () => number, spent: Map<number, bigint>) {
    this.#path = path
    this.#budgetWei = budgetWei
    this.#now = now
    this.#spent = spent
    this.#kept = new Map(spent)
  }

  /** @param now Unix milliseconds */
  static async open(path: string, budgetWei: bigint, now: () => number = Date.now): Promise<DailyBudget> {
    const { hours = [] } = (await readKept(path, schema)) ?? {}
    const spent = new Map(hours.map(({ hour, spentWei }) => [hour, BigInt(spentWei)]))
    return new DailyBudget(path, budgetWei, now, spent)
  }

  get spentWei(): bigint {
    const now = this.#now()
    for (const hour of this.#spent.keys()) if (!isOfTheDay(hour, now)) this.#spent.delete(hour)
    return [...this.#spent.values()].reduce((sum, each) => sum + each, 0n)
  }

  get leftWei(): bigint {
    return largest(0n, this.#budgetWei - this.spentWei)
  }

  /** @throws UserError DENIED with have and need */
  require(priceWei: bigint): void {
    const { leftWei } = this
    if (priceWei <= leftWei) return
    throw new UserError(
      `the budget of a day is ${formatEther(this.#budgetWei)}: have ${formatEther(leftWei)} of it, need ${formatEther(priceWei, 'up')}`,
      {
        code: 'DENIED',
        remedy: 'raise inference.client.dailyBudget, or wait: what was spent counts for 24 hours',
        details: { haveWei: String(leftWei), needWei: String(priceWei) },
      },
    )
  }

  /**
   * Counts a job; resolves when the disk has it.
   * @returns gives it back, where it is certain that the job costs nothing
   * @throws UserError DENIED with have and need
   */
  async take(priceWei: bigint): Promise<() => void> {
    this.require(priceWei)
    const hour = hourOf(this.#now())
    this.#spent.set(hour, (this.#spent.get(hour) ?? 0n) + priceWei)
    const giveBack = () => this.#spent.set(hour, (this.#spent.get(hour) ?? priceWei) - priceWei)
    await this.#keep(hour).catch((error: unknown) => {
      giveBack()
      throw error
    })
    return giveBack
  }

  /** The disk has what was spent, and no more. */
  async close(): Promise<void> {
    if (this.#kept.size > 0 || this.#spent.size > 0) await this.#write(0n)
  }

  #keep(hour: number): Promise<void> {
    const isKept = (): boolean => (this.#kept.get(hour) ?? 0n) >= (this.#spent.get(hour) ?? 0n)
    if (isKept()) return Promise.resolve()
    const writing = this.#writing
      .catch(() => undefined)
      .then(() => (isKept() ? undefined : this.#write(this.#budgetWei / AHEAD, hour)))
    this.#writing = writing
    return writing
  }

  async #write(aheadWei: bigint, current?: number): Promise<void> {
    const budgetWei = this.#budgetWei
    const now = this.#now()
    const kept = new Map(
      [...this.#spent]
        .filter(([hour]) => isOfTheDay(hour, now))
        .slice(-2 * HOURS)
        .map(([hour, spentWei]) => [hour, hour === current ? spentWei + aheadWei : spentWei]),
    )
    const hours = [...kept].map(([hour, spentWei]) => ({ hour, spentWei: String(spentWei) }))
    await writeKept(this.#path, {
      format: 'plumbline-spending',
      version: 1,
      budgetWei: String(budgetWei),
      hours,
    })
    this.#kept = kept
  }
}
