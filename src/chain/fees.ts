/** Gas prices: EIP-1559 where the chain has a base fee, a plain gas price elsewhere; never above the cap. */
import type { PublicClient } from 'viem'
import { UserError } from '../errors.js'
import { formatGwei } from './ether.js'

export interface Fees {
  /** Wei per gas, at most; on a chain without base fee the gas price. */
  readonly maxFeePerGas: bigint
  /** Undefined on a chain without base fee. */
  readonly maxPriorityFeePerGas?: bigint | undefined
}

/** The tip of the main net on a calm day; where an RPC does not suggest one. */
const DEFAULT_TIP = 1_000_000_000n
/** A base fee rises by an eighth a block: doubled it lasts for six full blocks. */
const BASE_FEE_ROOM = 2n
/** Nodes replace a transaction only for at least 10 % (geth) or 12.5 % (others) more of both fees. */
const BUMP_NUMERATOR = 9n
const BUMP_DENOMINATOR = 8n

/**
 * What a transaction should offer now.
 * @throws UserError DENIED where even the next block costs more than the cap
 */
export async function marketFees(client: PublicClient, capWei: bigint | undefined): Promise<Fees> {
  const { baseFeePerGas } = await client.getBlock()
  if (baseFeePerGas === null || baseFeePerGas === undefined) {
    const gasPrice = await client.getGasPrice()
    checkCap(gasPrice, capWei)
    return { maxFeePerGas: gasPrice }
  }
  const tip = await client.request({ method: 'eth_maxPriorityFeePerGas' }).then(
    (answer) => BigInt(answer),
    () => DEFAULT_TIP,
  )
  checkCap(baseFeePerGas + tip, capWei)
  const wanted = baseFeePerGas * BASE_FEE_ROOM + tip
  return {
    maxFeePerGas: capWei === undefined ? wanted : atMost(wanted, capWei),
    maxPriorityFeePerGas: tip,
  }
}

function checkCap(needWei: bigint, capWei: bigint | undefined): void {
  if (capWei === undefined || needWei <= capWei) return
  throw new UserError(
    `gas is too expensive: have a cap of ${formatGwei(capWei)}, need ${formatGwei(needWei)}`,
    {
      code: 'DENIED',
      remedy: 'wait, or raise --max-fee or chain.maxFeePerGasGwei',
      details: { haveWei: capWei.toString(), needWei: needWei.toString() },
    },
  )
}

const atLeast = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const atMost = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const bumped = (fee: bigint): bigint => (fee * BUMP_NUMERATOR + BUMP_DENOMINATOR - 1n) / BUMP_DENOMINATOR

/** Whether a transaction offers less than the next block asks for, as far as the market's price tells. */
export function isBelowMarket(offered: Fees, market: Fees): boolean {
  const { maxFeePerGas, maxPriorityFeePerGas: tip = 0n } = market
  const nextBlock =
    market.maxPriorityFeePerGas === undefined ? maxFeePerGas : (maxFeePerGas - tip) / BASE_FEE_ROOM + tip
  return offered.maxFeePerGas < nextBlock || (offered.maxPriorityFeePerGas ?? tip) < tip
}

/** Fees that replace a transaction: an eighth more at least, or the market's; undefined above the cap. */
export function replacementFees(
  last: Fees,
  market: Fees | undefined,
  capWei: bigint | undefined,
): Fees | undefined {
  const maxFeePerGas = atLeast(bumped(last.maxFeePerGas), market?.maxFeePerGas ?? 0n)
  if (capWei !== undefined && maxFeePerGas > capWei) {
    // The market's price alone may be what exceeds the cap.
    const least = bumped(last.maxFeePerGas)
    if (market === undefined || least > capWei) return undefined
    return replacementFees(last, undefined, capWei)
  }
  if (last.maxPriorityFeePerGas === undefined) return { maxFeePerGas }
  const tip = atLeast(bumped(last.maxPriorityFeePerGas), market?.maxPriorityFeePerGas ?? 0n)
  return { maxFeePerGas, maxPriorityFeePerGas: atMost(tip, maxFeePerGas) }
}
