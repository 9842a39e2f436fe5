/** The typed records that the store keeps. Bodies are opaque here: the roles know their shape. */
import {
  array,
  bytes,
  enumeration,
  type Infer,
  integer,
  object,
  optional,
  text,
} from '../crypto/cbor-schema.js'

/** Milliseconds of Unix time up to the year 10000. */
const timeMs = integer({ max: 253_402_300_799_999 })

export const peerRecord = object({
  peerId: text({ min: 1, max: 80 }),
  addresses: array(text({ max: 300 }), { max: 16 }),
  roles: array(text({ max: 32 }), { max: 8 }),
  lastSeenMs: timeMs,
  /** As p2p/scores.ts counts: 0 is neutral, negative is bad. */
  score: integer({ min: -1_000_000, max: 1_000_000 }),
  bannedUntilMs: optional(timeMs),
})
export type PeerRecord = Infer<typeof peerRecord>

/** What a role needs to take up or to abandon a challenge after a restart. */
export const challengeRecord = object({
  id: text({ min: 1, max: 128 }),
  role: enumeration('prover', 'challenger', 'coordinator', 'payer'),
  /** The role's own name for where it stands, e.g. `slot` or `signed`. */
  phase: text({ min: 1, max: 32 }),
  createdAtMs: timeMs,
  updatedAtMs: timeMs,
  /** Deterministic CBOR of the role's own state. */
  body: bytes({ max: 1_048_576 }),
})
export type ChallengeRecord = Infer<typeof challengeRecord>
