/**
 * Openings that the chain has and the ledger has not, and the other way round. An open channel without an account may have
 * been paid from by another ledger of this key, whose vouchers and receipts nobody knows here: it is not paid from
 * unless it is known to be unused. Its end is asked for, and the rest of its deposit comes back.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { type ChannelState, channelIdOf, channelsContract, readChannel } from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import type { Logger } from '../../telemetry/logger.js'
import { channelStanding, isOfChain, openingIdOf, type PayerAccount } from '../payment/index.js'
import type { ChannelNotes } from './channel-notes.js'
import { askForEnd, type RefundModules, retire, takeBack } from './refunds.js'

export interface UnkeptModules extends RefundModules {
  readonly notes: ChannelNotes
  readonly log: Logger
  /** Told in a line when a channel is given up. */
  readonly onGivenUp?: ((line: string) => void) | undefined
}

/** Within it a node of the chain may not know what this client did there. */
export const FRESH_MS = 30_000
const FRESH_SECONDS = FRESH_MS / 1000
const DAY_SECONDS = 86_400

/** A channel that is not paid from is looked at for a job no oftener: each job would wait for that. */
const REFUSED_MS = 60_000
/** More openings than a ledger has. */
const KNOWN_OPENINGS = 16_384

export interface GivingUp {
  readonly reason?: string | undefined
  readonly signal?: AbortSignal | undefined
}

type Opening = Pick<PayerAccount, 'payee' | 'channelId' | 'nonce'>

export class UnkeptChannels {
  readonly #modules: UnkeptModules
  readonly #here = new Map<string, boolean>()
  /** By payee; monotonic milliseconds. */
  readonly #refused = new Map<Address, { readonly error: UserError; readonly untilMs: number }>()

  constructor(modules: UnkeptModules) {
    this.#modules = modules
  }

