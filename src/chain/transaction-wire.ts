/** One transaction between an account and its chain: signed, sent, asked after. No state of its own. */
import {
  type Hex,
  keccak256,
  type LocalAccount,
  type PublicClient,
  type TransactionReceipt,
  type TransactionSerializable,
} from 'viem'
import { UserError } from '../errors.js'
import type { Fees } from './fees.js'
import { explainChainError, rpcMessage } from './reverts.js'
import type { Attempt, TransactionRecord } from './transaction-record.js'

/** What a node said to a transaction. `unsure`: nobody knows whether it has it. */
export type Sending = 'taken' | 'unsure' | { readonly text: string; readonly error: unknown }

export interface Wire {
  readonly client: PublicClient
  readonly account: LocalAccount
  readonly chainId: number
}

type Unsigned = Pick<TransactionRecord, 'to' | 'data' | 'value' | 'gas' | 'nonce'>

export async function signAttempt(
  { account, chainId }: Wire,
  { to, data, value, gas, nonce }: Unsigned,
  { maxFeePerGas, maxPriorityFeePerGas }: Fees,
): Promise<Attempt> {
  const common = { chainId, to, data, value, gas, nonce }
  const transaction: TransactionSerializable =
    maxPriorityFeePerGas === undefined
      ? { ...common, type: 'legacy', gasPrice: maxFeePerGas }
      : { ...common, type: 'eip1559', maxFeePerGas, maxPriorityFeePerGas }
  const raw = await account.signTransaction(transaction)
  return { hash: keccak256(raw), raw, maxFeePerGas, maxPriorityFeePerGas }
}

/** Sends the newest attempt. */
export async function broadcast(wire: Wire, record: TransactionRecord): Promise<Sending> {
  try {
    await wire.client.request({ method: 'eth_sendRawTransaction', params: [newestAttempt(record).raw] })
    return 'taken'
  } catch (error) {
    const text = rpcMessage(error)
    if (/already known|already imported|already exists|known transaction/i.test(text)) return 'taken'
    const reason = explainChainError(error, record.what)
    // Nobody knows whether it arrived: it stays, and is sent again.
    if (reason instanceof UserError && reason.code === 'UNREACHABLE') return 'unsure'
    // It went in before, and the answer was lost.
    if ((await receiptOf(wire, record)) !== undefined) return 'taken'
    return { text, error }
  }
}

export function newestAttempt({ attempts }: TransactionRecord): Attempt {
  const newest = attempts.at(-1)
  if (newest === undefined) throw new Error('a transaction without attempts')
  return newest
}

/** The receipt of whichever attempt was mined, the newest first. */
export async function receiptOf(
  { client }: Wire,
  { attempts, minedHash }: TransactionRecord,
): Promise<TransactionReceipt | undefined> {
  const hashes: Hex[] = attempts.map(({ hash }) => hash).reverse()
  for (const hash of minedHash === undefined
    ? hashes
    : [minedHash, ...hashes.filter((each) => each !== minedHash)]) {
    const receipt = await client.getTransactionReceipt({ hash }).catch((error: { name?: string }) => {
      if (error.name === 'TransactionReceiptNotFoundError') return undefined
      throw error
    })
    if (receipt !== undefined) return receipt
  }
  return undefined
}

/** Why a mined transaction failed: the same call once more, on the state it met. */
export async function failureOf(
  { client, account }: Wire,
  { to, data, value, what }: TransactionRecord,
  { blockNumber, transactionHash: hash }: TransactionReceipt,
): Promise<unknown> {
  try {
    await client.call({ account: account.address, to, data, value, blockNumber })
  } catch (error) {
    const reason = explainChainError(error, what)
    if (reason instanceof UserError && reason.code !== 'UNAVAILABLE') return reason
  }
  return new UserError(`${what}: the transaction ${hash} failed on the chain`, {
    code: 'DENIED',
    remedy: 'the state changed before it was mined: try again',
    details: { hash },
  })
}
