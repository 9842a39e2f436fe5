/** Opens the paths, and tells everybody the plan. */
import { UserError } from '../../errors.js'
import { PROTOCOL_VERSION } from '../../pob/constants.js'
import type { Evidence } from '../../pob/evidence.js'
import { type Plan, planDigest } from '../../pob/plan.js'
import { type Admission, type PathReport, PLAN_MESSAGE, PREPARE_MESSAGE } from '../control-messages.js'
import type { CoordinatorRun } from './run.js'

export async function prepare(run: CoordinatorRun, admission: Admission): Promise<readonly PathReport[]> {
  const { challengeId } = run.digests
  const { paths } = await run.modules.control.request(
    run.order.prover,
    PREPARE_MESSAGE,
    { challengeId, beaconSignature: admission.beaconSignature },
    run.options(),
  )
  if (!paths.some((path) => path.ready === 1))
    throw new UserError(
      `the prover reached none of the ${paths.length} challengers: ${paths[0]?.reason ?? 'no reason given'}`,
      { code: 'UNREACHABLE', remedy: 'run `plumbline doctor` on the prover: its UDP may be blocked' },
    )
  return paths
}

export async function announce(
  run: CoordinatorRun,
  admission: Admission,
  plan: Plan,
): Promise<Omit<Evidence, 'slots'>> {
  const { control, identity } = run.modules
  const planSignature = identity.sign(planDigest(run.digests, plan))
  const { beaconSignature: _, ...rest } = admission
  const body = { ...rest, plan, planSignature }
  run.plan = body
  const everybody = plan.committee.map((_, member) => member)
  for (const member of everybody) run.untold.add(member)
  await run.behaviour.beforePlan(run, body)
  await Promise.all([
    control.request(run.order.prover, PLAN_MESSAGE, body, run.options()),
    run.each(everybody, 'plan', (member, options) => tell(run, member, options)),
  ])
  await run.behaviour.afterPlan(run, body)
  return { version: PROTOCOL_VERSION, ...body }
}

/** The plan to a member that does not have it yet: without it, it can neither send nor vote. */
export async function tell(
  run: CoordinatorRun,
  member: number,
  options: { deadlineMs?: number; signal?: AbortSignal },
): Promise<void> {
  if (run.plan === undefined || !run.untold.has(member)) return
  await run.modules.control.request(run.target(member), PLAN_MESSAGE, run.plan, options)
  run.untold.delete(member)
}
