/**
 * The auditor: watches every channel of its chain, asks the providers for their receipts, and for what belongs to those
 * that the beacon draws; runs these again. What a provider committed to and does not produce has failed as well. It pays
 * nobody and is paid by nobody here: its findings are signed and told.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { ChannelEvents } from '../../chain/index.js'
import { type Address, addressOfPublicKey } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { UserError } from '../../errors.js'
import type { Host, PeerTarget } from '../../p2p/index.js'
import { decodeTerms, hashOf } from '../network/job-codec.js'
import {
  EVIDENCE_MESSAGE,
  type EvidenceReply,
  RECEIPTS_AT_ONCE,
  RECEIPTS_MESSAGE,
} from '../network/messages.js'
import type { Offer } from '../network/offer.js'
import { readReceipt } from '../payment/index.js'
import { auditChain } from './chain-audit.js'
import { drawingRound, drawnFrom } from './drawing.js'
import { closeExecutions, type Executions } from './executions.js'
import { type Finding, signFinding } from './finding.js'
import { isSampled } from './sampling.js'
import { auditEvidence, type ShelfAuditModules } from './shelf-audit.js'
import { type WaitingReceipt, type WaitingRedemption, WatchedChannel } from './watched-channel.js'

export interface NetworkAuditModules
  extends Pick<
    ShelfAuditModules,
    'beacon' | 'randomness' | 'openExecutions' | 'signer' | 'onFinding' | 'log' | 'now'
  > {
  readonly host: Pick<Host, 'request'>
  readonly domain: TypedDomain
  /** What happened on the chain since the last call. */
  readonly events: (signal: AbortSignal) => Promise<ChannelEvents>
  /** Providers that are known now. */
  readonly offers: () => readonly Offer[]
  /** What a former run of this node found. */
  readonly isFound: (channelId: Uint8Array, index: number) => boolean
}

interface Provider {
  readonly target: PeerTarget
  readonly publicKey: Uint8Array
  readonly name: string
}

/** A drawn job that its provider could not be asked for yet. */
interface Drawn extends WaitingReceipt {
  readonly channel: WatchedChannel
}

const MOST_CHANNELS = 10_000
const MOST_DRAWN = 10_000
/** Requests for receipts of one channel in a round: more come in the next. */
const MOST_REQUESTS = 20
/** Evidence is kept so long (the offer says it); later nobody can be blamed. */
const ASKED_FOR_SECONDS = 80_000
const ZERO = new Uint8Array(32)

export class NetworkAudit {
  readonly #modules: NetworkAuditModules
  readonly #channels = new Map<string, WatchedChannel>()
  #drawn: Drawn[] = []
  /** Who does not take this node for an auditor is told to its operator once. */
  readonly #denied = new Set<string>()

  constructor(modules: NetworkAuditModules) {
    this.#modules = modules
  }

  get channels(): number {
    return this.#channels.size
  }

  /** Everything that can be done now. @throws UserError where the chain or the beacon is not reached */
  async round(signal: AbortSignal): Promise<void> {
    await this.#readChain(signal)
    const providers = this.#providers()
    for (const channel of this.#channels.values()) {
      const provider = providers.get(channel.payee)
      if (provider === undefined) continue
      const hasAll = await this.#follow(channel, provider, signal)
      await this.#draw(channel, signal)
      if (hasAll) await this.#checkRedemptions(channel, provider, signal)
    }
    await this.#auditDrawn(providers, signal)
  }

  async #readChain(signal: AbortSignal): Promise<void> {
    const { events, domain } = this.#modules
    const { opened, redeemed } = await events(signal)
    for (const { channelId, payee } of opened) {
      const id = bytesOf(channelId)
      if (this.#channels.size < MOST_CHANNELS)
        this.#channels.set(bytesToHex(id), new WatchedChannel(id, payee, domain))
    }
    const { now } = this.#modules
    for (const { channelId, receipts, receiptsHead, at } of redeemed)
      if (at + ASKED_FOR_SECONDS > now() / 1000)
        this.#channels
          .get(channelId.slice(2))
          ?.redemptions.push({ receipts, receiptsHead: bytesOf(receiptsHead), at })
  }

