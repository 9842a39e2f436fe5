/** `plumbline chain claim`: earned fees to the cold wallet, refunds to the payer's. */

import { hotKeyOf } from './chain-node.js'
import { chainOptions, minedJson, reportDryRun, walletOptions, withWallet } from './chain-options.js'
import { nodeOptions } from './chain-stake.js'
import { defineCommand } from './command.js'
import { labelled, plural } from './format.js'
import { text } from './option.js'

const LABEL_WIDTH = 16

export const chainClaimCommand = defineCommand({
  path: 'chain claim',
  group: 'chain',
  summary: 'Pay earned fees to the cold wallet, and refunds to whom they are due',
  description: [
    "The chain's own events say what a member has earned, so nothing has to be kept for it and claims never expire. " +
      'Fees become due after the dispute window. Whoever runs this pays the gas; the money only goes to the cold ' +
      'wallet that registered the node.',
  ],
  options: {
    refund: text({
      summary: "Also pay this wallet's refunds of challenges to it",
      placeholder: 'address',
    }),
    ...nodeOptions,
    ...chainOptions,
    ...walletOptions,
  },
  examples: [
    ['chain claim', 'Claim what this node has earned'],
    ['chain claim --dry-run', 'See what is due, and what claiming costs'],
  ],
  run: (args, io) =>
    withWallet(args, io, async ({ chain, config }) => {
      const library = await import('../chain/index.js')
      const { formatEther } = library
      const member = await hotKeyOf(args.node, config)
      const earned = await library.findClaims(chain, member, { signal: io.signal })
      const due = earned.filter(({ isDue }) => isDue)
      const sum = (items: typeof earned) => items.reduce((total, { amountWei }) => total + amountWei, 0n)
      const laterWei = sum(earned) - sum(due)
      const refundTo =
        args.refund === undefined
          ? undefined
          : (await import('../crypto/address.js')).parseAddress(args.refund)
      const refundsWei = refundTo === undefined ? 0n : (await library.readCredits(chain, refundTo)).refundsWei
      if (args.dryRun && due.length > 0) {
        const items = due.slice(0, library.CLAIMS_PER_TRANSACTION)
        const facts = {
          member,
          dueWei: sum(due).toString(),
          challenges: due.length,
          laterWei: laterWei.toString(),
        }
        return reportDryRun(chain, library.claimFeesCall(chain, { member, items }), io, facts)
      }
      const signal = { signal: io.signal }
      const claimed =
        due.length === 0 || args.dryRun
          ? undefined
          : await library.claimFees(chain, { member, items: due }, signal)
      const refunded =
        refundTo === undefined || refundsWei === 0n || args.dryRun
          ? undefined
          : await library.withdrawRefund(chain, { account: refundTo }, signal)
      const feeWei = (claimed?.feeWei ?? 0n) + (refunded?.feeWei ?? 0n)
      const result = {
        member,
        paidWei: (claimed?.amountWei ?? 0n).toString(),
        challenges: claimed?.challenges ?? 0,
        laterWei: laterWei.toString(),
        refundWei: (refunded === undefined ? 0n : refundsWei).toString(),
        feeWei: feeWei.toString(),
        transactions: [...(claimed?.transactions ?? []), ...(refunded === undefined ? [] : [refunded])].map(
          minedJson,
        ),
      }
      const row = (label: string, value: string) => labelled(`  ${label}`, value, LABEL_WIDTH)
      io.output.result(result, () =>
        [
          claimed === undefined
            ? `Nothing is due to ${member} on chain ${chain.chainId}.`
            : `${formatEther(claimed.amountWei)} for ${plural(claimed.challenges, 'challenge')} went to the cold wallet of ${member}.`,
          '',
          ...(refunded === undefined ? [] : [row('refunded', `${formatEther(refundsWei)} to ${refundTo}`)]),
          row('due later', formatEther(laterWei)),
          row('gas paid', formatEther(feeWei)),
        ].join('\n'),
      )
      return 0
    }),
})
