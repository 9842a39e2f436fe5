/** What a challenge costs its payer, before anything is signed. */
import type { Chain } from '../chain.js'
import { marketFees } from '../fees.js'
import { bondFor } from '../terms.js'

/**
 * Gas of a challenge's steps, measured: a base and a part for each member, from committees of 3 and of 10 (docs/contracts.md,
 * "Gas"). Draws that pass many seats over cost more, so a fifth is added.
 */
const GAS = {
  open: { base: 186_600n, perMember: 0n },
  submitRound: { base: 201_000n, perMember: 0n },
  fixCommittee: { base: 56_300n, perMember: 13_070n },
  settle: { base: 86_000n, perMember: 5_080n },
  close: { base: 68_000n, perMember: 0n },
} as const
const ROOM_NUMERATOR = 6n
const ROOM_DENOMINATOR = 5n

export interface ChallengeQuote {
  /** n times the fee of one member: what goes into escrow. */
  readonly feeWei: bigint
  readonly slotFeeWei: bigint
  /** Of the prover, returned unless a fault is proven. */
  readonly proverBondWei: bigint
  /** All steps, if the payer takes them alone. */
  readonly gas: bigint
  readonly gasPriceWei: bigint
  readonly gasFeeWei: bigint
  /** Fee and gas. */
  readonly totalWei: bigint
}

export async function quoteChallenge(
  chain: Chain,
  { committeeSize, slotFeeWei }: { readonly committeeSize: number; readonly slotFeeWei?: bigint },
): Promise<ChallengeQuote> {
  const slotFee = slotFeeWei ?? chain.terms.minSlotFeeWei
  const { maxFeePerGas } = await marketFees(chain.client, undefined)
  const gas =
    (Object.values(GAS).reduce(
      (sum, { base, perMember }) => sum + base + perMember * BigInt(committeeSize),
      0n,
    ) *
      ROOM_NUMERATOR) /
    ROOM_DENOMINATOR
  const feeWei = BigInt(committeeSize) * slotFee
  const gasFeeWei = gas * maxFeePerGas
  return {
    feeWei,
    slotFeeWei: slotFee,
    proverBondWei: bondFor(chain.terms, committeeSize),
    gas,
    gasPriceWei: maxFeePerGas,
    gasFeeWei,
    totalWei: feeWei + gasFeeWei,
  }
}
