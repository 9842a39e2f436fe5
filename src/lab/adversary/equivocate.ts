/**
 * A member that signs everything twice: the first of each is what it should be, the second goes to its accomplices over
 * the side channel. Together they make a second set of evidence in which all of them lied, and a result under it.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { decode, encode } from '../../crypto/cbor.js'
import type { Signer } from '../../crypto/identity.js'
import { assess } from '../../pob/assess.js'
import { decodeEvidence, type Evidence, encodeEvidence, evidenceHashOf } from '../../pob/evidence.js'
import { digestsOf } from '../../pob/request.js'
import { resultDigest, voteDigest } from '../../pob/result.js'
import { type Testimony, testimonyDigest, testimonySchema } from '../../pob/slot.js'
import type { ChallengerBehaviour } from '../../roles/behaviour.js'
import { challengeFacts, memberFact, secondEvidenceFact, secondSignatures } from './facts.js'
import { lieHigh } from './lies.js'
import type { Fact, SideChannel } from './side-channel.js'

export interface EquivocatorContext {
  readonly identity: Signer
  readonly channel: SideChannel
}

export function equivocator({ identity, channel }: EquivocatorContext): Partial<ChallengerBehaviour> {
  return {
    testimony: async (honest, { digests, id, tauMicros }) => {
      const lie = lieHigh(honest, tauMicros)
      const signature = identity.sign(testimonyDigest(digests, id, lie))
      channel.tell(
        memberFact('second-testimony', digests.challengeId, id, identity.publicKey),
        bytesToHex(encode({ ...lie, signature })),
      )
      return honest
    },
    before: async (step, message) => {
      if (step !== 'evidence') return
      const evidence = decodeEvidence(message as Uint8Array)
      const digests = digestsOf(evidence.request)
      const { challengeId } = digests
      const lies = await channel.list(challengeFacts('second-testimony', challengeId))
      const second = withLies(evidence, lies)
      const bytes = encodeEvidence(second)
      const evidenceHash = evidenceHashOf(bytes)
      const { guaranteedKbps, estimateKbps, owed } = assess(second)
      const member = bytesToHex(identity.publicKey)
      const vote = identity.sign(voteDigest(digests, evidenceHash))
      const result = identity.sign(
        resultDigest(digests, { evidenceHash, guaranteedKbps, estimateKbps, owed }),
      )
      channel.tell(secondEvidenceFact(challengeId), bytesToHex(bytes))
      channel.tell(`${secondSignatures('vote', challengeId)}${member}`, bytesToHex(vote))
      channel.tell(`${secondSignatures('result', challengeId)}${member}`, bytesToHex(result))
      channel.count('second signatures made', 3)
    },
  }
}

/** The evidence with every testimony that its member signed a second time put in place of the first. */
export function withLies(evidence: Evidence, lies: readonly Fact[]): Evidence {
  const { plan } = evidence
  const slots = evidence.slots.map((record) => ({
    ...record,
    testimonies: record.testimonies.map((testimony, place) => {
      const key = plan.committee[record.slot * plan.teamSize + place]
      if (testimony === null || key === undefined) return testimony
      const name = memberFact('second-testimony', plan.challengeId, record, key)
      const lie = lies.find(([fact]) => fact === name)
      return lie === undefined ? testimony : testimonyOf(lie[1])
    }),
  }))
  return { ...evidence, slots }
}

function testimonyOf(hex: string): Testimony {
  return testimonySchema.read(decode(hexToBytes(hex)), 'testimony')
}
