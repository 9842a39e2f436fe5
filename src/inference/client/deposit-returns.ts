/** Deposits that come back from channels that are over, and what the chain says of the others. */
import { type Chain, formatEther, readChannel } from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import type { Logger } from '../../telemetry/logger.js'
import { openingIdOf, type Payer, type PayerAccount } from '../payment/index.js'
import type { Funding } from './funding.js'
import type { Openings } from './openings.js'
import { endedSooner, endUnused, forgetInTime, isUnused, readOwnChannels, takeBack } from './refunds.js'
import type { UnkeptChannels } from './unkept-channels.js'

export interface DepositReturnsModules {
  readonly chain: Chain
  readonly payer: Payer
  /** The client's own. */
  readonly address: Address
  readonly log: Logger
  readonly funding: Pick<Funding, 'adopt' | 'isFresh'>
  readonly openings: Openings
  readonly unkept: UnkeptChannels
  /** The channel that is known with a payee. */
  readonly known: (payee: Address) => PayerAccount | undefined
  /** After whatever else is done about a payee's channel. */
  readonly inTurn: (payee: Address, act: () => Promise<void>) => Promise<void>
}

export class DepositReturns {
  readonly #modules: DepositReturnsModules

  constructor(modules: DepositReturnsModules) {
    this.#modules = modules
  }

  /**
   * Takes the deposits of channels back that are over, and forgets what nothing can be asked of any more. Each channel is
   * read from the chain, since its payee may have closed it at any time; the end of those in which nothing was ever
   * delivered is asked for.
   */
  async refundOver(signal?: AbortSignal): Promise<void> {
    const { chain, payer, log } = this.#modules
    await this.#findUnkept(signal)
    const { timestamp } = await chain.clock()
    const accounts = payer.accounts()
    const running = accounts.filter(({ endsAt }) => endsAt > timestamp)
    const ended = await endedSooner(this.#modules, running, (payee) => this.#modules.funding.isFresh(payee))
    for (const account of accounts) {
      const { channelId, payee, endsAt } = account
      const isRunning = endsAt > timestamp && !ended.has(account)
      if (isRunning && !isUnused(chain, account, timestamp, this.#modules.openings.openedAt(payee))) continue
      signal?.throwIfAborted()
      const act = (): Promise<void> =>
        isRunning ? endUnused(this.#modules, channelId, signal) : this.refund(channelId, signal)
      await this.#modules.inTurn(payee, act).catch((error: unknown) => {
        signal?.throwIfAborted()
        log.warn({ payee, reason: String(error) }, 'a deposit did not come back yet')
      })
    }
  }

  /** Channels whose opening was mined while this process ended: the chain alone knows of their deposits. */
  async #findUnkept(signal: AbortSignal | undefined): Promise<void> {
    const { chain, address, log } = this.#modules
    for (const payee of new Set([...this.#modules.openings.payees(), ...this.#modules.unkept.payees()])) {
      signal?.throwIfAborted()
      await this.#modules
        .inTurn(payee, async () => {
          await this.#modules.unkept.look(payee, this.#modules.openings.openedAt(payee), signal)
          if (this.#modules.known(payee) !== undefined) return
          const state = await readChannel(chain, { payer: address, payee })
          if (state.isOpen) await this.#modules.funding.adopt(state, signal)
        })
        .catch((error: unknown) => {
          signal?.throwIfAborted()
          log.warn({ payee, reason: String(error) }, 'a channel without an account could not be looked at')
        })
    }
  }

  /** As the chain has one now: the rest of its deposit is taken back where it is over. Its caller sees to its turn. */
  async refund(channelId: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { payer, log } = this.#modules
    const accounts = payer.accounts().filter((each) => Buffer.compare(each.channelId, channelId) === 0)
    for (const { account, state, standing } of await readOwnChannels(this.#modules, accounts)) {
      if (standing === 'closed') {
        // The deposit of a newer opening lies there, whether the ledger has it or not.
        if (state.isOpen && payer.find(openingIdOf(state)) === undefined)
          await this.#modules.funding.adopt(state, signal)
        await forgetInTime(this.#modules, account)
      }
      if (standing === 'unseen' && (await this.#isLost(account))) await this.#modules.unkept.setAside(account)
      if (standing !== 'over') continue
      const { refundWei } = await takeBack(this.#modules, account, signal)
      log.info({ payee: account.payee, refund: formatEther(refundWei) }, 'the rest of a deposit came back')
    }
  }

  /** The chain has lost an opening, and not only a node of it that is behind. */
  async #isLost(account: PayerAccount): Promise<boolean> {
    const { payee } = account
    return (
      !this.#modules.funding.isFresh(payee) &&
      this.#modules.unkept.isLost(account, this.#modules.openings.openedAt(payee))
    )
  }
}
