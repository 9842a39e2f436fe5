/** Messages that both a prover and a member get: handed to whichever role of this node the challenge concerns. */
import type { Challenger } from './challenger.js'
import { FINISH_MESSAGE, PLAN_MESSAGE } from './control-messages.js'
import type { ControlPlane } from './modules.js'
import { Refusal } from './protocol-error.js'
import type { Prover } from './prover.js'

export async function handleShared(
  control: ControlPlane,
  roles: { readonly prover?: Prover; readonly challenger?: Challenger },
): Promise<void> {
  const { prover, challenger } = roles
  await control.handle(PLAN_MESSAGE, async (body, remote) => {
    if (prover?.owns(body.plan.challengeId)) await prover.acceptPlan(body.plan, body.planSignature, remote)
    else if (challenger !== undefined) await challenger.acceptPlan(body, remote)
    else throw new Refusal('not_found', 'no such challenge here')
    return null
  })
  await control.handle(
    FINISH_MESSAGE,
    async (body, remote) => {
      if (prover?.owns(body.challengeId)) return prover.finish(body, remote)
      if (challenger !== undefined) return challenger.finish(body, remote)
      throw new Refusal('not_found', 'no such challenge here')
    },
    {
      admit: ({ publicKey }) =>
        prover?.coordinates(publicKey) === true || challenger?.coordinates(publicKey) === true,
    },
  )
}
