/** The end of a challenge for everybody in it. */
import type { Plan } from '../../pob/plan.js'
import { sealOf } from '../../pob/seal.js'
import type { Transcript } from '../../pob/transcript.js'
import { FINISH_MESSAGE } from '../control-messages.js'
import type { PeerTarget } from '../modules.js'
import type { CoordinatorRun } from './run.js'

/** Who is silent holds nobody up: the result goes on after so long, and slower members get theirs beside it. */
const PATIENCE_MS = 2_000

/**
 * Lets go of everybody, and hands the signatures round: with those and the evidence that it voted for any member can settle
 * where the payer does not. The evidence goes to who lacks it alone: it is most of all bytes, and everybody has had it once.
 * Failures here cost the result nothing.
 */
export async function finish(
  run: CoordinatorRun,
  plan: Plan | undefined,
  transcript: Transcript | undefined,
): Promise<void> {
  const { control, log } = run.modules
  const { challengeId } = run.digests
  const { prover } = run.order
  const targets = [prover, ...(plan?.committee ?? []).map((_, member) => run.target(member))]
  const options = transcript === undefined ? { deadlineMs: PATIENCE_MS } : {}
  const brief = { challengeId, ...(transcript === undefined ? {} : { seal: sealOf(transcript) }) }
  const whole = { ...brief, ...(transcript === undefined ? {} : { evidence: transcript.evidence }) }
  const tell = async (target: PeerTarget) => {
    // No vote has shown it to the prover.
    const { lacksEvidence } = await control.request(
      target,
      FINISH_MESSAGE,
      target === prover ? whole : brief,
      options,
    )
    if (lacksEvidence === 1 && target !== prover)
      await control.request(target, FINISH_MESSAGE, whole, options)
  }
  const told = Promise.all(
    targets.map((target) =>
      tell(target).catch((error: unknown) =>
        log.debug({ reason: String(error) }, 'finish was not acknowledged'),
      ),
    ),
  )
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS)
  })
  await Promise.race([told, patience])
  clearTimeout(timer)
}
