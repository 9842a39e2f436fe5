/** What happened to payment channels, whoever's they are: for auditors, who take part in none. */
import { getAbiItem, type Hex } from 'viem'
import type { Address } from '../../crypto/address.js'
import type { Chain } from '../chain.js'
import { channelsContract } from '../channel-id.js'
import { paymentChannelsAbi } from '../generated/payment-channels.js'
import { readLogs } from '../logs.js'

const openedEvent = getAbiItem({ abi: paymentChannelsAbi, name: 'ChannelOpened' })
const redeemedEvent = getAbiItem({ abi: paymentChannelsAbi, name: 'VoucherRedeemed' })
const closedEvent = getAbiItem({ abi: paymentChannelsAbi, name: 'ChannelClosed' })

export interface ChannelOpenedEvent {
  readonly channelId: Hex
  readonly payer: Address
  readonly payee: Address
  /** Unix seconds. */
  readonly endsAt: number
}

/** What a payee committed to when it was paid. */
export interface Redemption {
  readonly channelId: Hex
  readonly payee: Address
  readonly receipts: number
  /** Digest of the last of them. */
  readonly receiptsHead: Hex
  /** Of the block, Unix seconds. */
  readonly at: number
}

/** Nothing can be redeemed any more. */
export interface ChannelClosedEvent {
  readonly channelId: Hex
  /** Of the block, Unix seconds. */
  readonly at: number
}

export interface ChannelEvents {
  readonly opened: readonly ChannelOpenedEvent[]
  readonly redeemed: readonly Redemption[]
  readonly closed: readonly ChannelClosedEvent[]
}

/** In the order of the chain. */
export async function readChannelEvents(
  chain: Chain,
  {
    fromBlock,
    toBlock,
    signal,
  }: {
    readonly fromBlock: bigint
    readonly toBlock: bigint
    readonly signal?: AbortSignal
  },
): Promise<ChannelEvents> {
  const logs = await readLogs(chain.client, {
    address: channelsContract(chain),
    events: [openedEvent, redeemedEvent, closedEvent],
    fromBlock,
    toBlock,
    signal,
  })
  const opened: ChannelOpenedEvent[] = []
  const redeemed: Redemption[] = []
  const closed: ChannelClosedEvent[] = []
  const times = new Map<bigint, number>()
  for (const log of logs) {
    if (log.eventName === 'ChannelOpened') {
      const { channelId, payer, payee, endsAt } = log.args
      opened.push({ channelId, payer, payee, endsAt: Number(endsAt) })
      continue
    }
    const { blockNumber } = log
    const at = times.get(blockNumber) ?? Number((await chain.client.getBlock({ blockNumber })).timestamp)
    times.set(blockNumber, at)
    if (log.eventName === 'ChannelClosed') {
      closed.push({ channelId: log.args.channelId, at })
      continue
    }
    const { channelId, payee, receipts, receiptsHead } = log.args
    redeemed.push({ channelId, payee, receipts: Number(receipts), receiptsHead, at })
  }
  return { opened, redeemed, closed }
}
