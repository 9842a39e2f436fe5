/** What payees committed to on the chain when they were paid over certain channels: for who doubts their receipts. */
import { getAbiItem, type Hex } from 'viem'
import type { Chain } from '../chain.js'
import { channelsContract } from '../channel-id.js'
import { paymentChannelsAbi } from '../generated/payment-channels.js'
import { readLogs } from '../logs.js'
import type { Redemption } from './read-channel-events.js'

const redeemedEvent = getAbiItem({ abi: paymentChannelsAbi, name: 'VoucherRedeemed' })
/** Servers limit how many values a filter may have. */
const CHANNELS_AT_ONCE = 100

/** As deep as the chain's confirmations ask, in no particular order. */
export async function readRedemptions(
  chain: Chain,
  { channelIds, signal }: { readonly channelIds: readonly Hex[]; readonly signal?: AbortSignal },
): Promise<readonly Omit<Redemption, 'at'>[]> {
  const { blockNumber } = await chain.clock()
  const found: Omit<Redemption, 'at'>[] = []
  for (let first = 0; first < channelIds.length; first += CHANNELS_AT_ONCE) {
    const logs = await readLogs(chain.client, {
      address: channelsContract(chain),
      events: [redeemedEvent],
      args: { channelId: channelIds.slice(first, first + CHANNELS_AT_ONCE) },
      fromBlock: BigInt(chain.deployment.deployedAtBlock),
      toBlock: blockNumber - BigInt(chain.confirmations - 1),
      signal,
    })
    for (const { args } of logs) {
      const { channelId, payee, receipts, receiptsHead } = args
      found.push({ channelId, payee, receipts: Number(receipts), receiptsHead })
    }
  }
  return found
}
