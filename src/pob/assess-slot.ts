/**
 * One slot's attempt from its signed record (docs/protocol.md sections 6 to 8): every signature checked, every digest
 * recomputed from the revealed seeds. What fits the acks counts as traffic; what does not is worth nothing.
 */
import { verifySignature } from '../crypto/identity.js'
import { arrivalDigests } from '../crypto/keystream.js'
import { UserError } from '../errors.js'
import type { TeamMeasurement } from './aggregate/team-value.js'
import { decodeOrder, orderLength, type Run } from './arrival-order.js'
import { checkCommitment, isOpened } from './assess-commitment.js'
import { teamMembers } from './committee.js'
import { dirtyLimitMicros, MAX_ATTEMPTS, PACKET_BITS, packetCountOf } from './constants.js'
import type { Evidence } from './evidence.js'
import type { FaultList } from './fault.js'
import { sameBytes } from './party.js'
import { Profile } from './request.js'
import {
  ackListDigest,
  brought,
  type Capture,
  capturedRoots,
  captureFault,
  type SlotRecord,
  type Testimony,
  testimonyDigest,
} from './slot.js'
import type { ChallengeDigests } from './structures.js'

/** One member in one slot's counted attempt. */
export interface MemberOutcome {
  /** Index in the committee. */
  readonly member: number
  readonly committed: boolean
  readonly testified: boolean
  /** The revealed seed is the one committed to. */
  readonly opened: boolean
  /** It is, and its keystream gives the digests. */
  readonly proven: boolean
  readonly equivocal: boolean
  readonly sentPackets: number
  readonly receivedPackets: number
  readonly rttMicros: number | undefined
  readonly latenessMicros: number | undefined
}

export interface SlotOutcome {
  readonly slot: number
  readonly attempt: number
  /** True where a member was late in this attempt. */
  readonly dirty: boolean
  readonly failed: boolean
  readonly team: TeamMeasurement
  readonly members: readonly MemberOutcome[]
}

/** How messages name an attempt. */
export const placeOf = (record: { readonly slot: number; readonly attempt: number }): string =>
  `slot ${record.slot}, attempt ${record.attempt}`

/** A slot may be repeated when it has no capture or one of its senders was late. */
export function isDirty(record: SlotRecord, tauMicros: number): boolean {
  if (!brought(record)) return true
  const limit = dirtyLimitMicros(tauMicros)
  return record.testimonies.some((testimony) => (testimony?.latenessMicros ?? 0) > limit)
}

/** Attempts that a profile gives one slot at most. */
export function mostAttempts(profile: number): number {
  return profile === Profile.strict ? 1 : MAX_ATTEMPTS
}

/** Whether a profile runs a slot again after such an attempt. Quick is to stay cheap: only what brought nothing. */
export function mayRepeat(profile: number, record: SlotRecord, tauMicros: number): boolean {
  if (profile === Profile.strict) return false
  return profile === Profile.quick ? !brought(record) : isDirty(record, tauMicros)
}

function checkCapture(capture: Capture, members: number, out: FaultList, where: string): boolean {
  const fault = captureFault(capture, members)
  if (fault !== undefined) {
    out.add('capture_shape', `${where}: ${fault}`)
    return false
  }
  const falls = capture.counts.some((counts, k) =>
    counts.some((count, i) => k > 0 && count < (capture.counts[k - 1]?.[i] ?? 0)),
  )
  if (falls) out.add('capture_counts', `${where}: an ack covers fewer packets than the one before it`)
  return !falls
}

/**
 * Assesses one attempt; what is wrong with it goes to `out`.
 * @param recompute false: its orders and traffic are left alone, and nothing of it counts as proven
 */
