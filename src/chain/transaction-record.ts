/** What the transaction queue keeps of each transaction, and how it lies in the store. */
import type { Hex } from 'viem'
import { z } from 'zod'
import type { Address } from '../crypto/address.js'

const hexText = z
  .string()
  .regex(/^0x[0-9a-f]*$/i)
  .transform((text) => text as Hex)
const addressText = z
  .string()
  .regex(/^0x[0-9a-f]{40}$/i)
  .transform((text) => text as Address)
const wei = z
  .string()
  .regex(/^\d{1,40}$/)
  .transform((text) => BigInt(text))

const attemptSchema = z.object({
  hash: hexText,
  /** Signed, so that a restart sends the very same transaction again. */
  raw: hexText,
  maxFeePerGas: wei,
  maxPriorityFeePerGas: wei.optional(),
})

const recordSchema = z.object({
  intent: z.string().min(1).max(200),
  what: z.string().max(200),
  to: addressText.nullable(),
  data: hexText,
  value: wei,
  gas: wei,
  nonce: z.int().min(0),
  attempts: z.array(attemptSchema).min(1).max(64),
  sentAtMs: z.number(),
  /** sent: no receipt yet. mined: not deep enough yet. The others are for good. */
  state: z.enum(['sent', 'mined', 'final', 'reverted']),
  minedHash: hexText.optional(),
})

export type Attempt = z.infer<typeof attemptSchema>
export type TransactionRecord = z.infer<typeof recordSchema>

const NONCE_DIGITS = 12

/** Sorts by nonce. */
export function recordKey(scope: string, account: Address, nonce: number): string {
  return `${recordPrefix(scope, account)}${String(nonce).padStart(NONCE_DIGITS, '0')}`
}

/** @param scope names the chain: see ChainConnection */
export function recordPrefix(scope: string, account: Address): string {
  return `${scope}:${account.toLowerCase()}:`
}

export function encodeRecord(record: TransactionRecord): Uint8Array {
  const text = JSON.stringify(record, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
  return new TextEncoder().encode(text)
}

/** Undefined for what this version did not write. */
export function decodeRecord(bytes: Uint8Array): TransactionRecord | undefined {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes)))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
