/** `plumbline chain stake`: more seats, or more in the prover's deposit. */

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
import { defineCommand } from './command.js'
import { badArgument, number, text } from './option.js'

export const nodeOptions = {
  node: text({ summary: 'Hot key of the node', placeholder: 'address', defaultText: "this node's" }),
} as const

export const chainStakeCommand = defineCommand({
  path: 'chain stake',
  group: 'chain',
  summary: "Buy further seats, or pay into the prover's deposit",
  description: [
    'Seats are bought by the cold wallet that registered the node, at most 8 a wallet; a seated node changes once in ' +
      "the registry's quarantine time. Anybody may pay into a deposit; it only ever returns to the cold wallet.",
  ],
  options: {
    seats: number({ summary: 'Seats to add', placeholder: 'seats', integer: true, min: 1, max: 8 }),
    bond: text({ summary: "What to add to the prover's deposit, e.g. 0.2 ETH", placeholder: 'amount' }),
    ...nodeOptions,
    ...chainOptions,
    ...walletOptions,
  },
  examples: [
    ['chain stake --seats 2 --wallet cold.json', 'Two seats more'],
    ['chain stake --bond 0.5 --wallet cold.json', 'Fill the deposit from which bonds are taken'],
  ],
  run: (args, io) =>
    withWallet(args, io, async ({ chain, config }) => {
      if ((args.seats === undefined) === (args.bond === undefined))
        throw badArgument('chain stake wants --seats or --bond', 'give one of the two')
      const library = await import('../chain/index.js')
      const { formatEther } = library
      const hotKey = await hotKeyOf(args.node, config)
      const node = await registeredNode(chain, hotKey)
      const signal = { signal: io.signal }
      if (args.bond !== undefined) {
        const deposit = { prover: hotKey, amountWei: library.parseAmount(args.bond) }
        const call = library.depositBondCall(chain, deposit)
        if (args.dryRun) return reportDryRun(chain, call, io, { hotKey })
        await announceCall(chain, call, io)
        const mined = await library.depositBond(chain, deposit, signal)
        const { freeWei } = await library.readProverAccount(chain, hotKey)
        const text = await minedText(
          `The deposit of ${hotKey} grew.`,
          [
            ['added', formatEther(deposit.amountWei)],
            ['free now', formatEther(freeWei)],
          ],
          mined,
        )
        io.output.result(
          {
            hotKey,
            addedWei: deposit.amountWei.toString(),
            freeWei: freeWei.toString(),
            ...minedJson(mined),
          },
          () => text,
        )
        return 0
      }
      const seats = node.seats + (args.seats ?? 0)
      const change = { nodeId: node.nodeId, endpoint: await registeredEndpoint(chain, hotKey), seats }
      const call = await library.updateNodeCall(chain, change)
      if (args.dryRun) return reportDryRun(chain, call, io, { hotKey, seats })
      await announceCall(chain, call, io)
      const mined = await library.updateNode(chain, change, signal)
      const text = await minedText(
        `Node ${node.nodeId} has ${seats} seats.`,
        [['staked', formatEther(mined.stakedWei)]],
        mined,
      )
      const { nodeId } = node
      io.output.result(
        { hotKey, nodeId, seats, stakedWei: mined.stakedWei.toString(), ...minedJson(mined) },
        () => text,
      )
      return 0
    }),
})
