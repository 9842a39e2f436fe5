/** Numbers of docs/protocol.md in one place, with their reasons. */

export const PROTOCOL_VERSION = 1

/** Offered traffic over claim, as an exact fraction: 20 % spare keeps the bottleneck busy through losses and start skew. */
export const RHO_NUMERATOR = 6
export const RHO_DENOMINATOR = 5
export const RHO = RHO_NUMERATOR / RHO_DENOMINATOR

/** Keystream bytes of a data packet: a multiple of the AES block, so that packets start on block boundaries. */
export const KEYSTREAM_BYTES = 1376
/** Header of every datagram. */
export const HEADER_BYTES = 32
/** Layer-3 bytes a data packet counts: 1376 + 32 + UDP 8 + IPv4 20. Fits PPPoE (1492) and most tunnels. */
export const PACKET_BYTES = KEYSTREAM_BYTES + HEADER_BYTES + 28
export const PACKET_BITS = PACKET_BYTES * 8

/** Acks shorter than this share of tau do not count (the lemma's burst term is b / (0.8 tau)). */
export const MIN_TAU_SHARE = 0.8
export const FIRST_ACK_TAU_SHARE = 0.75
export const MIN_ACK_STEP_MICROS = 2000
export const ACK_STEPS_PER_TAU = 40
export const MAX_ACKS = 256

/** Trains shorter than this drown in scheduling noise; longer ones cost data for nothing. */
export const MIN_TAU_MICROS = 200_000
export const MAX_TAU_MICROS = 1_000_000
/** Quick: 90 ms at 250 Mbit/s are 3.4 MB, which leaves 0.8 of the 4.2 MB it may cost to control and link layer. */
export const QUICK_TAU_MICROS = 90_000
/** The published train (arXiv:2210.11546 section 5). */
export const PUBLISHED_TAU_MICROS = 100_000
/** tau = 11.5 R makes the honest guarantee about 0.92 at any round-trip time R. */
export const TAU_PER_ROUND_TRIP = 11.5
/** Round-trip time that is credited in the estimate whatever the slot's length; never in the guarantee. */
export const RTT_CAP_MICROS = 30_000

/** A later packet than this marks the slot dirty: senders that stall read as a slow link. */
export const DIRTY_MIN_MICROS = 3000
export const DIRTY_TAU_PERCENT = 3
export const MAX_ATTEMPTS = 3

/** Standard stops once the guarantee has reached this share of the claim. */
export const ENOUGH_CLAIM_SHARE = 0.85

export const MILLION = 1_000_000
export const MAX_COMMITTEE = 64
export const MAX_CLAIM_KBPS = 100_000_000
/** Subsets enumerated exactly; above it the sound per-ack bound is used. */
export const MAX_SUBSETS = 100_000

/** The named round must lie this far after the acceptance, so that nobody knows its value then. */
export const BEACON_MARGIN_SECONDS = 1
/** A member refuses older rounds: nobody waits for a draw to like. */
export const MAX_ROUND_AGE_SECONDS = 20

export const MAX_EVIDENCE_BYTES = 16 * 1024 * 1024

/** Packets one member sends in a slot. */
export function packetCountOf(memberRateKbps: number, tauMicros: number): number {
  return Math.ceil((memberRateKbps * tauMicros) / (PACKET_BITS * 1000))
}

/** Rate of all members together: ceil(rho claim). */
export function offeredKbps(claimKbps: number): number {
  return Math.ceil((claimKbps * RHO_NUMERATOR) / RHO_DENOMINATOR)
}

/**
 * Most round-trip time credited to a member in the estimate. A slot is made 11.5 times as long as the committee's high
 * round trips, so up to tau / 11.5 are likely; at the shortest slot 30 ms are, and inflate by more than that ever does.
 */
export function creditCapMicros(tauMicros: number): number {
  return Math.max(RTT_CAP_MICROS, tauMicros / TAU_PER_ROUND_TRIP)
}

/** Lateness above which a slot is dirty. */
export function dirtyLimitMicros(tauMicros: number): number {
  return Math.max(DIRTY_MIN_MICROS, (DIRTY_TAU_PERCENT * tauMicros) / 100)
}
