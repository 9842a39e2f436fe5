/**
 * What a pickle may take in memory. Its bytes say little: an empty dict is one byte, and a call can copy a list that
 * was written once. So every value is charged by about what the engine takes for it, nothing is paid back, and a
 * pickle that asks for more than a checkpoint ever needed ends.
 */

import { PickleError, type PickleValue } from './values.js'

/** Some four million small values; the pickle of a model of a billion parameters takes a twentieth. */
const MAX_BYTES = 512 << 20

/** Of a place on the stack or in a list. */
export const SLOT_BYTES = 16
/** Of an entry in a dict, a set or the memo. */
export const ENTRY_BYTES = 48
/** Of an object of ours: a tensor, a storage, a record. */
const OBJECT_BYTES = 200
const LIST_BYTES = 64
const HASH_BYTES = 256
const STRING_BYTES = 40

export class PickleBudget {
  #left = MAX_BYTES

  /** @throws PickleError where it is used up */
  spend(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw new PickleError(`it would take more than ${MAX_BYTES} bytes of memory`)
  }
}

/** Of a value that has just been made, without what it refers to. */
export function bytesOf(value: PickleValue): number {
  if (typeof value === 'string') return STRING_BYTES + 2 * value.length
  if (typeof value !== 'object' && typeof value !== 'bigint') return SLOT_BYTES
  if (value === null) return SLOT_BYTES
  if (Array.isArray(value)) return LIST_BYTES + SLOT_BYTES * value.length
  if (value instanceof Map || value instanceof Set) return HASH_BYTES + ENTRY_BYTES * value.size
  return OBJECT_BYTES + (value instanceof Uint8Array ? value.length : 0)
}
