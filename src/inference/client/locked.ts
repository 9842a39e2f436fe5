/** How much of a client's money lies in its channels without having been paid to anybody, and how much may. */
import { formatEther } from '../../chain/index.js'
import { UserError } from '../../errors.js'
import type { Payer } from '../payment/index.js'
import { largest } from '../payment/wei.js'

export class Locked {
  readonly #mostWei: bigint
  readonly #payer: Pick<Payer, 'accounts'>
  readonly #now: () => number
  /** On its way to the chain, or from there to the ledger. */
  #comingWei = 0n

  /** @param now Unix milliseconds */
  constructor(mostWei: bigint, payer: Pick<Payer, 'accounts'>, now: () => number) {
    this.#mostWei = mostWei
    this.#payer = payer
    this.#now = now
  }

  get roomWei(): bigint {
    const nowSeconds = this.#now() / 1000
    const lockedWei = this.#payer
      .accounts()
      // What is over comes back within the hour.
      .filter(({ endsAt }) => endsAt > nowSeconds)
      .reduce(
        (sum, { depositWei, voucher }) => sum + depositWei - (voucher?.amountWei ?? 0n),
        this.#comingWei,
      )
    return largest(0n, this.#mostWei - lockedWei)
  }

  /** @throws UserError DENIED with have and need */
  require(amountWei: bigint): void {
    const { roomWei } = this
    if (amountWei <= roomWei) return
    throw new UserError(
      `channels may lock ${formatEther(this.#mostWei)}: have ${formatEther(roomWei)} of it, need ${formatEther(amountWei, 'up')}`,
      {
        code: 'DENIED',
        remedy:
          'raise inference.client.mostLocked, or ask for the end of channels that are not used: plumbline channels',
        details: { haveWei: String(roomWei), needWei: String(amountWei) },
      },
    )
  }

  /** Speaks for what `lock` sends to the chain, until the ledger has it. @throws UserError as {@link require} */
  async during<T>(amountWei: bigint, lock: () => Promise<T>): Promise<T> {
    this.require(amountWei)
    this.#comingWei += amountWei
    try {
      return await lock()
    } finally {
      this.#comingWei -= amountWei
    }
  }
}

/** @param needWei what the provider, or the job, asks for @throws UserError DENIED with have and need */
export function requireDeposit(depositWei: bigint, needWei: bigint): void {
  if (depositWei >= needWei) return
  throw new UserError(
    `the provider asks for a deposit of ${formatEther(needWei, 'up')}, and ${formatEther(depositWei)} is allowed`,
    {
      code: 'DENIED',
      remedy: 'raise inference.client.deposit, or choose another provider',
      details: { haveWei: String(depositWei), needWei: String(needWei) },
    },
  )
}
