/**
 * Which receipts are audited: a share of them, chosen by a beacon's randomness that nobody knew when they were signed. Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'

const TAG = utf8ToBytes('plumbline/audit-sample/1')
/** One receipt in twenty. */
export const SAMPLED_PERMILLE = 50
const PERMILLE = 1000n
const DRAW_BITS = 64n

/**
 * Whether a receipt is drawn. Each is drawn by itself, so nobody needs all of them to know.
 * @param randomness of a beacon round after the receipt was committed to
 * @param digest of the receipt
 */
export function isSampled(randomness: Uint8Array, digest: Uint8Array, permille = SAMPLED_PERMILLE): boolean {
  return draw(randomness, digest) * PERMILLE < BigInt(permille) << DRAW_BITS
}

/** 64 bits. */
const draw = (randomness: Uint8Array, digest: Uint8Array): bigint =>
  new DataView(sha256(concatBytes(TAG, randomness, digest)).buffer).getBigUint64(0)

/** Whether the place of a receipt is drawn: for one that is not produced, whose digest nobody knows. */
export function isPlaceSampled(
  randomness: Uint8Array,
  channelId: Uint8Array,
  index: number,
  permille = SAMPLED_PERMILLE,
): boolean {
  return isSampled(randomness, placeDigest(channelId, index), permille)
}

/**
 * Of many places those that are drawn lowest: which, nobody could choose, and every auditor that lacks the same names the
 * same.
 * @returns in the order of the places
 */
export function lowestDrawn(
  randomness: Uint8Array,
  channelId: Uint8Array,
  places: readonly number[],
  most: number,
): readonly number[] {
  return places
    .map((index) => ({ index, drawn: draw(randomness, placeDigest(channelId, index)) }))
    .sort((a, b) => (a.drawn < b.drawn ? -1 : a.drawn > b.drawn ? 1 : 0))
    .slice(0, most)
    .map(({ index }) => index)
    .sort((a, b) => a - b)
}

function placeDigest(channelId: Uint8Array, index: number): Uint8Array {
  const place = new Uint8Array(8)
  new DataView(place.buffer).setBigUint64(0, BigInt(index))
  return sha256(concatBytes(channelId, place))
}

/**
 * Within so many jobs a provider that cheats in a share of them is caught, with the given certainty: each cheated job is
 * drawn by itself with the sampled share.
 */
export function jobsUntilCaught(cheatedShare: number, certainty = 0.95, permille = SAMPLED_PERMILLE): number {
  return Math.ceil(Math.log(1 - certainty) / Math.log(1 - (cheatedShare * permille) / Number(PERMILLE)))
}
