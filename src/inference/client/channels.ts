/** The client's channels: room for its jobs in them, and who is paid no more. */
import { readChannel } from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { type PayerAccount, payerReceived } from '../payment/index.js'
import { untilAborted } from '../until-aborted.js'
import { ChannelNotes } from './channel-notes.js'
import { type Claim, Claims } from './claims.js'
import { DepositReturns } from './deposit-returns.js'
import { Funding, type FundingModules, type FundingOptions, type OfferedPayment } from './funding.js'
import { Locked } from './locked.js'
import { Openings } from './openings.js'
import { askForEnd } from './refunds.js'
import { UnkeptChannels } from './unkept-channels.js'

export interface ChannelsOptions extends FundingOptions {
  /** What deposits that nobody was paid from may be together; ten of them unless given. */
  readonly mostLockedWei?: bigint
}

export interface ChannelsModules
  extends Pick<FundingModules, 'chain' | 'payer' | 'address' | 'log' | 'onLock'> {
  /** Those of the last day; in memory unless given. */
  readonly openings?: Openings
  /** Of the ledger; in memory unless given. */
  readonly notes?: ChannelNotes
  /** Told in a line of a channel that cannot be paid from. */
  readonly onGivenUp?: (line: string) => void
}

/** A provider's refusals make this client look at the chain no oftener. */
const DOUBT_MS = 60_000
/** Others may take the room that was made for a job: then there is more made. */
const MOST_ROUNDS = 8
/** Deposits that may be locked, where nothing else is said. */
const MOST_DEPOSITS = 10n

export class Channels {
  readonly #options: ChannelsOptions
  readonly #modules: ChannelsModules
  /** One at a time for each payee: no two openings, no two top-ups for one need. */
  readonly #running = new Map<Address, Promise<unknown>>()
  readonly #claims = new Claims()
  readonly #money: Locked
  readonly #openings: Openings
  readonly #unkept: UnkeptChannels
  readonly #funding: Funding
  readonly #returns: DepositReturns
  /** When the channel was looked at for a provider's refusal, monotonic milliseconds. */
  readonly #doubted = new Map<Address, number>()
  /** Whom {@link leave} left: each had a channel. */
  readonly #left = new Set<Address>()

