/** What one attempt at one slot leaves behind (docs/protocol.md section 7): commitments, capture, testimonies. */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { array, bytes, type Infer, integer, object, optional, type Schema } from '../crypto/cbor-schema.js'
import { ackRoot } from './ack-tree.js'
import { MAX_ACKS, MAX_ATTEMPTS, MAX_COMMITTEE } from './constants.js'
import { hash, signature } from './request.js'
import { ACK_LIST, type ChallengeDigests, COMMITMENT, ECHO_TESTIMONY, TESTIMONY } from './structures.js'

/** 100 Gbit/s for a second, in packets. */
const MAX_PACKETS = 12_000_000
const UINT32_MAX = 0xffff_ffff
const MAX_ORDER_BYTES = 4 * 1024 * 1024

/** null in place of what a party did not deliver. */
export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return { read: (value, path) => (value === null ? null : schema.read(value, path)) }
}

export const slotNumber = integer({ min: 0, max: MAX_COMMITTEE - 1 })
export const attemptNumber = integer({ min: 0, max: MAX_ATTEMPTS - 1 })

export const commitmentSchema = object({
  seedHash: hash,
  rateKbps: integer({ min: 1, max: 120_000_000 }),
  packetCount: integer({ min: 1, max: MAX_PACKETS }),
  signature,
})
export type Commitment = Infer<typeof commitmentSchema>

export const captureSchema = object({
  orders: array(bytes({ max: MAX_ORDER_BYTES }), { min: 1, max: MAX_COMMITTEE }),
  counts: array(array(integer({ max: MAX_PACKETS }), { min: 1, max: MAX_COMMITTEE }), { max: MAX_ACKS }),
  digests: array(array(hash, { min: 1, max: MAX_COMMITTEE }), { max: MAX_ACKS }),
  signature,
})
export type Capture = Infer<typeof captureSchema>

export const testimonySchema = object({
  seed: hash,
  ackListHash: hash,
  ownMicros: array(integer({ max: UINT32_MAX }), { max: MAX_ACKS }),
  rttMicros: integer({ max: UINT32_MAX }),
  latenessMicros: integer({ max: UINT32_MAX }),
  sentPackets: integer({ max: UINT32_MAX }),
  /** Of an uplink only: packets back at each own time. */
  echoCounts: optional(array(integer({ max: MAX_PACKETS }), { max: MAX_ACKS })),
  signature,
})
export type Testimony = Infer<typeof testimonySchema>

export const slotRecordSchema = object({
  slot: slotNumber,
  attempt: attemptNumber,
  commitments: array(nullable(commitmentSchema), { min: 1, max: MAX_COMMITTEE }),
  capture: nullable(captureSchema),
  testimonies: array(nullable(testimonySchema), { min: 1, max: MAX_COMMITTEE }),
})
export type SlotRecord = Infer<typeof slotRecordSchema>

/** In place of the hash of acks, where there are none: an uplink. */
export const NO_ACK_LIST: Uint8Array = new Uint8Array(32)

/** Whether an attempt brought anything: a capture, or the echoes of an uplink. */
export function brought({ capture, testimonies }: SlotRecord): boolean {
  return capture !== null || testimonies.some((testimony) => (testimony?.echoCounts?.length ?? 0) > 0)
}

export interface SlotId {
  readonly slot: number
  readonly attempt: number
}

/**
 * The records that an assessment looks into: of the plan's slots, each attempt once. What comes a second time is a fault
 * of the sequence, and no reason to check and recompute it: evidence has room for far more records than a plan has.
 */
export function attemptsToAssess<R extends SlotId>(records: readonly R[], teams: number): R[] {
  const seen = new Set<number>()
  return records.filter(({ slot, attempt }) => {
    const place = slot * MAX_ATTEMPTS + attempt
    if (slot >= teams || seen.has(place)) return false
    seen.add(place)
    return true
  })
}

/** The commitment's hash: member and slot inside it, so that a copied one opens to nothing. */
export function seedHashOf(
  seed: Uint8Array,
  challengeId: Uint8Array,
  memberAddress: Uint8Array,
  { slot, attempt }: SlotId,
): Uint8Array {
  const place = Uint8Array.of(slot >> 8, slot & 255, attempt)
  return keccak_256(concatBytes(utf8ToBytes('plumbline/1/seed'), seed, challengeId, memberAddress, place))
}

export function commitmentDigest(
  digests: ChallengeDigests,
  id: SlotId,
  { seedHash, rateKbps, packetCount }: Omit<Commitment, 'signature'>,
): Uint8Array {
  return digests.digest(COMMITMENT, { slot: id.slot, attempt: id.attempt, seedHash, rateKbps, packetCount })
}

/** What is wrong with a capture's shape for a team of `members`, or undefined. */
export function captureFault({ orders, counts, digests }: Capture, members: number): string | undefined {
  const shaped =
    orders.length === members &&
    counts.length === digests.length &&
    counts.every((ack) => ack.length === members) &&
    digests.every((ack) => ack.length === members)
  return shaped ? undefined : 'the capture has not one entry for each member and ack'
}

/** The roots of a capture's acks, from its counts and digests. @throws RangeError where {@link captureFault} finds one. */
export function capturedRoots({ counts, digests }: Pick<Capture, 'counts' | 'digests'>): Uint8Array[] {
  return counts.map((ack, k) => ackRoot(ack, digests[k] ?? []))
}

export function ackListDigest(
  digests: ChallengeDigests,
  id: SlotId,
  roots: readonly Uint8Array[],
): Uint8Array {
  return digests.digest(ACK_LIST, { slot: id.slot, attempt: id.attempt, roots })
}

export function testimonyDigest(
  digests: ChallengeDigests,
  id: SlotId,
  testimony: Omit<Testimony, 'signature'>,
): Uint8Array {
  const { seed, ackListHash, ownMicros, rttMicros, latenessMicros, sentPackets, echoCounts } = testimony
  if (echoCounts !== undefined)
    return digests.digest(ECHO_TESTIMONY, {
      slot: id.slot,
      attempt: id.attempt,
      seed,
      echoCounts,
      ownMicros,
      rttMicros,
      latenessMicros,
      sentPackets,
    })
  return digests.digest(TESTIMONY, {
    slot: id.slot,
    attempt: id.attempt,
    seed,
    ackListHash,
    ownMicros,
    rttMicros,
    latenessMicros,
    sentPackets,
  })
}
