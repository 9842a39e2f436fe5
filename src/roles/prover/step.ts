/** What arrived of trains at a stepped rate, as the prover saw it. */
import { packetCountOf } from '../../pob/constants.js'
import { Direction } from '../../pob/request.js'
import { FIRST_STEP_SLOT, STEP_MICROS } from '../../pob/telemetry/available.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import { DRAIN_MICROS, planned, receivedBytes } from './slot.js'
import type { ProverTurn } from './turn.js'

export interface StepBody {
  readonly challengeId: Uint8Array
  readonly step: number
  /** The team that sends. */
  readonly slot: number
  /** Of each of its members. */
  readonly rateKbps: number
  /** Positions in the team of those that are armed. */
  readonly armed: readonly number[]
}

/** @throws Refusal */
export async function serveStep(turn: ProverTurn, body: StepBody, remote: Remote) {
  const challenge = turn.known(body.challengeId, remote)
  ensure(challenge.request.direction === Direction.down, 'bad_request', 'steps are of a downlink')
  const { plan, plane } = planned(challenge, body.slot, challenge.plan?.teamSize ?? 0)
  ensure(body.rateKbps <= plan.memberRateKbps, 'bad_request', "a step exceeds the plan's rate")
  ensure(!challenge.running, 'busy', 'a slot is running')
  challenge.running = true
  try {
    const packetCount = packetCountOf(body.rateKbps, STEP_MICROS)
    const captured = await plane.runSlot({
      slot: FIRST_STEP_SLOT + body.step,
      attempt: 0,
      tauMicros: STEP_MICROS,
      members: Array.from({ length: plan.teamSize }, (_, i) => {
        const path = body.armed.includes(i) ? challenge.paths.get(body.slot * plan.teamSize + i) : undefined
        return path === undefined
          ? { packetCount }
          : { sessionId: path.sessionId, rttMicros: path.rttMicros, packetCount }
      }),
      drainMicros: DRAIN_MICROS,
    })
    await turn.modules.account(receivedBytes(captured))
    const { packets, delayGrowthMicros } = captured.statistics
    return { packets, growthMicros: Math.max(0, Math.round(delayGrowthMicros)) }
  } finally {
    challenge.running = false
    turn.touch(challenge)
  }
}
