/** A client's channels at their end: what is over is closed, so that the deposit comes back, and forgotten in time. */
import { bytesToHex } from '@noble/hashes/utils.js'
import {
  type Chain,
  type ChannelState,
  type ClosedChannel,
  closeChannel,
  type RequestedClose,
  readChannel,
  requestChannelClose,
} from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { type ChannelStanding, channelStanding, type Payer, type PayerAccount } from '../payment/index.js'

export interface RefundModules {
  readonly chain: Chain
  readonly payer: Payer
  /** The client's own. */
  readonly address: Address
}

export interface OwnChannel {
  readonly account: PayerAccount
  /** As the newest block has it. */
  readonly state: ChannelState
  readonly standing: ChannelStanding
}

/** Receipts are evidence for as long as auditors may ask the provider for them. */
const EVIDENCE_SECONDS = 7 * 86_400
/** Channels asked for at once. */
const BATCH = 16

/** How ledger entries stand on the chain, in their order. */
export async function readOwnChannels(
  { chain, address }: Omit<RefundModules, 'payer'>,
  accounts: readonly PayerAccount[],
): Promise<readonly OwnChannel[]> {
  const { timestamp } = await chain.clock()
  const channels: OwnChannel[] = []
  for (let at = 0; at < accounts.length; at += BATCH)
    channels.push(
      ...(await Promise.all(
        accounts.slice(at, at + BATCH).map(async (account) => {
          const parties = { payer: address, payee: account.payee }
          const state = await readChannel(chain, parties)
          const standing = channelStanding(chain, { ...account, ...parties }, state, timestamp)
          return { account, state, standing }
        }),
      )),
    )
  return channels
}

/** Asks for the end of an open channel. @throws chain errors */
export async function askForEnd(
  { chain, payer, address }: RefundModules,
  { payee, channelId, endsAt }: Pick<PayerAccount, 'payee' | 'channelId' | 'endsAt'>,
  signal?: AbortSignal,
): Promise<RequestedClose> {
  // A top-up may have moved the end since: then it is asked for again.
  const intent = `end:${bytesToHex(channelId)}:${endsAt}`
  const asked = await requestChannelClose(chain, { payer: address, payee }, { signal, intent })
  const known = find(payer, channelId)
  if (known !== undefined) await payer.setChannel(payee, { ...known, endsAt: asked.endsAt })
  return asked
}

/** Closes a channel that is over. @throws chain errors */
export async function takeBack(
  { chain, payer, address }: RefundModules,
  { payee, channelId }: Pick<PayerAccount, 'payee' | 'channelId'>,
  signal?: AbortSignal,
): Promise<ClosedChannel> {
  const intent = `close:${bytesToHex(channelId)}`
  const closed = await closeChannel(chain, { payer: address, payee }, { signal, intent })
  const known = find(payer, channelId)
  if (known !== undefined) await forgetInTime({ chain, payer, address }, known)
  return closed
}

/**
 * Forgets a closed channel once no block that may be taken back says so, and nothing of it can be disputed any more.
 * Until then it is kept as one that has ended, whatever end it had: a payee may close at any time.
 * @returns whether it is forgotten
 */
export async function forgetInTime(
  { chain, payer, address }: RefundModules,
  account: PayerAccount,
): Promise<boolean> {
  const { payee, channelId, nonce } = account
  const parties = { payer: address, payee }
  const { blockNumber, timestamp } = await chain.clock()
  const depth = BigInt(chain.confirmations - 1)
  const deep = await readChannel(chain, parties, {
    blockNumber: blockNumber > depth ? blockNumber - depth : 0n,
  })
  if (channelStanding(chain, { channelId, nonce, ...parties }, deep, timestamp) !== 'closed') return false
  const known = find(payer, channelId)
  if (known === undefined) return true
  // By both clocks: what has ended is no money that is locked.
  const ended = Math.min(known.endsAt, timestamp, Math.floor(Date.now() / 1000))
  if (known.receipts > 0 && ended + EVIDENCE_SECONDS > timestamp) {
    if (known.endsAt > ended) await payer.setChannel(payee, { ...known, endsAt: ended })
    return false
  }
  await payer.forget(channelId)
  return true
}

const find = (payer: Payer, channelId: Uint8Array): PayerAccount | undefined =>
  payer.accounts().find((account) => Buffer.compare(account.channelId, channelId) === 0)
