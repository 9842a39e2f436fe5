/** Names of what colluders tell each other on the side channel. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { SlotId } from '../../pob/slot.js'

type About = 'seed' | 'commitment' | 'revealed' | 'copy' | 'second-testimony'

/** One member in one attempt. */
export function memberFact(about: About, challengeId: Uint8Array, id: SlotId, member: Uint8Array): string {
  return `${slotFacts(about, challengeId, id)}${bytesToHex(member)}`
}

/** All members of that attempt. */
export function slotFacts(about: About, challengeId: Uint8Array, { slot, attempt }: SlotId): string {
  return `${challengeFacts(about, challengeId)}${slot}/${attempt}/`
}

export function challengeFacts(about: About, challengeId: Uint8Array): string {
  return `${about}/${bytesToHex(challengeId)}/`
}

/** The coalition's other evidence of a challenge, and who signed what for it. */
export const secondEvidenceFact = (challengeId: Uint8Array): string =>
  `second-evidence/${bytesToHex(challengeId)}`
export const secondSignatures = (kind: 'vote' | 'result', challengeId: Uint8Array): string =>
  `second-${kind}/${bytesToHex(challengeId)}/`

/** The other list of acks that a prover signed for one attempt. */
export const secondListFact = (challengeId: Uint8Array, { slot, attempt }: SlotId): string =>
  `second-list/${bytesToHex(challengeId)}/${slot}/${attempt}`

/** Keys of the corrupt. */
export const CORRUPT_FACTS = 'corrupt/'

/** The last part of a fact's name. */
export const lastPart = (key: string): string => key.slice(key.lastIndexOf('/') + 1)
