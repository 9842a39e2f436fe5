/** The client's channels: found, opened, topped up and left, as its jobs need them. */
import {
  type Chain,
  type ChannelState,
  formatEther,
  openChannel,
  readChannel,
  topUpChannel,
} from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { type ErrorCode, UserError } from '../../errors.js'
import type { Logger } from '../../telemetry/logger.js'
import type { OfferContent } from '../network/offer.js'
import {
  type ChannelTerms,
  openingIdOf,
  type Payer,
  type PayerAccount,
  payerFree,
  payerReceived,
} from '../payment/index.js'
import { largest, smallest } from '../payment/wei.js'
import { untilAborted } from '../until-aborted.js'
import { ChannelNotes } from './channel-notes.js'
import { type Claim, Claims } from './claims.js'
import { Locked, requireDeposit } from './locked.js'
import { Openings } from './openings.js'
import {
  askForEnd,
  endedSooner,
  endUnused,
  forgetInTime,
  isUnused,
  readOwnChannels,
  takeBack,
} from './refunds.js'
import { FRESH_MS, UnkeptChannels } from './unkept-channels.js'

export interface ChannelsOptions {
  /** Locked in a new channel, and added to one that runs dry. */
  readonly depositWei: bigint
  readonly lifeSeconds: number
  /** What deposits that nobody was paid from may be together; ten of them unless given. */
  readonly mostLockedWei?: bigint
}

export interface ChannelsModules {
  readonly chain: Chain
  readonly payer: Payer
  /** The client's own. */
  readonly address: Address
  readonly log: Logger
  /** Those of the last day; in memory unless given. */
  readonly openings?: Openings
  /** Of the ledger; in memory unless given. */
  readonly notes?: ChannelNotes
  /** Told in a line of a channel that cannot be paid from. */
  readonly onGivenUp?: (line: string) => void
  /** Told before money is locked. */
  readonly onLock?: (what: {
    readonly payee: Address
    readonly amountWei: bigint
    readonly isNew: boolean
  }) => void
}

/** A channel that ends sooner is given a later end before a job. */
const LEAST_REMAINING_SECONDS = 3600
/** A provider's refusals make this client look at the chain no oftener. */
const DOUBT_MS = 60_000
/** Others may take the room that was made for a job: then there is more made. */
const MOST_ROUNDS = 8
/** Deposits that may be locked, where nothing else is said. */
const MOST_DEPOSITS = 10n
/** Of an opening that failed: no transaction of it will be mined. */
const NOT_SENT: ReadonlySet<ErrorCode> = new Set(['BAD_KEY', 'BUSY', 'DENIED', 'EXISTS'])
/** Beyond the challenge period, which a channel must outlive. */
const DEVELOPMENT_SLACK_SECONDS = 60

