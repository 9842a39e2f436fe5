/**
 * The ranks of a registry (see ../rank-words.ts) by OpenSSL's SHA256_Transform through koffi, which uses the processor's
 * own SHA instructions: 100,000 keys in some 25 ms in place of 70. Elsewhere, and where it gave another answer, the portable one.
 * Source: https://docs.openssl.org/3.0/man3/SHA256_Init/
 */
import { createRequire } from 'node:module'
import { rankWords as portableRankWords, RANK_KEY_BYTES, RANK_SEED_BYTES } from '../rank-words.js'

type RankWords = typeof portableRankWords

const BLOCK_BYTES = 64
/** SHA256_CTX has 112 bytes, the state of eight words first. */
const MESSAGE_AT = 128
const REGION_BYTES = MESSAGE_AT + 2 * BLOCK_BYTES
/** FIPS 180-4, 5.3.3. */
const INITIAL = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
)
/** Fewer are not worth loading a library for. */
const WORTH_KEYS = 1000

/** @throws where koffi or the symbol is missing */
function loadTransform(): RankWords {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const transform = koffi.load(null).func('SHA256_Transform', 'void', ['uintptr_t', 'uintptr_t']) as (
    context: number,
    block: number,
  ) => void
  // Above 64 bytes: a typed array that does not move.
  const bytes = new Uint8Array(REGION_BYTES)
  const context = Number(koffi.address(bytes))
  const [first, second] = [context + MESSAGE_AT, context + MESSAGE_AT + BLOCK_BYTES]
  const state = new Uint32Array(bytes.buffer, 0, INITIAL.length)
  const view = new DataView(bytes.buffer)
  // The message's padding: one bit, zeros, its length in bits.
  bytes[MESSAGE_AT + RANK_SEED_BYTES + RANK_KEY_BYTES] = 0x80
  view.setUint32(REGION_BYTES - 4, (RANK_SEED_BYTES + RANK_KEY_BYTES) * 8)
  return (seed, keys) => {
    bytes.set(seed, MESSAGE_AT)
    const keyView = new DataView(keys.buffer, keys.byteOffset, keys.byteLength)
    const ranks = new Uint32Array(keys.length / RANK_KEY_BYTES)
    const keyAt = MESSAGE_AT + RANK_SEED_BYTES
    for (let n = 0; n < ranks.length; n++) {
      const at = n * RANK_KEY_BYTES
      for (let i = 0; i < RANK_KEY_BYTES - 1; i += 4) view.setUint32(keyAt + i, keyView.getUint32(at + i))
      bytes[keyAt + RANK_KEY_BYTES - 1] = keyView.getUint8(at + RANK_KEY_BYTES - 1)
      state.set(INITIAL)
      transform(context, first)
      transform(context, second)
      ranks[n] = state[0] as number
    }
    return ranks
  }
}

let chosen: RankWords | undefined

/** The native one where its answers for a few keys are the portable one's. */
function choose(): RankWords {
  if (chosen !== undefined) return chosen
  chosen = portableRankWords
  try {
    const native = loadTransform()
    const seed = Uint8Array.from({ length: RANK_SEED_BYTES }, (_, i) => i)
    const keys = Uint8Array.from({ length: 3 * RANK_KEY_BYTES }, (_, i) => (i * 7) & 255)
    if (Buffer.compare(bytesOf(native(seed, keys)), bytesOf(portableRankWords(seed, keys))) === 0)
      chosen = native
  } catch {
    // No OpenSSL to be had: slower, the same answers.
  }
  return chosen
}

const bytesOf = (words: Uint32Array) => new Uint8Array(words.buffer)

/**
 * @param seed 32 bytes
 * @param keys 33 bytes each, one after the other
 * @returns the first four bytes of each SHA-256(seed || key), as a big-endian number
 */
export function rankWords(seed: Uint8Array, keys: Uint8Array): Uint32Array {
  const isWorth = keys.length >= WORTH_KEYS * RANK_KEY_BYTES
  const isWhole = seed.length === RANK_SEED_BYTES && keys.length % RANK_KEY_BYTES === 0
  return (isWorth && isWhole ? choose() : portableRankWords)(seed, keys)
}
