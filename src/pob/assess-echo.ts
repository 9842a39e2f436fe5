/**
 * One attempt at a slot of an uplink (docs/protocol.md section 7.1). There is nothing to recompute: the counts are what the
 * member says, under its signature, and as good as its word. At most f members lie, as ever.
 */
import { verifySignature } from '../crypto/identity.js'
import { checkCommitment, isOpened } from './assess-commitment.js'
import { isDirty, type MemberOutcome, placeOf, type SlotOutcome } from './assess-slot.js'
import { teamMembers } from './committee.js'
import { PACKET_BITS, packetCountOf } from './constants.js'
import { marksFault } from './echo.js'
import type { Evidence } from './evidence.js'
import type { FaultList } from './fault.js'
import { sameBytes } from './party.js'
import { brought, NO_ACK_LIST, type SlotRecord, type Testimony, testimonyDigest } from './slot.js'
import type { ChallengeDigests } from './structures.js'

export function assessEchoSlot(
  evidence: Evidence,
  record: SlotRecord,
  digests: ChallengeDigests,
  out: FaultList,
): SlotOutcome {
  const { plan } = evidence
  const where = placeOf(record)
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  if (record.capture !== null) out.add('capture_shape', `${where}: an uplink has no capture`)
  const acks: { bits: number[]; ownSeconds: (number | null)[] }[] = []
  const members = teamMembers(plan, record.slot).map((member, i): MemberOutcome => {
    const key = plan.committee[member] ?? new Uint8Array(33)
    const commitment = record.commitments[i] ?? null
    const testimony = record.testimonies[i] ?? null
    const committed = { id: record, member, key, commitment }
    checkCommitment(committed, plan, digests, out, where)
    if (testimony !== null) checkTestimony(testimony, member, key)
    const opens = isOpened(committed, testimony, digests)
    const counts = testimony?.echoCounts ?? []
    // Teams of one: the member's marks are the team's.
    if (opens)
      counts.forEach((count, k) => {
        const micros = testimony.ownMicros[k] ?? 0
        acks.push({ bits: [count * PACKET_BITS], ownSeconds: [micros === 0 ? null : micros / 1e6] })
      })
    return {
      member,
      committed: commitment !== null,
      testified: testimony !== null,
      opened: opens,
      proven: opens,
      equivocal: false,
      sentPackets: testimony?.sentPackets ?? 0,
      receivedPackets: counts.at(-1) ?? 0,
      rttMicros: testimony?.rttMicros,
      latenessMicros: testimony?.latenessMicros,
    }
  })

  function checkTestimony(testimony: Testimony, member: number, key: Uint8Array): void {
    if (!verifySignature(key, testimonyDigest(digests, record, testimony), testimony.signature))
      out.add('testimony_signature', `${where}: the testimony of member ${member} is not signed by it`)
    const { echoCounts: counts, ownMicros, sentPackets } = testimony
    const wrong =
      counts === undefined || !sameBytes(testimony.ackListHash, NO_ACK_LIST)
        ? 'is that of a downlink'
        : marksFault({ counts, ownMicros }, { packetCount, sentPackets })
    if (wrong !== undefined)
      out.add('testimony_shape', `${where}: the testimony of member ${member} ${wrong}`)
  }

  return {
    slot: record.slot,
    attempt: record.attempt,
    dirty: isDirty(record, plan.tauMicros),
    failed: !brought(record),
    team: { memberCount: plan.teamSize, acks },
    members,
  }
}
