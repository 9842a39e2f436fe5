/** One slot: what arrived, and the signature under its acks. */
import { verifySignature } from '../../crypto/identity.js'
import type { ProverPlane, SlotCapture, SlotOrder } from '../../dataplane/index.js'
import { PACKET_BYTES, packetCountOf } from '../../pob/constants.js'
import type { Plan } from '../../pob/plan.js'
import { Direction } from '../../pob/request.js'
import { ackListDigest, type Commitment, commitmentDigest, type SlotId } from '../../pob/slot.js'
import type { ReportedStatistics } from '../control-messages.js'
import type { Remote } from '../modules.js'
import { ensure, Refusal } from '../protocol-error.js'
import type { Challenge, SlotAnswer } from './challenge.js'
import type { ProverTurn } from './turn.js'

/** Lets a full buffer of a slow link empty before the next slot. */
export const DRAIN_MICROS = 400_000

export async function serveSlot(
  turn: ProverTurn,
  body: SlotId & { challengeId: Uint8Array; commitments: readonly (Commitment | null)[] },
  remote: Remote,
): Promise<SlotAnswer> {
  const { slot, attempt, commitments } = body
  const challenge = turn.known(body.challengeId, remote)
  ensure(challenge.request.direction === Direction.down, 'bad_request', 'this challenge is of an uplink')
  const { plan, plane } = planned(challenge, slot, commitments.length)
  const name = `${slot}/${attempt}`
  const known = challenge.captures.get(name)
  if (known !== undefined) return known
  ensure(!challenge.running, 'busy', 'a slot is running')
  challenge.running = true
  try {
    const answer = await runSlot(turn, challenge, plan, plane, { slot, attempt }, commitments)
    challenge.captures.set(name, answer)
    return answer
  } finally {
    challenge.running = false
    turn.touch(challenge)
  }
}

/** What a slot needs of its challenge. @throws Refusal */
export function planned({ plan, plane }: Challenge, slot: number, members: number) {
  ensure(plan !== undefined && plane !== undefined, 'conflict', 'there is no plan yet')
  ensure(slot < plan.teams && members === plan.teamSize, 'bad_request', 'no such slot in the plan')
  return { plan, plane }
}

/** The slot as the plane runs it; every commitment is its member's. @throws Refusal */
export function slotOrder(
  challenge: Challenge,
  plan: Plan,
  id: SlotId,
  commitments: readonly (Commitment | null)[],
): SlotOrder {
  const first = id.slot * plan.teamSize
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  for (const [i, commitment] of commitments.entries()) {
    if (commitment === null) continue
    const signed = verifySignature(
      plan.committee[first + i] ?? new Uint8Array(33),
      commitmentDigest(challenge.digests, id, commitment),
      commitment.signature,
    )
    ensure(signed, 'bad_request', `the commitment of member ${first + i} is not signed by it`)
  }
  return {
    ...id,
    tauMicros: plan.tauMicros,
    members: commitments.map((commitment, i) => {
      const path = challenge.paths.get(first + i)
      return path === undefined || commitment === null
        ? { packetCount }
        : { sessionId: path.sessionId, rttMicros: path.rttMicros, packetCount }
    }),
    drainMicros: DRAIN_MICROS,
  }
}

async function runSlot(
  turn: ProverTurn,
  challenge: Challenge,
  plan: Plan,
  plane: ProverPlane,
  id: SlotId,
  commitments: readonly (Commitment | null)[],
): Promise<SlotAnswer> {
  const order = slotOrder(challenge, plan, id, commitments)
  const first = id.slot * plan.teamSize
  const team = plan.committee.slice(first, first + plan.teamSize)
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  const behaviour = await turn.behaviour.capture(id, challenge.digests.challengeId, team, {
    packetCount,
    tauMicros: plan.tauMicros,
  })
  const running = plane.runSlot(behaviour === undefined ? order : { ...order, behaviour })
  const [captured] = await Promise.all([running, turn.began(challenge, order)])
  await turn.modules.account(receivedBytes(captured))
  if (captured.acks.length === 0) throw new Refusal('not_found', 'nothing arrived in this slot')
  const roots = captured.acks.map((ack) => ack.root)
  const digest = ackListDigest(challenge.digests, id, roots)
  const outcome = await turn.modules.store.signOnce(`${challenge.id}/acks/${id.slot}/${id.attempt}`, digest)
  ensure(outcome !== 'conflict', 'conflict', 'other acks were signed for this slot')
  await turn.behaviour.signed(challenge.digests, id, roots)
  return {
    capture: {
      orders: captured.orders,
      counts: captured.acks.map((ack) => ack.counts),
      digests: captured.acks.map((ack) => ack.digests),
      signature: turn.modules.identity.sign(digest),
    },
    statistics: reported(captured, plane),
  }
}

/** What a slot cost the line: what could not be used was received as well. */
export function receivedBytes({ statistics }: SlotCapture): number {
  const { packets, duplicates, badTag, overflow } = statistics
  return (packets + duplicates + badTag + overflow) * PACKET_BYTES
}

export function reported({ statistics }: SlotCapture, plane: ProverPlane): ReportedStatistics {
  return {
    packets: statistics.packets,
    duplicates: statistics.duplicates,
    badTag: statistics.badTag,
    overflow: statistics.overflow,
    arrivalSpanMicros: Math.round(statistics.arrivalSpanMicros),
    jitterMicros: Math.round(statistics.jitterMicros),
    reordered: statistics.reordered,
    busyPermille: Math.min(1000, Math.round(statistics.busyShare * 1000)),
    kernelTimestamps: plane.backend.timestamps === 'kernel' ? 1 : 0,
    variationMedianMicros: Math.round(statistics.variationMedianMicros),
    variationP95Micros: Math.round(statistics.variationP95Micros),
    loadedMicros: statistics.loadedMicros,
  }
}
