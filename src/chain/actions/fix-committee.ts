/** Draws and pins a challenge's committee once its round is on the chain. */
import { parseEventLogs, toHex } from 'viem'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { challengeIdOf, type Request } from '../../pob/request.js'
import type { DrawTerms } from '../../pob/seat-draw.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, mustHave, sendCall } from '../send.js'
import { toChainRequest } from '../structs.js'
import { readChallenge } from './read-challenge.js'
import { readCommittee } from './read-opening.js'

export interface FixCommitteeParameters {
  readonly request: Request
  /** As ChallengeOpened logged them. */
  readonly terms: DrawTerms
}

/** `void`: too few able members were drawn; fee and bond went back. */
export type FixedOutcome =
  | {
      readonly status: 'fixed'
      readonly committee: readonly Address[]
      readonly quorum: number
      /** Undefined where somebody else fixed it. */
      readonly mined: Mined | undefined
    }
  | { readonly status: 'void'; readonly mined: Mined | undefined }

export function fixCommitteeCall(chain: Chain, { request, terms }: FixCommitteeParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'fixCommittee',
    args: [toChainRequest(request), terms],
    what: 'fixing the committee',
    intent: `fix:${toHex(challengeIdOf(request))}`,
  })
}

/** Anyone may call it; where somebody else was first, the answer comes from the chain. */
export async function fixCommittee(
  chain: Chain,
  parameters: FixCommitteeParameters,
  options?: ActionOptions,
): Promise<FixedOutcome> {
  const done = await alreadyFixed(chain, parameters.request)
  if (done !== undefined) return done
  let sent: Awaited<ReturnType<typeof sendCall>>
  try {
    sent = await sendCall(chain, fixCommitteeCall(chain, parameters), options)
  } catch (error) {
    // Somebody else's transaction may have come first in between.
    const other =
      error instanceof UserError && error.details.revert === 'WrongStatus'
        ? await alreadyFixed(chain, parameters.request)
        : undefined
    if (other === undefined) throw error
    return other
  }
  const mined = minedOf(sent)
  const events = parseEventLogs({ abi: challengeManagerAbi, logs: sent.logs })
  if (events.some(({ eventName }) => eventName === 'ChallengeVoided')) return { status: 'void', mined }
  const event = mustHave(
    events.find((each) => each.eventName === 'CommitteeFixed'),
    'fixing a committee',
  )
  const { committee, quorum } = event.args
  return { status: 'fixed', committee, quorum: Number(quorum), mined }
}

async function alreadyFixed(chain: Chain, request: Request): Promise<FixedOutcome | undefined> {
  const challengeId = challengeIdOf(request)
  const { status } = await readChallenge(chain, challengeId)
  if (status === 'void') return { status: 'void', mined: undefined }
  if (status === 'none' || status === 'open') return undefined
  const fixed = await readCommittee(chain, challengeId)
  if (fixed === undefined) return undefined
  return { status: 'fixed', committee: fixed.committee, quorum: fixed.quorum, mined: undefined }
}
