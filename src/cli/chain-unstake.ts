/** `plumbline chain unstake`: give up seats, leave, and take the money out. */
import type { Chain, ChainCall, NodeState } from '../chain/index.js'
import type { Address } from '../crypto/address.js'
import { hotKeyOf, registeredEndpoint, registeredNode } from './chain-node.js'
import {
  announceCall,
  chainOptions,
  minedJson,
  minedText,
  reportDryRun,
  walletOptions,
  withWallet,
} from './chain-options.js'
import { nodeOptions } from './chain-stake.js'
import { defineCommand } from './command.js'
import { badArgument, flag, number, text } from './option.js'

export const chainUnstakeCommand = defineCommand({
  path: 'chain unstake',
  group: 'chain',
  summary: 'Give up seats, leave the registry, or take money out',
  description: [
    'Leaving is always possible, at once. The stake follows after the unbonding time, with --withdraw, to the cold ' +
      'wallet alone; until then a proven fault still costs a part of it.',
  ],
  options: {
    seats: number({ summary: 'Seats to give up', placeholder: 'seats', integer: true, min: 1, max: 8 }),
    leave: flag('Give up all seats and leave the registry'),
    withdraw: flag('Pay the stake that is unbonded by now to the cold wallet'),
    bond: text({ summary: "What to take out of the prover's deposit, e.g. 0.2 ETH", placeholder: 'amount' }),
    ...nodeOptions,
    ...chainOptions,
    ...walletOptions,
  },
  examples: [
    ['chain unstake --leave --wallet cold.json', 'Leave; the stake unbonds'],
    ['chain unstake --withdraw', 'Later: pay it to the cold wallet (anybody may ask for it)'],
    ['chain unstake --bond 0.2 --wallet cold.json', "Take a part of the prover's deposit out"],
  ],
  run: (args, io) =>
    withWallet(args, io, async ({ chain, config }) => {
      const { seats, leave, withdraw, bond } = args
      const chosen = [seats !== undefined, leave, withdraw, bond !== undefined].filter(Boolean).length
      if (chosen !== 1)
        throw badArgument(
          'chain unstake wants one of --seats, --leave, --withdraw and --bond',
          'give exactly one',
        )
      const library = await import('../chain/index.js')
      const hotKey = await hotKeyOf(args.node, config)
      const node = await registeredNode(chain, hotKey)
      const call = await unstakeCall(chain, node, hotKey, args)
      if (args.dryRun) return reportDryRun(chain, call, io, { hotKey, nodeId: node.nodeId })
      await announceCall(chain, call, io)
      const mined = await library.sendCall(chain, call, { signal: io.signal })
      const after = await registeredNode(chain, hotKey)
      const { freeWei } = await library.readProverAccount(chain, hotKey)
      const rows: (readonly [string, string])[] = [
        ['seats', String(after.seats)],
        ['unbonding', unbondingText(after, library.formatEther)],
        ['deposit', library.formatEther(freeWei)],
      ]
      const text = await minedText(`${call.what}: done.`, rows, mined)
      io.output.result(
        {
          hotKey,
          nodeId: after.nodeId,
          seats: after.seats,
          unbondingWei: after.unbondingWei.toString(),
          unbondedAt: after.unbondedAt,
          depositWei: freeWei.toString(),
          ...minedJson(mined),
        },
        () => text,
      )
      return 0
    }),
})

interface Wanted {
  readonly seats: number | undefined
  readonly leave: boolean
  readonly withdraw: boolean
  readonly bond: string | undefined
}

async function unstakeCall(
  chain: Chain,
  node: NodeState,
  hotKey: Address,
  wanted: Wanted,
): Promise<ChainCall> {
  const library = await import('../chain/index.js')
  const { nodeId } = node
  if (wanted.leave) return library.deregisterNodeCall(chain, { nodeId })
  if (wanted.withdraw) return library.withdrawStakeCall(chain, { nodeId })
  if (wanted.bond !== undefined)
    return library.withdrawDepositCall(chain, { prover: hotKey, amountWei: library.parseAmount(wanted.bond) })
  const seats = node.seats - (wanted.seats ?? 0)
  if (seats < 0) throw badArgument(`the node has ${node.seats} seats`, 'give up fewer')
  return library.updateNodeCall(chain, { nodeId, endpoint: await registeredEndpoint(chain, hotKey), seats })
}

export function unbondingText(
  { unbondingWei, unbondedAt }: NodeState,
  formatEther: (wei: bigint) => string,
): string {
  if (unbondingWei === 0n) return 'none'
  return `${formatEther(unbondingWei)}, to be withdrawn from ${new Date(unbondedAt * 1000).toISOString()}`
}
