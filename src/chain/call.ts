/** One call of a contract: built by an action, shown by `--dry-run`, sent by the transaction queue. */
import { randomInt } from 'node:crypto'
import {
  type Abi,
  type ContractFunctionArgs,
  type ContractFunctionName,
  type EncodeFunctionDataParameters,
  encodeFunctionData,
  type Hex,
  type PublicClient,
} from 'viem'
import type { Address } from '../crypto/address.js'
import { UserError } from '../errors.js'
import { lackOfMoney } from './ether.js'
import { type Fees, marketFees } from './fees.js'
import { explainChainError, rpcMessage } from './reverts.js'

export interface ChainCall {
  /** Null makes a contract. */
  readonly to: Address | null
  readonly data: Hex
  readonly valueWei: bigint
  /** For messages and logs: `opening the challenge`. */
  readonly what: string
  /** The same intent is sent once, whatever happens; undefined: every submission is one of its own. */
  readonly intent?: string | undefined
}

/** Builds a call with the arguments that the ABI wants. */
export function contractCall<
  const abi extends Abi,
  name extends ContractFunctionName<abi, 'nonpayable' | 'payable'>,
>(parameters: {
  readonly to: Address
  readonly abi: abi
  readonly functionName: name
  readonly args: ContractFunctionArgs<abi, 'nonpayable' | 'payable', name>
  readonly valueWei?: bigint
  readonly what: string
  readonly intent?: string | undefined
}): ChainCall {
  const { to, abi, functionName, args, valueWei = 0n, what, intent } = parameters
  const data = encodeFunctionData({ abi, functionName, args } as unknown as EncodeFunctionDataParameters)
  return { to, data, valueWei, what, intent }
}

export interface CallPreview {
  /** With headroom: what the transaction will be allowed to use. */
  readonly gasLimit: bigint
  readonly fees: Fees
  readonly valueWei: bigint
  /** gasLimit x the highest price: what must be there, not what it will cost. */
  readonly maxFeeWei: bigint
  /** Value and gas together. */
  readonly needWei: bigint
  readonly haveWei: bigint
}

/** State may change between estimate and inclusion: a quarter more, and some for small calls. */
const GAS_HEADROOM_NUMERATOR = 5n
const GAS_HEADROOM_DENOMINATOR = 4n
const GAS_EXTRA = 10_000n
/** Limits are spread over so many values, all of them above the estimate. */
const GAS_SPREAD = 8192
/** EIP-7825: the most gas of one transaction since osaka. */
const MOST_GAS = 16_777_216n
/** Where the sender is too poor for an estimate: an ordinary call of ours. */
const ORDINARY_GAS = 300_000n
/** Enough for any value, where an estimate pretends that the sender is rich. */
const RICH = 2n ** 120n

/**
 * Simulates a call: what it needs, and what there is.
 * @throws UserError with the contract's reason where it would revert; DENIED with have and need where money or the fee
 *   cap does not suffice
 */
export async function previewCall(
  client: PublicClient,
  from: Address,
  call: ChainCall,
  capWei?: bigint,
): Promise<CallPreview> {
  const { valueWei, what } = call
  try {
    const [fees, haveWei] = await Promise.all([
      marketFees(client, capWei),
      client.getBalance({ address: from }),
    ])
    const gas = await estimate(client, from, call, haveWei)
    const headroom = (gas * GAS_HEADROOM_NUMERATOR) / GAS_HEADROOM_DENOMINATOR + GAS_EXTRA
    const gasLimit = headroom > MOST_GAS && gas <= MOST_GAS ? MOST_GAS : headroom
    const maxFeeWei = gasLimit * fees.maxFeePerGas
    const needWei = valueWei + maxFeeWei
    if (haveWei < needWei)
      throw lackOfMoney(
        `${what}: not enough money at ${from} for value and gas`,
        haveWei,
        needWei,
        `send ether to ${from}`,
      )
    return { gasLimit, fees, valueWei, maxFeeWei, needWei, haveWei }
  } catch (error) {
    throw explainChainError(error, what)
  }
}

/**
 * A limit of its own for each transaction. Two programs with one key that pay the same for the same at one nonce would
 * otherwise sign the same bytes, and each would take the other's receipt for its own: one payment for two.
 */
export function ownGasLimit(gasLimit: bigint): bigint {
  return gasLimit >= MOST_GAS ? gasLimit : gasLimit - BigInt(randomInt(GAS_SPREAD))
}

async function estimate(
  client: PublicClient,
  from: Address,
  { to, data, valueWei }: ChainCall,
  haveWei: bigint,
): Promise<bigint> {
  const request = { account: from, to, data, value: valueWei }
  if (haveWei > valueWei) return client.estimateGas(request)
  // Too poor to try: pretend otherwise, so that the need is told in full and a revert comes first.
  try {
    return await client.estimateGas({ ...request, stateOverride: [{ address: from, balance: RICH }] })
  } catch (error) {
    const reason = explainChainError(error, '')
    if (reason instanceof UserError && reason.code !== 'UNAVAILABLE') throw error
    if (/insufficient|balance|override|param/i.test(rpcMessage(error))) return ORDINARY_GAS
    throw error
  }
}