export function assessSlot(
  evidence: Evidence,
  record: SlotRecord,
  digests: ChallengeDigests,
  out: FaultList,
  recompute = true,
): SlotOutcome {
  const { plan } = evidence
  const where = placeOf(record)
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  const indices = teamMembers(plan, record.slot)
  const capture =
    record.capture !== null && checkCapture(record.capture, plan.teamSize, out, where) ? record.capture : null
  let ackList: Uint8Array | undefined
  if (capture !== null) {
    ackList = ackListDigest(digests, record, capturedRoots(capture))
    if (!verifySignature(evidence.request.prover, ackList, capture.signature)) {
      out.add('ack_list_signature', `${where}: the acks do not carry the signature of the prover`)
      ackList = undefined
    }
  }
  const ackCount = capture?.counts.length ?? 0
  const bits: number[][] = Array.from({ length: ackCount }, () => [])
  const own: (number | null)[][] = Array.from({ length: ackCount }, () => [])

  const members = indices.map((member, i): MemberOutcome => {
    const key = plan.committee[member] ?? new Uint8Array(33)
    const commitment = record.commitments[i] ?? null
    const testimony = record.testimonies[i] ?? null
    const committed = { id: record, member, key, commitment }
    checkCommitment(committed, plan, digests, out, where)
    if (testimony !== null) checkTestimony(testimony, member, key)
    const runs = capture === null || !recompute ? undefined : orderOf(capture, i, member)
    const opens = isOpened(committed, testimony, digests)
    const equivocal =
      testimony !== null && ackList !== undefined && !sameBytes(testimony.ackListHash, ackList)
    const counts = capture?.counts.map((ack) => ack[i] ?? 0) ?? []
    const recomputed = opens && runs !== undefined ? arrivalDigests(testimony.seed, runs, counts) : undefined
    let proven = recomputed !== undefined
    for (let k = 0; k < ackCount; k++) {
      const claimed = capture?.digests[k]?.[i]
      const digest = recomputed?.[k]
      const fits = claimed !== undefined && digest !== undefined && sameBytes(claimed, digest)
      proven &&= fits
      bits[k]?.push(fits ? (counts[k] ?? 0) * PACKET_BITS : 0)
      const micros = testimony?.ownMicros[k] ?? 0
      own[k]?.push(
        testimony === null || equivocal || micros === 0 || ackList === undefined ? null : micros / 1e6,
      )
    }
    return {
      member,
      committed: commitment !== null,
      testified: testimony !== null,
      opened: opens,
      proven,
      equivocal,
      sentPackets: testimony?.sentPackets ?? 0,
      receivedPackets: counts.at(-1) ?? 0,
      rttMicros: testimony?.rttMicros,
      latenessMicros: testimony?.latenessMicros,
    }
  })

  function checkTestimony(testimony: Testimony, member: number, key: Uint8Array): void {
    if (!verifySignature(key, testimonyDigest(digests, record, testimony), testimony.signature))
      out.add('testimony_signature', `${where}: the testimony of member ${member} is not signed by it`)
    if (testimony.echoCounts !== undefined)
      out.add('testimony_shape', `${where}: the testimony of member ${member} is that of an uplink`)
    if (testimony.ownMicros.length > ackCount)
      out.add('testimony_shape', `${where}: member ${member} times more acks than there are`)
  }

  function orderOf(from: Capture, i: number, member: number): readonly Run[] | undefined {
    try {
      const runs = decodeOrder(from.orders[i] ?? new Uint8Array(0), packetCount)
      if (orderLength(runs) >= (from.counts.at(-1)?.[i] ?? 0)) return runs
      out.add('capture_order', `${where}: the arrival order of member ${member} is shorter than its last ack`)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      out.add('capture_order', `${where}, member ${member}: ${error.message}`)
    }
    return undefined
  }

  return {
    slot: record.slot,
    attempt: record.attempt,
    dirty: isDirty(record, plan.tauMicros),
    failed: !brought(record),
    team: {
      memberCount: plan.teamSize,
      acks: bits.map((ackBits, k) => ({ bits: ackBits, ownSeconds: own[k] ?? [] })),
    },
    members,
  }
}
