/** Sends an action's call through the queue and says what it cost. */
import { getAddress, type Hex, type TransactionReceipt } from 'viem'
import type { Address } from '../crypto/address.js'
import { UserError } from '../errors.js'
import type { ChainCall } from './call.js'
import type { ChainConnection } from './chain.js'

/** A transaction that is deep enough in the chain. */
export interface Mined {
  readonly hash: Hex
  readonly blockNumber: bigint
  readonly gasUsed: bigint
  /** Gas used at the price paid. */
  readonly feeWei: bigint
}

export interface ActionOptions {
  /** Stops the waiting; what went out stays out. */
  readonly signal?: AbortSignal | undefined
  /** Idempotency key in place of the action's own: the same intent is sent once, also after a restart. */
  readonly intent?: string | undefined
}

export interface MinedWithLogs extends Mined {
  readonly logs: TransactionReceipt['logs']
  readonly contractAddress: Address | undefined
}

export async function sendCall(
  chain: ChainConnection,
  call: ChainCall,
  { signal, intent }: ActionOptions = {},
): Promise<MinedWithLogs> {
  if (chain.queue === undefined)
    throw new UserError(`${call.what} needs a key`, {
      code: 'BAD_KEY',
      remedy: 'open the chain with an account that pays for it',
    })
  const receipt = await chain.queue.submit({ ...call, intent: intent ?? call.intent }, { signal })
  return {
    hash: receipt.transactionHash,
    blockNumber: receipt.blockNumber,
    gasUsed: receipt.gasUsed,
    feeWei: receipt.gasUsed * receipt.effectiveGasPrice,
    logs: receipt.logs,
    contractAddress: receipt.contractAddress ? getAddress(receipt.contractAddress) : undefined,
  }
}

/** Without logs: what an action hands out. */
export function minedOf({ hash, blockNumber, gasUsed, feeWei }: Mined): Mined {
  return { hash, blockNumber, gasUsed, feeWei }
}

/** For an event that a transaction of ours must have left. */
export function mustHave<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new Error(`${what}: the receipt lacks its event`)
  return found
}
