/** How far a watcher has read, and what of it may still be taken back: how it lies in the store. */
import { z } from 'zod'

const height = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform((text) => BigInt(text))
const logSchema = z.object({
  address: z.string(),
  topics: z.array(z.string()),
  data: z.string(),
  /** Decimal. */
  blockNumber: z.string().regex(/^\d{1,20}$/),
  blockHash: z.string(),
  transactionHash: z.string(),
  logIndex: z.number(),
})
const blockSchema = z.object({ number: height, hash: z.string() })
const cursorSchema = z.object({
  ...blockSchema.shape,
  /** Newest last; with the blocks' hashes. */
  blocks: z.array(blockSchema),
  logs: z.array(logSchema),
})

export type StoredLog = z.infer<typeof logSchema>
export interface Block {
  readonly number: bigint
  readonly hash: string
}
export interface Cursor extends Block {
  /** Blocks that were the last of a batch or had events. */
  readonly blocks: readonly Block[]
  readonly logs: readonly StoredLog[]
}

export function encodeCursor(cursor: Cursor): Uint8Array {
  const text = JSON.stringify(cursor, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
  return new TextEncoder().encode(text)
}

/** Undefined for what is damaged. */
export function decodeCursor(bytes: Uint8Array): Cursor | undefined {
  try {
    const parsed = cursorSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes)))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
