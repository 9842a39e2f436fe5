/** Looks for the available bandwidth once the slots have run: teams in turn send at stepped rates. */
import { setTimeout as sleep } from 'node:timers/promises'
import { teamMembers } from '../../pob/committee.js'
import { packetCountOf } from '../../pob/constants.js'
import type { Plan } from '../../pob/plan.js'
import { type AvailableBandwidth, RateSearch, STEP_MICROS } from '../../pob/telemetry/available.js'
import { STEP_ARM_MESSAGE, STEP_MESSAGE } from '../control-messages.js'
import { maxBytesOf } from '../prover/challenge.js'
import type { CoordinatorRun } from './run.js'

/** Queues of the link empty between steps. */
const STEP_GAP_MS = 100
/** Nothing more than what the slots saw is there, but for the error of that. */
const HEADROOM = 1.05
/** Steps in a row without a whole team: who is left cannot send so much. */
const MAX_UNARMED = 3

/** @param estimateKbps what the slots saw, the upper end of the search */
export async function findAvailable(
  run: CoordinatorRun,
  plan: Plan,
  estimateKbps: number,
): Promise<AvailableBandwidth> {
  const offered = plan.memberRateKbps * plan.teamSize
  const search = new RateSearch(Math.max(1, Math.min(offered, Math.ceil(HEADROOM * estimateKbps))))
  let unarmed = 0
  for (let step = 0; unarmed < MAX_UNARMED; step++) {
    const rateKbps = search.next()
    if (rateKbps === undefined || step >= MAX_STEP_NUMBER) break
    const memberKbps = Math.ceil(rateKbps / plan.teamSize)
    // The prover consented to so much data and no more; members stop there in the middle of a train.
    const stepBytes = run.trainBytes(plan.teamSize, packetCountOf(memberKbps, STEP_MICROS))
    if (run.trafficBytes + stepBytes > maxBytesOf(run.request)) break
    const outcome = await runStep(run, plan, step, memberKbps)
    if (outcome === undefined) unarmed++
    else {
      unarmed = 0
      search.record({ ...outcome, rateKbps })
      run.progress({ event: 'step', rateMbps: rateKbps / 1000, ...outcome })
    }
    await sleep(STEP_GAP_MS)
  }
  return search.result()
}

/** Numbers of steps, those included in which nobody sent. */
const MAX_STEP_NUMBER = 64

async function runStep(run: CoordinatorRun, plan: Plan, step: number, rateKbps: number) {
  const { control, log } = run.modules
  const { challengeId } = run.digests
  const slot = step % plan.teams
  const team = teamMembers(plan, slot)
  const body = { challengeId, step, rateKbps }
  try {
    const armed = await run.each(team, 'step', (member, options) =>
      control.request(run.target(member), STEP_ARM_MESSAGE, body, options),
    )
    // A part of a team offers a part of the rate.
    if (armed.size < team.length) return undefined
    const packetCount = packetCountOf(rateKbps, STEP_MICROS)
    run.noteTraffic(run.trainBytes(team.length, packetCount))
    const { packets, growthMicros } = await control.request(
      run.order.prover,
      STEP_MESSAGE,
      { ...body, slot, armed: team.map((_, i) => i) },
      run.options(),
    )
    return { deliveredShare: packets / (team.length * packetCount), growthMicros }
  } catch (error) {
    if (run.signal?.aborted) throw error
    log.warn({ step, reason: String(error) }, 'a step failed')
    return undefined
  }
}
