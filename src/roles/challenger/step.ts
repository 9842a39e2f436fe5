/** A train at a stepped rate: no part of the proof, so nothing is committed to and nothing is testified. */
import { randomBytes } from 'node:crypto'
import { packetCountOf } from '../../pob/constants.js'
import { Direction } from '../../pob/request.js'
import { FIRST_STEP_SLOT, STEP_MICROS } from '../../pob/telemetry/available.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import { ARMED_MS, requireCoordinator, takeTurn } from './slot.js'
import type { ChallengeTable } from './table.js'

/** From the arming of a step to its go: nobody says when a step is over. */
const STEP_START_MS = 1_000

/** @throws Refusal */
export async function armStep(
  table: ChallengeTable,
  body: { readonly challengeId: Uint8Array; readonly step: number; readonly rateKbps: number },
  remote: Remote,
): Promise<null> {
  const challenge = table.known(body.challengeId)
  requireCoordinator(challenge, remote)
  const { plan, memberIndex, request } = challenge
  ensure(plan !== undefined && challenge.sessionOpen, 'conflict', 'there is no plan or no session yet')
  const sends = memberIndex < plan.teamSize * plan.teams && request.direction === Direction.down
  ensure(sends, 'denied', 'this member sends in no slot of a downlink')
  // What it declared its uplink good for, and no more.
  ensure(body.rateKbps <= plan.memberRateKbps, 'bad_request', "a step exceeds the plan's rate")
  await takeTurn(table, challenge, {
    group: `step ${body.step}`,
    rateKbps: body.rateKbps,
    lastsMs: STEP_MICROS / 1000 + STEP_START_MS,
  })
  // The session's cap of bytes holds for steps as for slots.
  await table.modules.plane.prepareTrain({
    sessionId: challenge.sessionId,
    slot: FIRST_STEP_SLOT + body.step,
    attempt: 0,
    seed: new Uint8Array(randomBytes(32)),
    packetCount: packetCountOf(body.rateKbps, STEP_MICROS),
    rateKbps: body.rateKbps,
    armedForMs: ARMED_MS,
  })
  return null
}
