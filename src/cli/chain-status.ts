/** `plumbline chain status`: the chain, the contracts, and what this node has there. */

import { MAX_TAU_MICROS, MIN_TAU_MICROS } from '../pob/constants.js'
import { hotKeyOf } from './chain-node.js'
import { chainOptions, withChain } from './chain-options.js'
import { nodeOptions } from './chain-stake.js'
import { unbondingText } from './chain-unstake.js'
import { defineCommand } from './command.js'
import { formatBytes, formatDuration, labelled, plural } from './format.js'

const LABEL_WIDTH = 18
const MS_PER_SECOND = 1000
const GB = 1e9

/**
 * What a gigabyte sent earns by the least fee, gas not counted: the fee of a slot is flat, and a train of the longest and of the
 * shortest time at the whole uplink is the most and the least that it sends without a repeat.
 */
function revenuePerGb(minSlotFeeWei: bigint, uplinkKbps: number) {
  const trainBytes = (tauMicros: number) => Math.round((uplinkKbps * tauMicros) / 8000)
  const perGb = (bytes: number) => (minSlotFeeWei * BigInt(GB)) / BigInt(Math.max(1, bytes))
  const mostBytes = trainBytes(MAX_TAU_MICROS)
  const leastBytes = trainBytes(MIN_TAU_MICROS)
  return { leastBytes, mostBytes, leastWei: perGb(mostBytes), mostWei: perGb(leastBytes) }
}

export const chainStatusCommand = defineCommand({
  path: 'chain status',
  group: 'chain',
  summary: 'The chain, its terms, and what this node has staked, earned and can spend',
  options: { ...nodeOptions, ...chainOptions },
  examples: [
    ['chain status', 'This node on the configured chain'],
    ['chain status --json', 'For a monitoring script'],
  ],
  run: (args, io) =>
    withChain(args, io, async (chain, config) => {
      const library = await import('../chain/index.js')
      const { formatEther, formatGwei } = library
      const hotKey = await hotKeyOf(args.node, config)
      const [{ blockNumber, timestamp }, node, account, earned, balanceWei, cache, fees] = await Promise.all([
        chain.clock(),
        library.readNode(chain, hotKey),
        library.readProverAccount(chain, hotKey),
        library.findClaims(chain, hotKey, { signal: io.signal }),
        chain.client.getBalance({ address: hotKey }),
        library.openSeatCache(chain, { signal: io.signal }),
        library.marketFees(chain.client, undefined),
      ])
      const { terms, deployment } = chain
      const sum = (items: typeof earned) => items.reduce((total, { amountWei }) => total + amountWei, 0n)
      const dueWei = sum(earned.filter(({ isDue }) => isDue))
      const laterWei = sum(earned) - dueWei
      const lagSeconds = Math.max(0, Math.round(Date.now() / MS_PER_SECOND) - timestamp)
      const revenue =
        node === undefined || node.uplinkKbps === 0
          ? undefined
          : revenuePerGb(terms.minSlotFeeWei, node.uplinkKbps)
      const ownerWei = node === undefined ? 0n : await chain.client.getBalance({ address: node.owner })
      const result = {
        chainId: chain.chainId,
        blockNumber: Number(blockNumber),
        blockAgeSeconds: lagSeconds,
        maxFeePerGasWei: fees.maxFeePerGas.toString(),
        contracts: deployment.contracts,
        absent: deployment.absent,
        terms: Object.fromEntries(
          Object.entries(terms).map(([name, value]) => [
            name,
            typeof value === 'bigint' ? value.toString() : value,
          ]),
        ),
        registrySeats: cache.seatCount,
        hotKey,
        balanceWei: balanceWei.toString(),
        node:
          node === undefined
            ? null
            : {
                nodeId: node.nodeId,
                owner: node.owner,
                ownerBalanceWei: ownerWei.toString(),
                registered: node.record !== 0,
                seats: node.seats,
                uplinkKbps: node.uplinkKbps,
                since: node.since,
                stakeWei: node.stakeWei.toString(),
                unbondingWei: node.unbondingWei.toString(),
                unbondedAt: node.unbondedAt,
              },
        revenuePerGb:
          revenue === undefined
            ? null
            : { leastWei: revenue.leastWei.toString(), mostWei: revenue.mostWei.toString() },
        prover: { depositWei: account.freeWei.toString(), challengesOpened: account.opened },
        earned: { dueWei: dueWei.toString(), laterWei: laterWei.toString(), challenges: earned.length },
      }
      const row = (label: string, value: string) => labelled(`  ${label}`, value, LABEL_WIDTH)
      const seconds = (value: number) => formatDuration(value * MS_PER_SECOND)
      io.output.result(result, () =>
        [
          `chain ${chain.chainId}, block ${blockNumber} (${seconds(lagSeconds)} ago), gas at most ${formatGwei(fees.maxFeePerGas)}`,
          '',
          row('registry', `${deployment.contracts.stakeRegistry}, ${plural(cache.seatCount, 'seat')}`),
          row('manager', deployment.contracts.challengeManager),
          row(
            'beacon',
            deployment.contracts.beaconRegistry ?? `none: ${deployment.absent.beaconRegistry ?? ''}`,
          ),
          row(
            'a seat costs',
            `${formatEther(terms.seatStakeWei)}, back ${seconds(terms.unbondingSeconds)} after leaving`,
          ),
          row(
            'a slot earns',
            `${formatEther(terms.minSlotFeeWei)} at least, ${seconds(terms.disputeWindowSeconds)} after settlement`,
          ),
          '',
          row('hot key', `${hotKey}, ${formatEther(balanceWei)}`),
          ...(node === undefined
            ? [row('node', 'not registered')]
            : [
                row('node', `${node.nodeId}, ${node.record === 0 ? 'left' : plural(node.seats, 'seat')}`),
                ...(revenue === undefined
                  ? []
                  : [
                      row(
                        'a GB sent earns',
                        `${formatEther(revenue.leastWei)} to ${formatEther(revenue.mostWei)} at least: a slot sends ` +
                          `${formatBytes(revenue.leastBytes)} to ${formatBytes(revenue.mostBytes)} at your uplink`,
                      ),
                    ]),
                row('cold wallet', `${node.owner}, ${formatEther(ownerWei)}`),
                row('stake', formatEther(node.stakeWei)),
                row('unbonding', unbondingText(node, formatEther)),
              ]),
          row(
            'deposit',
            `${formatEther(account.freeWei)} free, ${plural(account.opened, 'challenge')} opened`,
          ),
          row('earned', `${formatEther(dueWei)} due now, ${formatEther(laterWei)} later`),
        ].join('\n'),
      )
      return 0
    }),
})
