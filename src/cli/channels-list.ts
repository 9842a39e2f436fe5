/** `plumbline channels list`: what is locked in payment channels, on either side. */

import type { ListedChannel } from '../node/inference/channel-list.js'
import { hotKeyOf } from './chain-node.js'
import { chainOptions, withChain } from './chain-options.js'
import { defineCommand } from './command.js'
import { plural, shortId, table } from './format.js'
import { formatMoment } from './history-chart.js'

const MS_PER_SECOND = 1000

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
  const ends = ({ endsAt, state }: ListedChannel): string =>
    state === 'closed' ? 'closed' : state === 'unseen' ? '-' : formatMoment(endsAt * MS_PER_SECOND)
  const locked = channels.filter(
    ({ role, state }) => role === 'payer' && state !== 'closed' && state !== 'unseen',
  )
  const free = locked.reduce((sum, { freeWei }) => sum + BigInt(freeWei), 0n)
  return [
    table(channels, [
      { title: 'channel', value: ({ channelId }) => channelId.slice(0, 12) },
      { title: 'as', value: ({ role }) => role },
      { title: 'with', value: ({ partner }) => shortId(partner), shrinks: true },
      { title: 'deposit', align: 'right', value: ({ depositWei }) => ether(depositWei) },
      { title: 'spent', align: 'right', value: ({ spentWei }) => ether(spentWei) },
      {
        title: 'redeemed',
        align: 'right',
        value: ({ redeemedWei }) => (redeemedWei === null ? '-' : ether(redeemedWei)),
      },
      { title: 'free', align: 'right', value: ({ freeWei }) => ether(freeWei) },
      { title: 'ends', value: ends },
      { title: 'state', value: ({ state }) => state },
    ]),
    '',
    `${plural(channels.length, 'channel')}; ${ether(String(free))} of this key's deposits are not spent.`,
    'The rest of a deposit comes back once its channel is over: "plumbline channels close" asks for that.',
  ].join('\n')
}