  #providers(): ReadonlyMap<Address, Provider> {
    return new Map(
      this.#modules
        .offers()
        .map(({ peerId, publicKey, addresses }) => [
          addressOfPublicKey(publicKey),
          { target: { peerId, addresses }, publicKey, name: `provider ..${peerId.slice(-8)}` },
        ]),
    )
  }

  /** Whether the provider gave all that it gives. */
  async #follow(channel: WatchedChannel, provider: Provider, signal: AbortSignal): Promise<boolean> {
    const { host, log } = this.#modules
    try {
      for (let request = 0; request < MOST_REQUESTS; request++) {
        const { receipts } = await host.request(
          provider.target,
          RECEIPTS_MESSAGE,
          { channelId: channel.channelId, from: channel.next },
          { signal },
        )
        const taken = channel.take(receipts.map((each) => readReceipt(each)))
        if (taken < RECEIPTS_AT_ONCE) return true
      }
      return false
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof UserError)) throw error
      log.debug({ provider: provider.name, reason: error.message }, 'a provider gave no receipts')
      return false
    }
  }

  async #draw(channel: WatchedChannel, signal: AbortSignal): Promise<void> {
    const { beacon, randomness, now } = this.#modules
    const due = channel.due(({ issuedAt }) => drawnFrom(beacon, issuedAt) <= now() / 1000)
    for (const each of due) {
      const { issuedAt, index } = each.receipt
      if (issuedAt + ASKED_FOR_SECONDS < now() / 1000 || this.#modules.isFound(channel.channelId, index))
        continue
      const drawn = await randomness(drawingRound(beacon, issuedAt), signal)
      if (isSampled(drawn, each.digest) && this.#drawn.length < MOST_DRAWN)
        this.#drawn.push({ ...each, channel })
    }
  }

  /** What was committed to must be there: places are drawn by a round after the redemption. */
  async #checkRedemptions(channel: WatchedChannel, provider: Provider, signal: AbortSignal): Promise<void> {
    const { beacon, randomness, now, domain } = this.#modules
    for (
      let redemption = channel.redemptions[0];
      redemption !== undefined;
      redemption = channel.redemptions[0]
    ) {
      if (drawnFrom(beacon, redemption.at) > now() / 1000) return
      const round = drawingRound(beacon, redemption.at)
      const { from, produced } = channel.committed(redemption)
      const { receipts, receiptsHead } = redemption
      const commitment = { channelId: channel.channelId, receipts, receiptsHead }
      const { missing } = auditChain(
        { domain, payee: channel.payee },
        commitment,
        produced,
        await randomness(round, signal),
        { from },
      )
      for (const index of missing)
        await this.#find(provider, channel, {
          index,
          receipt: ZERO,
          round,
          verdict: 'missing',
          reason: `the provider does not produce receipt ${index} of ${receipts} that it was paid for`,
        })
      this.#settle(channel, redemption)
    }
  }

  #settle(channel: WatchedChannel, redemption: WaitingRedemption): void {
    channel.settle(redemption)
    channel.redemptions.shift()
  }

  async #auditDrawn(providers: ReadonlyMap<Address, Provider>, signal: AbortSignal): Promise<void> {
    const { now } = this.#modules
    const drawn = this.#drawn.filter(({ receipt }) => receipt.issuedAt + ASKED_FOR_SECONDS > now() / 1000)
    this.#drawn = []
    let executions: Executions | undefined
    try {
      for (const each of drawn) {
        const provider = providers.get(each.channel.payee)
        const reply = provider === undefined ? undefined : await this.#ask(provider, each, signal)
        if (provider === undefined || reply === undefined) {
          this.#drawn.push(each)
          continue
        }
        if (reply.kind === 'evidence') executions ??= await this.#modules.openExecutions()
        await this.#judge(provider, each, reply, executions, signal)
      }
    } finally {
      if (executions !== undefined) await closeExecutions(executions)
    }
  }

  /** Undefined where it is to be asked again. */
  async #ask(
    { target, name }: Provider,
    { digest }: Drawn,
    signal: AbortSignal,
  ): Promise<EvidenceReply | undefined> {
    const { host, log } = this.#modules
    try {
      return await host.request(target, EVIDENCE_MESSAGE, { receipt: digest }, { signal })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof UserError)) throw error
      log.debug({ provider: name, reason: error.message }, 'a provider was not asked for evidence')
      return undefined
    }
  }

  async #judge(
    provider: Provider,
    { receipt, digest, channel }: Drawn,
    reply: EvidenceReply,
    executions: Executions | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { domain, beacon, log } = this.#modules
    const round = drawingRound(beacon, receipt.issuedAt)
    const missing = (reason: string) =>
      this.#find(provider, channel, {
        index: receipt.index,
        receipt: digest,
        round,
        verdict: 'missing',
        reason,
      })
    if (reply.kind === 'refused') {
      if (reply.code === 'NOT_FOUND') await missing('the provider does not have what belongs to the receipt')
      else if (!this.#denied.has(provider.name)) {
        this.#denied.add(provider.name)
        log.warn({ provider: provider.name, reason: reply.message }, 'a provider gives this node no evidence')
      }
      return
    }
    // Other bytes than the receipt names are none.
    if (Buffer.compare(hashOf(reply.terms), receipt.terms) !== 0)
      return missing('the provider shows other terms than the receipt names')
    if (reply.kind === 'optedOut') {
      if (isAudited(reply.terms)) await missing('the provider keeps back a job that may be audited')
      return
    }
    const { terms, input, output } = reply
    if (
      Buffer.compare(hashOf(input), receipt.input) !== 0 ||
      Buffer.compare(hashOf(output), receipt.output) !== 0
    )
      return missing('the provider shows another input or output than the receipt names')
    if (executions === undefined) throw new Error('an audit without an execution')
    const evidence = { receipt, terms, input, output, provider: provider.publicKey, domain }
    const { verdict } = await auditEvidence(this.#modules, executions, evidence, signal)
    const detail = { provider: provider.name, receipt: bytesToHex(digest), ...verdict }
    if (verdict.verdict === 'bad') log.warn(detail, 'an audit failed a job')
    else log.info(detail, 'a job was audited')
  }

  async #find(
    { publicKey, name }: Provider,
    { channelId }: WatchedChannel,
    found: Pick<Finding, 'index' | 'receipt' | 'round' | 'verdict' | 'reason'>,
  ): Promise<void> {
    const { signer, onFinding, now, log } = this.#modules
    log.warn({ provider: name, index: found.index, reason: found.reason }, 'an audit found something missing')
    const at = Math.floor(now() / 1000)
    await onFinding(signFinding(signer, { provider: publicKey, channelId, ...found, at }))
  }
}

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))

/** Terms that cannot be read are no consent to anything. */
function isAudited(terms: Uint8Array): boolean {
  try {
    return decodeTerms(terms).audit
  } catch (error) {
    if (error instanceof UserError) return false
    throw error
  }
}
