/** What measurements may move, and have moved, of a calendar month's data: failed and killed ones count as well. */
import { monthKey } from '../config/data-cap.js'
import { dataPaths } from '../config/paths.js'
import { UserError } from '../errors.js'
import { reserveBytes, type SpendingMonth, settleBytes, spentBytes } from '../store/spending.js'
import type { Logger } from '../telemetry/logger.js'

const BYTES_A_MB = 1e6

function monthOf(now: Date): SpendingMonth {
  const month = monthKey(now)
  return { month, holds: (ms) => monthKey(new Date(ms)) === month }
}

/** Most layer-3 bytes that challenges which this node asked for moved in the calendar month of `now`, in local time. */
export function usedThisMonth(dataDir: string, now: Date): Promise<number> {
  return spentBytes(dataPaths(dataDir).history, monthOf(now))
}

export interface Spending {
  readonly mostBytes: number
  /** Of the month; without one nothing is refused. */
  readonly capBytes?: number | undefined
}

export class DataBudget {
  readonly #directory: string

  constructor(
    dataDir: string,
    readonly log: Logger,
    readonly now: () => number = Date.now,
  ) {
    this.#directory = dataPaths(dataDir).history
  }

  /**
   * Runs what tells of its bytes as it moves them. The most that it may move is counted before, so that neither a second
   * measurement nor a restart finds them free, and what it did move in the end, whether it succeeds or not.
   * @throws UserError DENIED where the most does not fit
   */
  async spend<T>(
    { mostBytes, capBytes }: Spending,
    run: (onTraffic: (bytes: number) => void) => Promise<T>,
  ): Promise<T> {
    const month = monthOf(new Date(this.now()))
    const reservedBytes = await this.#reserve(month, mostBytes, capBytes)
    let bytes = 0
    try {
      return await run((more) => {
        bytes += more
      })
    } finally {
      try {
        await settleBytes(this.#directory, month, { reservedBytes, bytes })
      } catch (error) {
        this.#warn(error, 'the data that was moved could not be counted')
      }
    }
  }

  /** @returns what was counted */
  async #reserve(month: SpendingMonth, bytes: number, capBytes: number | undefined): Promise<number> {
    const reservation = { bytes, ...(capBytes === undefined ? {} : { capBytes }) }
    let refused: { readonly usedBytes: number } | undefined
    try {
      refused = await reserveBytes(this.#directory, month, reservation)
    } catch (error) {
      // Without a cap nothing depends on it.
      if (capBytes !== undefined) throw error
      this.#warn(error, 'the data that may be moved could not be counted before')
      return 0
    }
    if (refused === undefined) return bytes
    const inMb = (value: number) => `${(value / BYTES_A_MB).toFixed(1)} MB`
    throw new UserError(
      `${inMb(refused.usedBytes)} of this month's ${inMb(capBytes ?? 0)} are used, and the measurement may need ${inMb(bytes)}`,
      { code: 'DENIED', remedy: 'raise --data-cap, or wait for next month' },
    )
  }

  #warn(error: unknown, message: string): void {
    this.log.warn({ reason: error instanceof Error ? error.message : String(error) }, message)
  }
}
