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
import type { Logger } from '../../telemetry/logger.js'
import {
  type ChannelStanding,
  channelStanding,
  type Payer,
  type PayerAccount,
  payerReceived,
} from '../payment/index.js'

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
/** A channel is opened for a job: who did none by then does not serve this client. */
const UNUSED_SECONDS = 3600
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

/** Of channels that run by the ledger: those that do not by the chain. @param isFresh whether a payee's was changed a moment ago */
export async function endedSooner(
  modules: RefundModules & { readonly log: Logger },
  running: readonly PayerAccount[],
  isFresh: (payee: Address) => boolean,
): Promise<ReadonlySet<PayerAccount>> {
  try {
    const found = (await readOwnChannels(modules, running)).filter(
      // A node of the chain that is behind may not know of a later end, or of the channel.
      ({ account, standing }) =>
        standing === 'closed' || ((standing === 'over' || standing === 'unseen') && !isFresh(account.payee)),
    )
    return new Set(found.map(({ account }) => account))
  } catch (error) {
    modules.log.warn({ reason: String(error) }, 'channels could not be read on the chain')
    return new Set()
  }
}

/** Nothing was delivered in it, it is not new, and its end was not asked for. @param openedAt Unix seconds, of the last day */
export function isUnused(
  { terms }: Pick<Chain, 'terms'>,
  account: PayerAccount,
  timestamp: number,
  openedAt = 0,
): boolean {
  return (
    payerReceived(account) === 0n &&
    openedAt + UNUSED_SECONDS <= Date.now() / 1000 &&
    account.endsAt > timestamp + terms.channelChallengeSeconds
  )
}

/** Asks for the end of a channel that is open, and in which nothing was delivered. @throws chain errors */
export async function endUnused(
  modules: RefundModules & { readonly log: Logger },
  channelId: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const { payer, log } = modules
  const accounts = payer.accounts().filter((each) => Buffer.compare(each.channelId, channelId) === 0)
  for (const { account, standing } of await readOwnChannels(modules, accounts)) {
    if (standing !== 'open' || payerReceived(account) > 0n) continue
    const { endsAt } = await askForEnd(modules, account, signal)
    log.info({ payee: account.payee, endsAt }, 'a channel in which nothing was delivered ends')
  }
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
  const known = payer.find(channelId)
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
  const known = payer.find(channelId)
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
  return retire({ payer }, channelId, timestamp)
}

/** Forgets an opening that pays no more, or keeps it as one that has ended while its receipts are evidence. @returns as {@link forgetInTime} */
export async function retire(
  { payer }: Pick<RefundModules, 'payer'>,
  channelId: Uint8Array,
  timestamp: number,
): Promise<boolean> {
  const known = payer.find(channelId)
  if (known === undefined) return true
  // By both clocks: what has ended is no money that is locked.
  const ended = Math.min(known.endsAt, timestamp, Math.floor(Date.now() / 1000))
  if (known.receipts > 0 && ended + EVIDENCE_SECONDS > timestamp) {
    if (known.endsAt > ended) await payer.setChannel(known.payee, { ...known, endsAt: ended })
    return false
  }
  await payer.forget(channelId)
  return true
}
