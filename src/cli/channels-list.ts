/** `plumbline channels list`: what is locked in payment channels, on either side. */

import type { ListedChannel } from '../node/inference/channel-list.js'
import { hotKeyOf } from './chain-node.js'
import { chainOptions, withChain } from './chain-options.js'
import { defineCommand } from './command.js'
import { plural, shortId } from './format.js'
import { formatMoment } from './history-chart.js'

const MS_PER_SECOND = 1000
/** As many as tell channels apart, and as `channels close` takes. */
const SHOWN_DIGITS = 12

export const channelsListCommand = defineCommand({
  path: 'channels list',
  group: 'chain',
  summary: 'Payment channels of this key: deposits, what is spent, and when the rest comes back',
  description: [
    'As payer: what gateways and commands with this key locked for providers. As payee: what clients locked for this ' +
      'node. open: it can be paid from. ending: it ends so soon that nothing brings the end forward. over: anybody may ' +
      "close it, and the rest is the payer's. closed: kept for a week as evidence. unseen: this " +
      'chain does not have it, so that nothing of it can be paid or come back.',
    'It works while a daemon runs, but not while a gateway buys with the same key.',
  ],
  options: chainOptions,
  examples: [
    ['channels list', 'All channels of this node'],
    ['channels list --json', 'For a program: amounts in wei, times in Unix seconds'],
  ],
  run: (args, io) =>
    withChain(args, io, async (chain, config) => {
      const { listChannels } = await import('../node/inference/channel-list.js')
      const { formatEther } = await import('../chain/ether.js')
      const address = await hotKeyOf(undefined, config)
      const channels = await listChannels(chain, { dataDir: config.dataDir, address })
      io.output.result({ chainId: chain.chainId, address, channels }, () =>
        channelsText(channels, address, (wei) => formatEther(BigInt(wei))),
      )
      return 0
    }),
})

export function channelsText(
  channels: readonly ListedChannel[],
  address: string,
  ether: (wei: string) => string,
): string {
  if (channels.length === 0) return `${address} has no payment channels here.`
  const standing = ({ endsAt, state }: ListedChannel): string => {
    if (state === 'closed' || state === 'unseen') return state
    const end = formatMoment(endsAt * MS_PER_SECOND)
    return state === 'over'
      ? `over since ${end}`
      : state === 'open'
        ? `open until ${end}`
        : `${state}: ends ${end}`
  }
  const locked = channels.filter(
    ({ role, state }) => role === 'payer' && state !== 'closed' && state !== 'unseen',
  )
  const free = locked.reduce((sum, { freeWei }) => sum + BigInt(freeWei), 0n)
  return [
    ...channels.flatMap((channel) => [
      `${channel.channelId.slice(0, SHOWN_DIGITS)}  ${channel.role} with ${shortId(channel.partner)}, ${standing(channel)}`,
      `  deposit ${ether(channel.depositWei)}, spent ${ether(channel.spentWei)}`,
      `  free ${ether(channel.freeWei)}${channel.redeemedWei === null ? '' : `, redeemed ${ether(channel.redeemedWei)}`}`,
    ]),
    '',
    `${plural(channels.length, 'channel')}; ${ether(String(free))} of this key's deposits are not spent.`,
    '"plumbline channels close" ends one, and brings the rest of its deposit back.',
  ].join('\n')
}
