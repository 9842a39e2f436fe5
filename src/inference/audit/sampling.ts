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
  const drawn = new DataView(sha256(concatBytes(TAG, randomness, digest)).buffer).getBigUint64(0)
  return drawn * PERMILLE < BigInt(permille) << DRAW_BITS
}

/** Whether the place of a receipt is drawn: for one that is not produced, whose digest nobody knows. */
export function isPlaceSampled(
  randomness: Uint8Array,
  channelId: Uint8Array,
  index: number,
  permille = SAMPLED_PERMILLE,
): boolean {
  const place = new Uint8Array(8)
  new DataView(place.buffer).setBigUint64(0, BigInt(index))
  return isSampled(randomness, sha256(concatBytes(channelId, place)), permille)
}

/**
 * Within so many jobs a provider that cheats in a share of them is caught, with the given certainty: each cheated job is
 * drawn by itself with the sampled share.
 */
export function jobsUntilCaught(cheatedShare: number, certainty = 0.95, permille = SAMPLED_PERMILLE): number {
  return Math.ceil(Math.log(1 - certainty) / Math.log(1 - (cheatedShare * permille) / Number(PERMILLE)))
}
