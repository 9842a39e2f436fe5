/** The coordinator's plan: one for each challenge. */
import { addressOfPublicKey, verifySignature } from '../../crypto/identity.js'
import { sameBytes } from '../../pob/party.js'
import { type Plan, planDiffers, planDigest, planFault, planHashOf } from '../../pob/plan.js'
import type { PlanBody } from '../control-messages.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import type { Challenge } from './challenge.js'
import type { ChallengeTable } from './table.js'

/** The coordinator's plan. @throws Refusal */
export async function acceptPlan(table: ChallengeTable, body: PlanBody, remote: Remote): Promise<void> {
  ensure(sameBytes(remote.publicKey, body.request.coordinator), 'denied', 'only the coordinator sends a plan')
  await table.modules.behaviour.before('plan', body)
  const { plan, planSignature, ...rest } = body
  const challenge = await table.admitted({ ...rest, beaconSignature: plan.beaconSignature }, remote)
  const { digests, request, committee } = challenge
  const digest = planDigest(digests, plan)
  ensure(
    verifySignature(request.coordinator, digest, planSignature),
    'bad_request',
    'the plan does not carry the signature of the coordinator',
  )
  await accuseOfSecondPlan(table, challenge, plan, planSignature)
  const wrong = planFault(request, digests.challengeId, plan) ?? planDiffers(plan, committee)
  ensure(wrong === undefined, 'bad_request', `plan: ${wrong}`)
  await table.once(challenge, 'plan', digest)
  challenge.plan = plan
  challenge.planSignature = planSignature
  await table.note(challenge, 'planned')
}

/** A coordinator signs one plan: another with its signature, right or wrong, is a fault. @param signature checked before */
export async function accuseOfSecondPlan(
  table: ChallengeTable,
  challenge: Challenge,
  plan: Plan,
  signature: Uint8Array,
): Promise<void> {
  const { plan: known, planSignature, request } = challenge
  if (known === undefined || planSignature === undefined) return
  const [first, second] = [planHashOf(known), planHashOf(plan)]
  if (sameBytes(first, second)) return
  const plans = [
    { planHash: first, signature: planSignature },
    { planHash: second, signature },
  ] as const
  await table.accuse(challenge, { kind: 'plans', accused: addressOfPublicKey(request.coordinator), plans })
}
