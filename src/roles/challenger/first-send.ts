/**
 * When this member began to send in a slot: beside other challenges of the same slot it says what they had together (docs/protocol.md
 * section 9.1). For who asked for the slots alone; outside the evidence, and signed by nobody.
 */
import type { SlotId } from '../../pob/slot.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import { requireCoordinator } from './slot.js'
import type { ChallengeTable } from './table.js'

/** @throws Refusal */
export async function tellFirstSend(
  table: ChallengeTable,
  { challengeId, slot, attempt }: SlotId & { challengeId: Uint8Array },
  remote: Remote,
): Promise<{ readonly firstSendMicros: number }> {
  const challenge = table.known(challengeId)
  requireCoordinator(challenge, remote)
  const { firstSendMicros } = challenge.attempts.get(`${slot}/${attempt}`) ?? {}
  ensure(
    firstSendMicros !== undefined,
    'not_found',
    `this member testified of no train in slot ${slot}, attempt ${attempt}`,
  )
  return { firstSendMicros }
}