  constructor(options: ChannelsOptions, modules: ChannelsModules) {
    this.#options = options
    this.#modules = modules
    const { depositWei, mostLockedWei = MOST_DEPOSITS * depositWei } = options
    const unkept = new UnkeptChannels({ ...modules, notes: modules.notes ?? ChannelNotes.passing() })
    // What lies on another chain is other money.
    const accounts = () => modules.payer.accounts().filter((account) => unkept.isHere(account))
    this.#money = new Locked(mostLockedWei, { accounts }, Date.now)
    this.#openings = modules.openings ?? Openings.passing()
    this.#unkept = unkept
    const parts = { ...modules, ...{ openings: this.#openings, unkept } }
    this.#funding = new Funding(options, { ...parts, claims: this.#claims, money: this.#money })
    this.#returns = new DepositReturns({
      ...{ ...parts, funding: this.#funding },
      known: (payee) => this.known(payee),
      inTurn: (payee, act) => this.#inTurn(payee, act),
    })
  }

  /** The channel that is known with a payee, without a look at the chain. */
  known(payee: Address): PayerAccount | undefined {
    const { payer } = this.#modules
    return payer
      .accounts()
      .filter((account) => account.payee === payee && this.#unkept.isHere(account))
      .reduce<PayerAccount | undefined>(
        (newest, each) => (newest === undefined || each.nonce > newest.nonce ? each : newest),
        undefined,
      )
  }

  /** Whether a channel runs by the ledger: a job there opens none. */
  isOpen(payee: Address): boolean {
    const account = this.known(payee)
    return (
      account !== undefined && account.endsAt > Date.now() / 1000 && !this.#unkept.isLeft(account.channelId)
    )
  }

  /** Whether anything that was paid for has come from a payee. */
  hasDelivered(payee: Address): boolean {
    return this.#modules.payer
      .accounts()
      .some((account) => account.payee === payee && payerReceived(account) > 0n)
  }

  /** @throws UserError DENIED with have and need where no further channel may be opened now */
  requireOpening(): void {
    this.#openings.require()
    this.#money.require(this.#options.depositWei)
  }

  /**
   * Room for a job in a channel that is in the ledger. Where there is none it is opened or topped up first, once for all
   * that wait.
   * @param signal whoever breaks off waits no longer; what is under way on the chain goes on, for the next one
   * @throws UserError DENIED where the deposit may not be as large as the provider or the job asks; chain errors
   */
  async ready(
    payee: Address,
    priceWei: bigint,
    offered: OfferedPayment,
    signal?: AbortSignal,
  ): Promise<Claim> {
    this.#requireTrusted(payee)
    const claim = this.#claim(payee, priceWei)
    if (claim !== undefined) return claim
    this.#unkept.requirePayable(payee)
    const made = this.#inTurn(payee, () => this.#makeRoom(payee, priceWei, offered, signal))
    if (signal === undefined) return made
    void made.then((late) => signal.aborted && late.release()).catch(() => undefined)
    return untilAborted(made, signal)
  }

  async #makeRoom(
    payee: Address,
    priceWei: bigint,
    offered: OfferedPayment,
    signal: AbortSignal | undefined,
  ): Promise<Claim> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      signal?.throwIfAborted()
      this.#requireTrusted(payee)
      const claim = this.#claim(payee, priceWei)
      if (claim !== undefined) return claim
      await this.#funding.prepare(payee, priceWei, offered)
    }
    throw new UserError('other jobs use up the channel with this provider as fast as it is topped up', {
      code: 'BUSY',
      remedy: 'raise inference.client.deposit',
      details: { retryAfterSeconds: 1 },
    })
  }

  /** Jobs that wait were begun before it was left. */
  #requireTrusted(payee: Address): void {
    if (!this.#left.has(payee)) return
    throw new UserError(`the channel with ${payee} is left: this provider cheated`, {
      code: 'DENIED',
      remedy: 'choose another provider',
    })
  }

  #claim(payee: Address, priceWei: bigint): Claim | undefined {
    const account = this.known(payee)
    return account !== undefined &&
      !this.#unkept.isLeft(account.channelId) &&
      this.#funding.suffices(account, priceWei)
      ? this.#claims.claim(account.channelId, priceWei)
      : undefined
  }

  /** Whether a channel with a payee was opened or topped up a moment ago. */
  isFresh(payee: Address): boolean {
    return this.#funding.isFresh(payee)
  }

  /** The provider is left: what is not owed to it comes back once its time is over. Nothing more is locked for it. */
  async leave(payee: Address): Promise<void> {
    const { log } = this.#modules
    this.#left.add(payee)
    await this.#inTurn(payee, async () => {
      const account = this.known(payee)
      if (account === undefined) return
      const { endsAt } = await askForEnd(this.#modules, account)
      log.warn({ payee, endsAt }, 'the channel with a provider that cannot be trusted ends')
    })
  }

  /** What a provider has signed in a channel is of no account of this ledger: it is paid from no more. @throws chain errors */
  async giveUp(payee: Address, reason: string): Promise<void> {
    const { chain, address } = this.#modules
    await this.#inTurn(payee, async () => {
      const state = await readChannel(chain, { payer: address, payee })
      if (state.isOpen) await this.#unkept.giveUp(state, { reason })
    })
  }

  /** A provider refuses a job that its channel pays for: it may have closed that, which the chain knows. Never throws. */
  async doubt(payee: Address): Promise<void> {
    const account = this.known(payee)
    const now = performance.now()
    if (account === undefined || !this.isOpen(payee)) return
    if (now - (this.#doubted.get(payee) ?? Number.NEGATIVE_INFINITY) < DOUBT_MS) return
    this.#doubted.set(payee, now)
    await this.#inTurn(payee, () => this.#returns.refund(account.channelId)).catch((error: unknown) =>
      this.#modules.log.debug({ payee, reason: String(error) }, 'a channel could not be looked at'),
    )
  }

  /**
   * Takes the deposits of channels back that are over, and forgets what nothing can be asked of any more. Each channel is
   * read from the chain, since its payee may have closed it at any time; the end of those in which nothing was ever
   * delivered is asked for.
   */
  refundOver(signal?: AbortSignal): Promise<void> {
    return this.#returns.refundOver(signal)
  }

  /** After whatever else is done about a payee's channel. */
  async #inTurn<T>(payee: Address, act: () => Promise<T>): Promise<T> {
    const before = this.#running.get(payee) ?? Promise.resolve()
    const mine = before.catch(() => undefined).then(act)
    this.#running.set(payee, mine)
    try {
      return await mine
    } finally {
      if (this.#running.get(payee) === mine) this.#running.delete(payee)
    }
  }
}
