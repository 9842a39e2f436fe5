/**
 * The Merkle tree of an ack (docs/protocol.md section 6): one leaf a team member, in team order.
 *
 *     leaf = SHA-256(0x00 || position u16 || count u32 || SHA-256 of the first count arrivals)
 *     node = SHA-256(0x01 || left || right); an odd last node moves up unchanged
 */
import { sha256 } from '../crypto/fast/index.js'
import { writeU32 } from './datagram.js'

export const DIGEST_BYTES = 32
const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01
const MAX_POSITION = 0xffff
const MAX_COUNT = 0xffffffff

/** @throws RangeError for a position past u16, a count past u32 or a digest that has not 32 bytes. */
export function ackLeaf(position: number, count: number, digest: Uint8Array): Uint8Array {
  if (!Number.isInteger(position) || position < 0 || position > MAX_POSITION)
    throw new RangeError(`position ${position}`)
  if (!Number.isInteger(count) || count < 0 || count > MAX_COUNT) throw new RangeError(`count ${count}`)
  if (digest.length !== DIGEST_BYTES) throw new RangeError(`a digest has 32 bytes, not ${digest.length}`)
  const bytes = new Uint8Array(7 + DIGEST_BYTES)
  bytes[0] = LEAF_PREFIX
  bytes[1] = position >>> 8
  bytes[2] = position
  writeU32(bytes, 3, count)
  bytes.set(digest, 7)
  return sha256(bytes)
}

export function ackNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * DIGEST_BYTES)
  bytes[0] = NODE_PREFIX
  bytes.set(left, 1)
  bytes.set(right, 1 + DIGEST_BYTES)
  return sha256(bytes)
}

/** The root over leaves in team order. @throws RangeError for no leaf. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i]
      const right = level[i + 1]
      if (left === undefined) break
      above.push(right === undefined ? left : ackNode(left, right))
    }
    level = above
  }
  const root = level[0]
  if (root === undefined) throw new RangeError('an ack has at least one member')
  return root
}

/** The root of an ack: counts and digests in team order. @throws RangeError where their lengths differ. */
export function ackRoot(counts: readonly number[], digests: readonly Uint8Array[]): Uint8Array {
  if (counts.length !== digests.length) throw new RangeError('as many counts as digests')
  return merkleRoot(
    counts.map((count, position) => ackLeaf(position, count, digests[position] ?? new Uint8Array(0))),
  )
}
