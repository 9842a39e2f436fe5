/**
 * A registry in the order of a draw: SHA-256(seed || public key), ascending. Only the entries that are asked for are sorted: a
 * committee wants the first few dozen of perhaps 100,000.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'
import { rankWords } from '../crypto/fast/rank-words.js'
import { RANK_KEY_BYTES } from '../crypto/rank-words.js'
import type { RegistryEntry } from './registry.js'

const WORD_RANGE = 2 ** 32
/** Entries of the first part that is sorted; each further part has twice as many. */
const FIRST_PART = 256

/** All keys of a registry in one array, kept as long as the registry is. */
const packed = new WeakMap<readonly Pick<RegistryEntry, 'publicKey'>[], Uint8Array>()

function keysOf(entries: readonly Pick<RegistryEntry, 'publicKey'>[]): Uint8Array {
  const known = packed.get(entries)
  if (known !== undefined) return known
  const keys = new Uint8Array(entries.length * RANK_KEY_BYTES)
  entries.forEach(({ publicKey }, i) => {
    keys.set(publicKey, i * RANK_KEY_BYTES)
  })
  packed.set(entries, keys)
  return keys
}

/** Where a key stands in a registry; -1 where it does not. */
export function indexOfKey(
  entries: readonly Pick<RegistryEntry, 'publicKey'>[],
  publicKey: Uint8Array,
): number {
  const keys = Buffer.from(keysOf(entries).buffer)
  for (let at = keys.indexOf(publicKey); at >= 0; at = keys.indexOf(publicKey, at + 1))
    // What straddles two keys is neither.
    if (at % RANK_KEY_BYTES === 0) return at / RANK_KEY_BYTES
  return -1
}

/** The entries in the draw's order, one by one. */
export function* inDrawOrder(
  entries: readonly RegistryEntry[],
  seed: Uint8Array,
): Generator<RegistryEntry, void, undefined> {
  const words = rankWords(seed, keysOf(entries))
  let low = 0
  for (let size = FIRST_PART; low < WORD_RANGE; size *= 2) {
    const high = Math.min(WORD_RANGE, low + Math.ceil((size / Math.max(1, words.length)) * WORD_RANGE))
    const part: { readonly word: number; readonly entry: RegistryEntry }[] = []
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number
      const entry = word >= low && word < high ? entries[i] : undefined
      if (entry !== undefined) part.push({ word, entry })
    }
    part.sort((a, b) => a.word - b.word || compareRanks(seed, a.entry, b.entry))
    for (const { entry } of part) yield entry
    low = high
  }
}

/** Where the first 32 bits are the same, all of them decide. */
function compareRanks(seed: Uint8Array, a: RegistryEntry, b: RegistryEntry): number {
  const rank = ({ publicKey }: RegistryEntry) => sha256(concatBytes(seed, publicKey))
  return Buffer.compare(rank(a), rank(b))
}
