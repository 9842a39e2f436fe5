/**
 * When this member began to send in a slot: beside other challenges of the same slot it says what they had together (docs/protocol.md
 * section 9.1). For who asked for the slots; outside the evidence, and signed, so that others can check what was made of it.
 */
import { type FirstSend, firstSendDigest } from '../../pob/joint/first-send.js'
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
): Promise<FirstSend> {
  const challenge = table.known(challengeId)
  requireCoordinator(challenge, remote)
  const { firstSendMicros } = challenge.attempts.get(`${slot}/${attempt}`) ?? {}
  ensure(
    firstSendMicros !== undefined,
    'not_found',
    `this member testified of no train in slot ${slot}, attempt ${attempt}`,
  )
  const { clock } = table
  const digest = firstSendDigest(challenge.digests, { slot, attempt }, { clock, firstSendMicros })
  return { clock, firstSendMicros, signature: table.modules.identity.sign(digest) }
}