export class Channels {
  readonly #options: ChannelsOptions
  readonly #modules: ChannelsModules
  /** One at a time for each payee: no two openings, no two top-ups for one need. */
  readonly #running = new Map<Address, Promise<unknown>>()
  readonly #claims = new Claims()
  readonly #money: Locked
  readonly #openings: Openings
  readonly #unkept: UnkeptChannels
  /** When money was locked last, monotonic milliseconds. */
  readonly #locked = new Map<Address, number>()
  /** When the channel was looked at for a provider's refusal, in the same way. */
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
    offered: NonNullable<OfferContent['payment']>,
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
    offered: NonNullable<OfferContent['payment']>,
    signal: AbortSignal | undefined,
  ): Promise<Claim> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      signal?.throwIfAborted()
      this.#requireTrusted(payee)
      const claim = this.#claim(payee, priceWei)
      if (claim !== undefined) return claim
      await this.#prepare(payee, priceWei, offered)
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
      this.#suffices(account, priceWei)
      ? this.#claims.claim(account.channelId, priceWei)
      : undefined
  }

  /** Whether a channel with a payee was opened or topped up a moment ago. */
  isFresh(payee: Address): boolean {
    return performance.now() - (this.#locked.get(payee) ?? Number.NEGATIVE_INFINITY) < FRESH_MS
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
    await this.#inTurn(payee, () => this.#refund(account.channelId)).catch((error: unknown) =>
      this.#modules.log.debug({ payee, reason: String(error) }, 'a channel could not be looked at'),
    )
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
    const ended = await endedSooner(this.#modules, running, (payee) => this.isFresh(payee))
    for (const account of accounts) {
      const { channelId, payee, endsAt } = account
      const isRunning = endsAt > timestamp && !ended.has(account)
      if (isRunning && !isUnused(chain, account, timestamp, this.#openings.openedAt(payee))) continue
      signal?.throwIfAborted()
      const act = (): Promise<void> =>
        isRunning ? endUnused(this.#modules, channelId, signal) : this.#refund(channelId, signal)
      await this.#inTurn(payee, act).catch((error: unknown) => {
        signal?.throwIfAborted()
        log.warn({ payee, reason: String(error) }, 'a deposit did not come back yet')
      })
    }
  }

  /** Channels whose opening was mined while this process ended: the chain alone knows of their deposits. */
  async #findUnkept(signal: AbortSignal | undefined): Promise<void> {
    const { chain, address, log } = this.#modules
    for (const payee of new Set([...this.#openings.payees(), ...this.#unkept.payees()])) {
      signal?.throwIfAborted()
      await this.#inTurn(payee, async () => {
        await this.#unkept.look(payee, this.#openings.openedAt(payee), signal)
        if (this.known(payee) !== undefined) return
        const state = await readChannel(chain, { payer: address, payee })
        if (state.isOpen) await this.#adopt(state, signal)
      }).catch((error: unknown) => {
        signal?.throwIfAborted()
        log.warn({ payee, reason: String(error) }, 'a channel without an account could not be looked at')
      })
    }
  }

  async #refund(channelId: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { payer, log } = this.#modules
    const accounts = payer.accounts().filter((each) => Buffer.compare(each.channelId, channelId) === 0)
    for (const { account, state, standing } of await readOwnChannels(this.#modules, accounts)) {
      if (standing === 'closed') {
        // The deposit of a newer opening lies there, whether the ledger has it or not.
        if (state.isOpen && payer.find(openingIdOf(state)) === undefined) await this.#adopt(state, signal)
        await forgetInTime(this.#modules, account)
      }
      if (standing === 'unseen' && (await this.#isLost(account))) await this.#unkept.setAside(account)
      if (standing !== 'over') continue
      const { refundWei } = await takeBack(this.#modules, account, signal)
      log.info({ payee: account.payee, refund: formatEther(refundWei) }, 'the rest of a deposit came back')
    }
  }

  /** The chain has lost an opening, and not only a node of it that is behind. */
  async #isLost(account: PayerAccount): Promise<boolean> {
    const { payee } = account
    return !this.isFresh(payee) && this.#unkept.isLost(account, this.#openings.openedAt(payee))
  }

  /** Takes an open channel into the ledger where it is this ledger's own. @returns why it is not, and ends then */
  async #adopt(state: ChannelState, signal?: AbortSignal): Promise<UserError | undefined> {
    if (!this.#unkept.isOwn(state)) return this.#unkept.giveUp(state, { signal })
    await this.#take(state.payee, { ...state, channelId: openingIdOf(state) })
    await this.#unkept.settled(openingIdOf(state))
    return undefined
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

  #suffices(account: PayerAccount, priceWei: bigint): boolean {
    return this.#freeWei(account) >= priceWei && account.endsAt - Date.now() / 1000 >= this.#leastRemaining()
  }

  /** Below nothing where a channel lost some of its deposit: to a block that was taken back. */
  #freeWei(account: PayerAccount): bigint {
    return payerFree(account) - this.#claims.heldWei(account.channelId)
  }

  #leastRemaining(): number {
    // A development chain's day has seconds.
    return this.#modules.chain.pollMs < 1000 ? 1 : LEAST_REMAINING_SECONDS
  }

  async #prepare(
    payee: Address,
    priceWei: bigint,
    offered: NonNullable<OfferContent['payment']>,
  ): Promise<void> {
    const { chain, payer, address } = this.#modules
    const state = await readChannel(chain, { payer: address, payee })
    if (!state.isOpen) return this.#open(payee, priceWei, offered, state)
    if (state.endsAt <= (await chain.clock()).timestamp) {
      // The provider may have forgotten it: a later end would not bring it back.
      await takeBack(this.#modules, { payee, channelId: openingIdOf(state) })
      return this.#open(payee, priceWei, offered, state)
    }
    const refusal = await this.#adopt(state)
    if (refusal !== undefined) throw refusal
    const account = payer.account(openingIdOf(state))
    if (!this.#suffices(account, priceWei)) await this.#topUp(payee, account, priceWei)
  }

  async #open(
    payee: Address,
    priceWei: bigint,
    offered: NonNullable<OfferContent['payment']>,
    before: ChannelState,
  ): Promise<void> {
    const { chain, onLock, log } = this.#modules
    const { depositWei } = this.#options
    requireDeposit(depositWei, largest(priceWei, offered.leastDepositWei))
    await this.#unkept.forgetLost(payee, before, this.#openings.openedAt(payee))
    await this.#money.during(depositWei, async () => {
      const endsAt = await this.#end()
      await this.#openings.add(payee)
      const undo = await this.#unkept.begin(payee, before)
      onLock?.({ payee, amountWei: depositWei, isNew: true })
      const opened = await openChannel(chain, { payee, depositWei, endsAt }).catch(async (error: unknown) => {
        // What may have been sent may still be mined: it counts.
        const isNothingSent = error instanceof UserError && NOT_SENT.has(error.code) && (await undo())
        if (isNothingSent) await this.#openings.remove(payee)
        throw error
      })
      this.#locked.set(payee, performance.now())
      log.info({ payee, deposit: formatEther(depositWei), endsAt }, 'a channel is open')
      await this.#take(payee, { ...opened, channelId: openingIdOf(opened) })
      await this.#unkept.settled(openingIdOf(opened))
    })
  }

  async #topUp(payee: Address, account: PayerAccount, priceWei: bigint): Promise<void> {
    const { chain, onLock, log } = this.#modules
    const lacking = priceWei - this.#freeWei(account)
    // A deposit more, or what may be locked of it.
    const amountWei =
      lacking > 0n ? largest(smallest(this.#options.depositWei, this.#money.roomWei), lacking) : 0n
    await this.#money.during(amountWei, async () => {
      if (amountWei > 0n) onLock?.({ payee, amountWei, isNew: false })
      const endsAt = Math.max(account.endsAt, await this.#end())
      const toppedUp = await topUpChannel(chain, { payee, amountWei, endsAt })
      this.#locked.set(payee, performance.now())
      log.info({ payee, amount: formatEther(amountWei), endsAt }, 'a channel was topped up')
      const { depositWei } = toppedUp
      await this.#take(payee, { ...account, depositWei, endsAt: toppedUp.endsAt })
    })
  }

  async #end(): Promise<number> {
    const { chain } = this.#modules
    const { timestamp } = await chain.clock()
    const slack = chain.pollMs < 1000 ? DEVELOPMENT_SLACK_SECONDS : 0
    return Math.max(timestamp, Math.floor(Date.now() / 1000)) + this.#options.lifeSeconds + slack
  }

  /** Its end and deposit as the chain has them, or as the transaction said that brought them. */
  async #take(payee: Address, { channelId, nonce, depositWei, endsAt }: ChannelTerms): Promise<void> {
    const { payer } = this.#modules
    // A node of the chain that is behind knows less than what was mined a moment ago.
    const leastWei = this.isFresh(payee) ? (payer.find(channelId)?.depositWei ?? 0n) : 0n
    await payer.setChannel(payee, { channelId, nonce, depositWei: largest(leastWei, depositWei), endsAt })
  }
}
