/** The end of a challenge for everybody in it. */
import type { Plan } from '../../pob/plan.js'
import { FINISH_MESSAGE } from '../control-messages.js'
import type { CoordinatorRun } from './run.js'

/** Lets go of everybody; failures here cost nothing. */
export async function finish(
  run: CoordinatorRun,
  plan: Plan | undefined,
  transcript: Uint8Array | undefined,
): Promise<void> {
  const { control, log } = run.modules
  const { challengeId } = run.digests
  const targets = [run.order.prover, ...(plan?.committee ?? []).map((_, member) => run.target(member))]
  const body = { challengeId, ...(transcript === undefined ? {} : { transcript }) }
  // Members already hold the evidence; the prover gets the whole, members the notice and the signatures.
  await Promise.all(
    targets.map((target) =>
      control
        .request(target, FINISH_MESSAGE, body, { deadlineMs: 2_000 })
        .catch((error: unknown) => log.debug({ reason: String(error) }, 'finish was not acknowledged')),
    ),
  )
}
