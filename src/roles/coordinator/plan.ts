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
  await Promise.all([
    control.request(run.order.prover, PLAN_MESSAGE, body, run.options()),
    run.each(
      plan.committee.map((_, member) => member),
      'plan',
      (member, options) => control.request(run.target(member), PLAN_MESSAGE, body, options),
    ),
  ])
  return { version: PROTOCOL_VERSION, ...body }
}
