/**
 * A member that commits to a teammate's seed and sends nothing of its own. The colluding coordinator, which arms the
 * teammate at the same time, tells it the commitment, and after the slot the seed; the colluding prover counts each packet
 * of the teammate's as one of the copier's, too. Its commitment then opens, if at all, to the very bytes that arrived.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { Plan } from '../../pob/plan.js'
import type { SlotId } from '../../pob/slot.js'
import type { ChallengerBehaviour } from '../../roles/behaviour.js'
import type { PlanBody } from '../../roles/control-messages.js'
import { memberFact } from './facts.js'
import type { SideChannel } from './side-channel.js'

/** Enough for its own first send, which its own times count from. */
export const COPIER_SEND_SHARE = 0.02
/** Less than a member may take to answer. */
const WAIT_MS = 4000

/** Somebody else in the team of `member`; undefined in a team of one. */
export function teammateOf({ committee, teamSize }: Plan, member: Uint8Array): Uint8Array | undefined {
  const index = committee.findIndex((key) => Buffer.compare(key, member) === 0)
  if (index < 0 || teamSize < 2) return undefined
  const first = index - (index % teamSize)
  return committee[first + ((index - first + 1) % teamSize)]
}

export function copier(publicKey: Uint8Array, channel: SideChannel): Partial<ChallengerBehaviour> {
  /** The plans of challenges under way; a member has one or two at a time. */
  const plans = new Map<string, Plan>()
  const victimOf = (challengeId: Uint8Array) => {
    const plan = plans.get(bytesToHex(challengeId))
    return plan === undefined ? undefined : teammateOf(plan, publicKey)
  }
  const learn = async (about: 'commitment' | 'revealed', challengeId: Uint8Array, id: SlotId) => {
    const victim = victimOf(challengeId)
    if (victim === undefined) return undefined
    const told = await channel.ask(memberFact(about, challengeId, id, victim), WAIT_MS)
    return told === undefined ? undefined : hexToBytes(told)
  }
  return {
    before: async (step, message) => {
      if (step !== 'plan') return
      const { plan } = message as PlanBody
      plans.clear()
      plans.set(bytesToHex(plan.challengeId), plan)
    },
    train: () => ({ sendShare: COPIER_SEND_SHARE }),
    seedHash: async (honest, challengeId, id) => {
      const copied = await learn('commitment', challengeId, id)
      const victim = victimOf(challengeId)
      if (copied === undefined || victim === undefined) return honest
      channel.tell(memberFact('copy', challengeId, id, publicKey), bytesToHex(victim))
      channel.count('commitments copied')
      return copied
    },
    testimony: async (honest, { digests, id }) => {
      const seed = await learn('revealed', digests.challengeId, id)
      return seed === undefined ? honest : { ...honest, seed }
    },
  }
}
