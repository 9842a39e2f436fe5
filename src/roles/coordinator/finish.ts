/** The end of a challenge for everybody in it. */
import type { Plan } from '../../pob/plan.js'
import { FINISH_MESSAGE } from '../control-messages.js'
import type { CoordinatorRun } from './run.js'

/** Who is silent holds nobody up: the result goes on after so long, and slower members get theirs beside it. */
const PATIENCE_MS = 2_000

/**
 * Lets go of everybody, and hands the transcript round: with its signatures any member can settle where the payer does
 * not. Failures here cost the result nothing.
 */
export async function finish(
  run: CoordinatorRun,
  plan: Plan | undefined,
  transcript: Uint8Array | undefined,
): Promise<void> {
  const { control, log } = run.modules
  const { challengeId } = run.digests
  const targets = [run.order.prover, ...(plan?.committee ?? []).map((_, member) => run.target(member))]
  const body = { challengeId, ...(transcript === undefined ? {} : { transcript }) }
  const options = transcript === undefined ? { deadlineMs: PATIENCE_MS } : {}
  const told = Promise.all(
    targets.map((target) =>
      control
        .request(target, FINISH_MESSAGE, body, options)
        .catch((error: unknown) => log.debug({ reason: String(error) }, 'finish was not acknowledged')),
    ),
  )
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS)
  })
  await Promise.race([told, patience])
  clearTimeout(timer)
}
