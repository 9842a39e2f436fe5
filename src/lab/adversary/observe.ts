/** What an attack has done, as the laboratory sees it: what colluders counted, and what their second signatures are worth. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { addressOfPublicKey } from '../../crypto/address.js'
import { assess } from '../../pob/assess.js'
import { PROTOCOL_VERSION } from '../../pob/constants.js'
import { decodeEvidence } from '../../pob/evidence.js'
import { findProvableFaults } from '../../pob/provable-faults.js'
import { decodeTranscript, encodeTranscript } from '../../pob/transcript.js'
import { verifyTranscript } from '../../pob/verify.js'
import type { MeasureResult } from '../../roles/measure-result.js'
import type { HeldProof } from '../fault-files.js'
import { CORRUPT_FACTS, lastPart, secondEvidenceFact, secondSignatures } from './facts.js'
import type { SideChannelHub } from './side-channel.js'

export interface AttackObserved {
  /** By what corrupt daemons counted in this run. */
  readonly counts: Readonly<Record<string, number>>
  /** Layer-2 bytes that the third party was sent. */
  readonly victimBytes?: number
  /** Challengers that did not answer at some step. */
  readonly unresponsive: { readonly corrupt: number; readonly honest: number }
  /** Parties that two signatures, or a seed off its commitment, prove to be at fault. */
  readonly provenFaults: { readonly corrupt: number; readonly honest: number }
  /** Proofs that honest members have kept, opened: whom they accuse, and how many prove nothing. */
  readonly filed: {
    readonly corrupt: number
    readonly honest: number
    readonly void: number
    readonly holders: number
    readonly kinds: readonly string[]
  }
  /** The coalition's second transcript, where it made one. */
  readonly second?: {
    readonly guaranteedMbps: number
    readonly votes: number
    /** What `verify` says against it; none would be a success of the attack. */
    readonly faults: readonly string[]
  }
}

/** Looks at a run's transcript beside whatever else was signed for its challenge. */
export function observeAttack(
  transcript: Uint8Array,
  challengers: MeasureResult['challengers'],
  hub: SideChannelHub,
  parties: {
    readonly prover: { readonly publicKey: Uint8Array; readonly isCorrupt: boolean }
    readonly coordinatorIsCorrupt: boolean
    readonly held: readonly HeldProof[]
  },
): AttackObserved {
  const { prover, held } = parties
  const evidence = decodeEvidence(decodeTranscript(transcript).evidence)
  const second = secondTranscript(evidence.plan, hub)
  const { faults } = findProvableFaults(second === undefined ? [transcript] : [transcript, second.bytes])
  const corrupt = hub.list(CORRUPT_FACTS).map(([key]) => addressOfPublicKey(hexToBytes(lastPart(key))))
  const isCorrupt = (address: string) => corrupt.some((each) => each === address)
  const silent = challengers.filter(({ flags }) => flags.includes('unresponsive'))
  if (prover.isCorrupt) corrupt.push(addressOfPublicKey(prover.publicKey))
  if (parties.coordinatorIsCorrupt) corrupt.push(addressOfPublicKey(evidence.request.coordinator))
  const accused = [...new Set(faults.map((fault) => fault.accused))]
  return {
    counts: Object.fromEntries(hub.counts()),
    unresponsive: {
      corrupt: silent.filter(({ address }) => isCorrupt(address)).length,
      honest: silent.filter(({ address }) => !isCorrupt(address)).length,
    },
    provenFaults: {
      corrupt: accused.filter(isCorrupt).length,
      honest: accused.filter((address) => !isCorrupt(address)).length,
    },
    filed: filedOf(
      held.filter(({ holder }) => !isCorrupt(holder)),
      isCorrupt,
    ),
    ...(second === undefined
      ? {}
      : {
          second: {
            guaranteedMbps: second.guaranteedKbps / 1000,
            votes: second.votes,
            faults: [...new Set(verifyTranscript(second.bytes).faults.map(({ code }) => code))],
          },
        }),
  }
}

function filedOf(
  held: readonly HeldProof[],
  isCorrupt: (address: string) => boolean,
): AttackObserved['filed'] {
  const faults = held.flatMap(({ fault }) => (fault === undefined ? [] : [fault]))
  return {
    corrupt: faults.filter(({ accused }) => isCorrupt(accused)).length,
    honest: faults.filter(({ accused }) => !isCorrupt(accused)).length,
    void: held.length - faults.length,
    holders: new Set(held.map(({ holder }) => holder)).size,
    kinds: [...new Set(faults.map(({ kind }) => kind))].sort(),
  }
}

/** The coalition's evidence with all signatures that it has. */
function secondTranscript(
  { challengeId, committee }: { readonly challengeId: Uint8Array; readonly committee: readonly Uint8Array[] },
  hub: SideChannelHub,
) {
  const [made] = hub.list(secondEvidenceFact(challengeId))
  if (made === undefined) return undefined
  const signatures = (kind: 'vote' | 'result') => {
    const told = new Map(
      hub.list(secondSignatures(kind, challengeId)).map(([key, value]) => [lastPart(key), value]),
    )
    return committee.map((key) => {
      const signature = told.get(bytesToHex(key))
      return signature === undefined ? null : hexToBytes(signature)
    })
  }
  const evidence = hexToBytes(made[1])
  const { guaranteedKbps, estimateKbps, owed } = assess(decodeEvidence(evidence))
  const votes = signatures('vote')
  const bytes = encodeTranscript({
    version: PROTOCOL_VERSION,
    evidence,
    votes,
    guaranteedKbps,
    estimateKbps,
    owed,
    signatures: signatures('result'),
  })
  return { bytes, guaranteedKbps, votes: votes.filter((each) => each !== null).length }
}
