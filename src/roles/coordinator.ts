/**
 * The coordinator of one challenge, inside `measure` or a payer's daemon: it moves messages and can stall, but every
 * number it reports is recomputed by the members before they sign.
 */

import { UserError } from '../errors.js'
import { BEACON_MARGIN_SECONDS } from '../pob/constants.js'
import type { Evidence } from '../pob/evidence.js'
import { advisedTauMicros, makePlan, type Plan } from '../pob/plan.js'
import { encodeTranscript } from '../pob/transcript.js'
import type { Admission } from './control-messages.js'
import { agree } from './coordinator/agree.js'
import { findAvailable } from './coordinator/available.js'
import { finish } from './coordinator/finish.js'
import { requireCommonTeams } from './coordinator/joint.js'
import { announce, prepare } from './coordinator/plan.js'
import { accept, drawCommittee, makeRequest } from './coordinator/request.js'
import { CoordinatorRun } from './coordinator/run.js'
import { requireCapture, runSlots } from './coordinator/slots.js'
import type { ChallengeOrder, ChallengeOutcome, CoordinatorModules } from './coordinator/types.js'
import { CONTROL_BYTES } from './prover/challenge.js'

export type {
  ChallengeOrder,
  ChallengeOutcome,
  CoordinatorModules,
  ProgressEvent,
} from './coordinator/types.js'

/** Runs one challenge from request to signed transcript. @throws UserError where it cannot be completed. */
export async function runChallenge(
  order: ChallengeOrder,
  modules: CoordinatorModules,
  signal?: AbortSignal,
): Promise<ChallengeOutcome> {
  const startedMs = modules.now()
  for (let late = 0; ; late++) {
    const terms = await modules.venue.terms(signal, late)
    const run = new CoordinatorRun(order, modules, signal, makeRequest(order, modules, terms))
    try {
      return await runOnce(run, startedMs)
    } catch (error) {
      if (late === MAX_LATE || !cameTooLate(run, error)) throw error
      modules.log.info(
        { round: run.request.beaconRound },
        'the request came too late for its round: asked again',
      )
    }
  }
}

/** Requests that a prover may refuse because its round was out before it had read them. */
const MAX_LATE = 2

/** In lockstep all have one round, and nobody asks for another alone. */
function cameTooLate({ accepted, order, modules, request }: CoordinatorRun, error: unknown): boolean {
  const isRefused = error instanceof UserError && error.code === 'DENIED'
  const isOut = modules.now() / 1000 + BEACON_MARGIN_SECONDS > modules.venue.roundTime(request)
  return isRefused && isOut && !accepted && order.lockstep === undefined
}

async function runOnce(run: CoordinatorRun, startedMs: number): Promise<ChallengeOutcome> {
  const { order } = run
  const { challengeId } = run.digests
  let plan: Plan | undefined
  try {
    const accepted = await accept(run)
    const { committee, beaconSignature } = await drawCommittee(run)
    const admission: Admission = { ...accepted, beaconSignature }
    run.committee = committee
    if (order.lockstep !== undefined) requireCommonTeams(await order.lockstep.meet('drawn', committee))
    run.noteTraffic(CONTROL_BYTES)
    const paths = await prepare(run, admission)
    const rtts = paths.flatMap((path) => (path.ready === 1 ? [path.rttMicros] : []))
    const advised = advisedTauMicros(run.request.profile, rtts)
    const tauMicros = Math.max(...((await order.lockstep?.meet('paths', advised)) ?? [advised]))
    run.progress({ event: 'paths', paths, tauMs: tauMicros / 1000 })
    plan = makePlan(challengeId, admission.beaconSignature, committee, tauMicros)
    const evidenceHead = await announce(run, admission, plan)
    await runSlots(run, evidenceHead, plan)
    requireCapture(run)
    const evidence: Evidence = { ...evidenceHead, slots: run.slots }
    const { transcript, assessment, evidenceHash, signatures } = await agree(run, evidence)
    const available = order.available ? await findAvailable(run, plan, assessment.estimateKbps) : undefined
    await finish(run, plan, transcript)
    return {
      challengeId,
      request: run.request,
      plan,
      committee,
      assessment,
      evidence,
      evidenceHash,
      transcript: encodeTranscript(transcript),
      paths,
      statistics: run.statistics,
      ...(available === undefined ? {} : { available }),
      ...(order.lockstep === undefined ? {} : { firstSends: run.firstSends }),
      signatures,
      durationMs: run.modules.now() - startedMs,
      trafficBytes: run.trafficBytes,
      unresponsive: [...run.unresponsive].sort((a, b) => a - b),
    }
  } catch (error) {
    // Whoever takes part is free for the next challenge at once.
    if (run.accepted) await finish(run, plan, undefined)
    throw error
  }
}
