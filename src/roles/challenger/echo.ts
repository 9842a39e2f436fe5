/** One slot of an uplink: what came back of this member's train, under its signature (docs/protocol.md section 7.1). */
import { Direction } from '../../pob/request.js'
import { NO_ACK_LIST, type SlotId, type Testimony, testimonyDigest } from '../../pob/slot.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import { requireCoordinator } from './slot.js'
import type { ChallengeTable } from './table.js'

/** @throws Refusal */
export async function tellEchoes(
  table: ChallengeTable,
  { challengeId, slot, attempt }: SlotId & { challengeId: Uint8Array },
  remote: Remote,
): Promise<Testimony> {
  const challenge = table.known(challengeId)
  requireCoordinator(challenge, remote)
  ensure(challenge.request.direction === Direction.up, 'bad_request', 'this challenge is of a downlink')
  await table.modules.behaviour.before('reveal', { challengeId, slot, attempt })
  const name = `${slot}/${attempt}`
  const made = challenge.attempts.get(name)
  const { plan } = challenge
  ensure(
    made !== undefined && plan !== undefined,
    'not_found',
    `this member was not armed for slot ${slot}, attempt ${attempt}`,
  )
  if (made.testimony !== undefined) return made.testimony
  const { plane, identity } = table.modules
  const report = await plane.collectTrain({ sessionId: challenge.sessionId, slot, attempt })
  const path = await plane.pathStatistics(challenge.sessionId)
  const { counts, ownMicros } = report.echoes ?? { counts: [], ownMicros: [] }
  const honest = {
    seed: made.seed,
    ackListHash: NO_ACK_LIST,
    ownMicros,
    rttMicros: Math.round(path.rttMinMicros),
    latenessMicros: Math.max(0, Math.round(report.latenessMicros)),
    sentPackets: report.sentPackets,
    echoCounts: counts,
  }
  const { digests } = challenge
  const context = { digests, id: { slot, attempt }, tauMicros: plan.tauMicros }
  const statement = await table.modules.behaviour.testimony(honest, context)
  const digest = testimonyDigest(digests, { slot, attempt }, statement)
  await table.once(challenge, `testimony/${name}`, digest)
  made.testimony = { ...statement, signature: identity.sign(digest) }
  table.turns.end(challenge.id)
  return made.testimony
}
