/** Several provers, each alone and then all together by the same teams: whether they share one link. */

import { UserError } from '../errors.js'
import { encodeJointFile, type JointFile, MAX_JOINT_PROVERS } from '../pob/joint/file.js'
import { type SharedLink, sharedLink } from '../pob/joint/verdict.js'
import { type JointOutcome, runJoint } from '../roles/coordinator/joint.js'
import {
  type ChallengeOrder,
  type ChallengeOutcome,
  type CoordinatorModules,
  type ProgressEvent,
  runChallenge,
} from '../roles/coordinator.js'
import { type JointResult, type JointTranscript, jointResult } from '../roles/joint-result.js'
import type { MeasureResult } from '../roles/measure-result.js'
import type { JointRecord } from '../store/history.js'

/** A run of all together that tells nothing, as on a busy machine, is made once more. */
const MAX_ATTEMPTS = 2

/** Which measurement an event is of. */
export interface JointPlace {
  /** In the order of the targets. */
  readonly prover: number
  readonly phase: 'alone' | 'together'
}

export interface JointSteps {
  readonly orders: readonly ChallengeOrder[]
  /** One prover by itself, kept like any measurement. */
  readonly alone: (
    index: number,
  ) => Promise<{ readonly result: MeasureResult; readonly transcript: Uint8Array }>
  /** One prover's part of what was measured together, its transcript kept. */
  readonly kept: (outcome: ChallengeOutcome, joint: JointRecord) => Promise<MeasureResult>
  /** Keeps what shows it to others. @param id of the first challenge of those that ran together */
  readonly keptTogether: (id: Uint8Array, file: Uint8Array) => Promise<JointTranscript>
  /** Once all together: hands out what it is run with. */
  readonly together: <T>(run: (modules: CoordinatorModules) => Promise<T>) => Promise<T>
  readonly onProgress?: (place: JointPlace, event: ProgressEvent) => void
  readonly signal?: AbortSignal
}

export interface JointMeasurement extends JointResult {
  /** Of each prover by itself, in order. */
  readonly results: readonly MeasureResult[]
}

/** @throws UserError where one of them cannot be measured, or the draw gives them no common teams */
export async function measureJoint(steps: JointSteps): Promise<JointMeasurement> {
  const { orders, onProgress, signal } = steps
  requireDifferent(orders)
  const alone: Awaited<ReturnType<JointSteps['alone']>>[] = []
  for (let i = 0; i < orders.length; i++) alone.push(await steps.alone(i))
  const results = alone.map(({ result }) => result)
  let best: { readonly outcome: JointOutcome; readonly link: SharedLink } | undefined
  for (let attempts = 1; ; attempts++) {
    const outcome = await steps.together((modules) =>
      runJoint(orders, modules, runChallenge, signal, (prover, event) =>
        onProgress?.({ prover, phase: 'together' }, event),
      ),
    )
    const provers = results.map(({ guaranteedMbps }, i) => ({
      aloneKbps: Math.round(guaranteedMbps * 1000),
      besideKbps: outcome.outcomes[i]?.assessment.guaranteedKbps ?? 0,
    }))
    const link = sharedLink(provers, outcome.rates, orders[0]?.faulty ?? 0)
    // Of two that tell nothing the better one stands: both are sound.
    const isBetter =
      best === undefined || link.verdict !== 'unclear' || link.creditKbps > best.link.creditKbps
    if (best === undefined || isBetter) best = { outcome, link }
    if (link.verdict === 'unclear' && attempts < MAX_ATTEMPTS) continue
    const { rates } = best.outcome
    const together = await keepAll(best.outcome, steps.kept, {
      provers: orders.length,
      verdict: best.link.verdict,
      estimateKbps: rates.estimateKbps,
      guaranteedKbps: rates.guaranteedKbps,
      creditKbps: best.link.creditKbps,
    })
    const [first] = best.outcome.outcomes
    if (first === undefined) throw new Error('nothing ran together')
    const file = fileOf(
      alone.map(({ transcript }) => transcript),
      best.outcome.outcomes,
    )
    const jointTranscript = await steps.keptTogether(first.challengeId, encodeJointFile(file))
    const measured = { alone: results, together, rates, link: best.link, attempts, jointTranscript }
    return { results, ...jointResult(measured) }
  }
}

function fileOf(alone: readonly Uint8Array[], outcomes: readonly ChallengeOutcome[]): JointFile {
  return {
    version: 1,
    alone: [...alone],
    together: outcomes.map(({ transcript }) => transcript),
    firstSends: outcomes.map(({ plan, firstSends }) =>
      Array.from({ length: plan.teams }, (_, slot) => [
        ...(firstSends?.get(slot) ?? Array.from({ length: plan.teamSize }, () => null)),
      ]),
    ),
  }
}

async function keepAll(
  { outcomes }: JointOutcome,
  kept: JointSteps['kept'],
  joint: JointRecord,
): Promise<MeasureResult[]> {
  const results: MeasureResult[] = []
  for (const outcome of outcomes) results.push(await kept(outcome, joint))
  return results
}

function requireDifferent(orders: readonly ChallengeOrder[]): void {
  const keys = new Set(orders.map(({ prover }) => Buffer.from(prover.publicKey).toString('hex')))
  if (orders.length >= 2 && orders.length <= MAX_JOINT_PROVERS && keys.size === orders.length) return
  throw new UserError(
    `${orders.length} provers, ${keys.size} of them different, cannot be measured together`,
    {
      code: 'BAD_ARGUMENT',
      remedy: `name 2 to ${MAX_JOINT_PROVERS} different ones`,
      exitStatus: 2,
    },
  )
}