  /** Whether this chain and contract have it, or may: its id says so, and each job asks. */
  isHere(opening: Opening): boolean {
    const { chain, address } = this.#modules
    const key = bytesToHex(opening.channelId)
    const known = this.#here.get(key)
    if (known !== undefined) return known
    const isHere = isOfChain(chain, { ...opening, payer: address })
    if (this.#here.size >= KNOWN_OPENINGS) this.#here.clear()
    this.#here.set(key, isHere)
    return isHere
  }

  /** @throws UserError that {@link giveUp} returned a moment ago */
  requirePayable(payee: Address): void {
    const refused = this.#refused.get(payee)
    if (refused === undefined) return
    if (performance.now() < refused.untilMs) throw refused.error
    this.#refused.delete(payee)
  }

  /**
   * Before an opening is sent: what is mined of it while this process ends is unused.
   * @param before as the chain is
   * @returns for one that was not sent: whether nothing is under way, since an earlier try may be so still
   */
  async begin(payee: Address, before: ChannelState): Promise<() => Promise<boolean>> {
    const { chain, address, notes } = this.#modules
    const nonce = before.nonce + 1
    const parties = { payer: address, payee }
    const named = channelIdOf({
      ...{ chainId: chain.chainId, contract: channelsContract(chain), nonce },
      ...parties,
    })
    const channelId = hexToBytes(named.slice(2))
    const isTriedAgain = notes.kindOf(channelId) === 'opening'
    await notes.set({ kind: 'opening', payee, channelId, nonce })
    return async () => {
      if (!isTriedAgain) await this.settled(channelId)
      return !isTriedAgain
    }
  }

  /** It is in the ledger. */
  async settled(channelId: Uint8Array): Promise<void> {
    if (this.#modules.notes.kindOf(channelId) === 'opening') await this.#modules.notes.drop(channelId)
  }

  isLeft(channelId: Uint8Array): boolean {
    return this.#modules.notes.kindOf(channelId) === 'left'
  }

  /** Whether an open channel is this ledger's own: it has an account, or is one that was opened for this ledger and is unused. */
  isOwn(state: ChannelState): boolean {
    const channelId = openingIdOf(state)
    if (this.isLeft(channelId)) return false
    const { payer, notes } = this.#modules
    if (payer.find(channelId) !== undefined) return true
    return notes.kindOf(channelId) === 'opening' && state.redeemedWei === 0n
  }

  /** With whom channels may be open that no account speaks of. */
  payees(): readonly Address[] {
    return this.#modules.notes
      .all()
      .filter((note) => this.isHere(note))
      .map(({ payee }) => payee)
  }

  /**
   * Asks for the end of an open channel that is not paid from.
   * @param reason why; that another ledger used it unless given
   * @returns why it is not; said once in a line
   */
  async giveUp(
    state: ChannelState,
    { reason = 'another ledger of this key used it', signal }: GivingUp = {},
  ): Promise<UserError> {
    const { chain, notes, log, onGivenUp } = this.#modules
    const { payee, nonce } = state
    const channelId = openingIdOf(state)
    const isNews = !this.isLeft(channelId)
    if (isNews) await notes.set({ kind: 'left', channelId, payee, nonce })
    let { endsAt } = state
    let failure: UserError | undefined
    const { timestamp } = await chain.clock()
    if (endsAt > timestamp + chain.terms.channelChallengeSeconds)
      try {
        endsAt = (await askForEnd(this.#modules, { payee, channelId, endsAt }, signal)).endsAt
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof UserError)) throw error
        failure = error
      }
    const when = new Date(endsAt * 1000).toISOString()
    const what = `the channel with ${payee} is given up: ${reason}`
    const line =
      failure === undefined
        ? `${what}; its end is asked for, and the rest of its deposit comes back after ${when}: until then nothing can be bought there`
        : `${what}; nothing can be bought there until it is closed, and asking for its end failed: ${failure.message}`
    if (isNews) {
      log.warn({ payee, endsAt }, line)
      onGivenUp?.(line)
    }
    const error = new UserError(line, {
      code: 'DENIED',
      remedy:
        failure === undefined
          ? 'choose another provider, or wait'
          : `ask for it with "plumbline channels close ${payee}"`,
    })
    const leftMs = Math.max(0, (endsAt - timestamp) * 1000)
    this.#refused.set(payee, { error, untilMs: performance.now() + Math.min(REFUSED_MS, leftMs) })
    return error
  }

  /**
   * One look at what the notes say of a payee's channels: the rest of a deposit is taken back from what is over.
   * @param openedAt as {@link isLost}
   * @throws chain errors
   */
  async look(payee: Address, openedAt: number | undefined, signal?: AbortSignal): Promise<void> {
    const { chain, address, notes, log } = this.#modules
    for (const note of notes.all().filter((each) => each.kind === 'opening' && each.payee === payee)) {
      const { isOpen, nonce } = await readChannel(chain, { payer: address, payee })
      // Another one came after it, or it was closed, or it was never mined.
      const isDone = nonce > note.nonce || (nonce === note.nonce && !isOpen)
      if (isDone || (nonce < note.nonce && openedAt === undefined)) await notes.drop(note.channelId)
    }
    const left = notes.all().filter((note) => note.kind === 'left' && note.payee === payee)
    for (const note of left.filter((each) => this.isHere(each))) {
      const parties = { payer: address, payee }
      const state = await readChannel(chain, parties)
      const { timestamp } = await chain.clock()
      const standing = channelStanding(chain, { ...note, ...parties }, state, timestamp)
      if (standing === 'open') await this.giveUp(state, signal)
      if (standing === 'over') {
        await takeBack(this.#modules, note, signal)
        log.info({ payee }, 'the rest of a deposit came back')
      }
      if (standing !== 'over' && standing !== 'closed') continue
      await notes.drop(note.channelId)
      this.#refused.delete(payee)
    }
  }

  /**
   * Whether the chain has lost an opening of the ledger: begun anew, or re-organised more deeply than this client counts on.
   * @param openedAt Unix seconds; undefined where that is more than a day ago
   */
  async isLost(opening: Opening, openedAt: number | undefined): Promise<boolean> {
    const { chain, address } = this.#modules
    const now = Date.now() / 1000
    const { blockNumber, timestamp } = await chain.clock()
    // A node that is behind knows nothing of the opening yet.
    const since = openedAt ?? now - DAY_SECONDS
    if (Math.min(now, timestamp) < since + FRESH_SECONDS) return false
    const parties = { payer: address, payee: opening.payee }
    const depth = BigInt(chain.confirmations - 1)
    for (const at of [{}, { blockNumber: blockNumber > depth ? blockNumber - depth : 0n }]) {
      const state = await readChannel(chain, parties, at)
      if (channelStanding(chain, { ...opening, ...parties }, state, timestamp) !== 'unseen') return false
    }
    return true
  }

  /** It is no money that is locked; its receipts are kept for as long as those of a channel that has ended. */
  async setAside({ channelId, payee, endsAt }: PayerAccount): Promise<void> {
    const { payer, chain, log } = this.#modules
    const { timestamp } = await chain.clock()
    await retire({ payer }, channelId, timestamp)
    if (endsAt > timestamp)
      log.warn({ payee }, 'the chain does not have a channel of the ledger any more: it is set aside')
  }

  /**
   * Before an opening is sent: the next ones on a chain that lost some bear the same ids, and no account may speak of both.
   * @throws UserError UNAVAILABLE where a node of the chain may only be behind
   */
  async forgetLost(payee: Address, before: ChannelState, openedAt: number | undefined): Promise<void> {
    const { payer } = this.#modules
    for (const account of payer.accounts()) {
      if (account.payee !== payee || account.nonce <= before.nonce || !this.isHere(account)) continue
      if (!(await this.isLost(account, openedAt)))
        throw new UserError(`the chain does not show the channel with ${payee} yet`, {
          code: 'UNAVAILABLE',
          remedy: 'ask again in a minute',
        })
      await this.setAside(account)
      await payer.forget(account.channelId)
    }
  }
}
