/** The batch of hashes that orders a draw is SHA-256, whatever the seed and the keys. */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rankWords as fastRankWords } from '../../../src/crypto/fast/rank-words.js'
import { RANK_KEY_BYTES, rankWords } from '../../../src/crypto/rank-words.js'
import { inDrawOrder, indexOfKey } from '../../../src/pob/draw-order.js'
import type { RegistryEntry } from '../../../src/pob/registry.js'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const firstWord = (hash: Uint8Array) => new DataView(hash.buffer).getUint32(hash.byteOffset)

describe('rankWords', () => {
  it('are the first 32 bits of SHA-256(seed || key)', () => {
    fc.assert(
      fc.property(bytes(32), fc.array(bytes(RANK_KEY_BYTES), { maxLength: 5 }), (seed, keys) => {
        const expected = keys.map((key) => firstWord(sha256(concatBytes(seed, key))))
        expect([...rankWords(seed, concatBytes(...keys))]).toEqual(expected)
      }),
    )
    const edges = [0, 0x7f, 0x80, 0xff].map((byte) => new Uint8Array(RANK_KEY_BYTES).fill(byte))
    for (const seed of [new Uint8Array(32), new Uint8Array(32).fill(0xff)])
      expect([...rankWords(seed, concatBytes(...edges))]).toEqual(
        edges.map((key) => firstWord(sha256(concatBytes(seed, key)))),
      )
  })

  it('are the same by the fast way, which a large registry takes', () => {
    const keys = Uint8Array.from({ length: 1500 * RANK_KEY_BYTES }, (_, i) => (i * i * 31 + (i >> 5)) & 255)
    for (const byte of [0, 9, 255]) {
      const seed = new Uint8Array(32).fill(byte)
      expect(fastRankWords(seed, keys)).toEqual(rankWords(seed, keys))
    }
    expect(() => fastRankWords(new Uint8Array(31), keys)).toThrow(RangeError)
    expect(() => fastRankWords(new Uint8Array(32), keys.subarray(1))).toThrow(RangeError)
  })

  it('take whole keys and whole seeds only', () => {
    expect(() => rankWords(new Uint8Array(31), new Uint8Array(33))).toThrow(RangeError)
    expect(() => rankWords(new Uint8Array(32), new Uint8Array(34))).toThrow(RangeError)
  })
})

describe('a draw order', () => {
  const seed = new Uint8Array(32).fill(7)
  const entries = Array.from({ length: 3000 }, (_, i) => {
    const publicKey = new Uint8Array(RANK_KEY_BYTES)
    new DataView(publicKey.buffer).setUint32(5, i * 2_654_435_761)
    return { publicKey } as unknown as RegistryEntry
  })

  it('is that of the whole hashes, to the last entry', () => {
    const rank = ({ publicKey }: RegistryEntry) => sha256(concatBytes(seed, publicKey))
    const expected = entries.map((entry) => ({ entry, rank: rank(entry) }))
    expected.sort((a, b) => Buffer.compare(a.rank, b.rank))
    expect([...inDrawOrder(entries, seed)]).toEqual(expected.map(({ entry }) => entry))
    expect([...inDrawOrder([], seed)]).toEqual([])
  })

  it('finds a key where it stands, and none that two others spell together', () => {
    entries.slice(0, 50).forEach(({ publicKey }, i) => {
      expect(indexOfKey(entries, publicKey)).toBe(i)
    })
    const straddling = concatBytes(...entries.slice(5, 7).map(({ publicKey }) => publicKey)).slice(7, 40)
    expect(indexOfKey(entries, straddling)).toBe(-1)
  })
})
