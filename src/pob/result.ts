/** Votes and results (docs/protocol.md section 10). */
import { verifySignature } from '../crypto/identity.js'
import { type ChallengeDigests, VOTE } from './structures.js'

/** What n - f members sign. */
export interface ResultValue {
  readonly evidenceHash: Uint8Array
  readonly guaranteedKbps: number
  readonly estimateKbps: number
  /** 32 bytes. */
  readonly owed: Uint8Array
}

export function voteDigest(digests: ChallengeDigests, evidenceHash: Uint8Array): Uint8Array {
  return digests.digest(VOTE, { evidenceHash })
}

export function resultDigest(digests: ChallengeDigests, value: ResultValue): Uint8Array {
  return digests.digest(digests.resultStructure, {
    evidenceHash: value.evidenceHash,
    guaranteedKbps: value.guaranteedKbps,
    estimateKbps: value.estimateKbps,
    owed: bigEndian(value.owed),
  })
}

function bigEndian(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

/**
 * Signatures that a quorum needs: as many as f silent members leave, and always one more than f corrupt ones could
 * give by themselves (which matters where n < 2 f + 1).
 */
export function quorum(committeeSize: number, faulty: number): number {
  return Math.max(committeeSize - faulty, faulty + 1)
}

/** Members (by index) whose signature over `digest` is valid. */
export function signersOf(
  committee: readonly Uint8Array[],
  digest: Uint8Array,
  signatures: readonly (Uint8Array | null)[],
): number[] {
  return committee.flatMap((key, member) => {
    const signed = signatures[member] ?? null
    return signed !== null && verifySignature(key, digest, signed) ? [member] : []
  })
}
