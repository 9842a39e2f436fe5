/**
 * Verification of a transcript by anybody, in three levels:
 *
 * | level | says | needs |
 * |---|---|---|
 * | consistent | bytes, digests and signatures agree; anyone could fabricate this with keys of their own | nothing |
 * | anchored | the committee follows from a beacon and a registry that the verifier trusts | both |
 * | settled | a chain holds the same value and hash | the chain |
 */

import { bytesToHex } from '@noble/hashes/utils.js'
import { type BeaconInfo, timeOfRound, verifyRound } from '../crypto/beacon.js'
import { UserError } from '../errors.js'
import { type Assessment, assess } from './assess.js'
import { drawCommittee } from './committee.js'
import { decodeEvidence, type Evidence, evidenceHashOf } from './evidence.js'
import type { Fault } from './fault.js'
import { sameBytes } from './party.js'
import { planDiffers } from './plan.js'
import type { Registry } from './registry.js'
import { digestsOf, roundIsAfterAcceptance } from './request.js'
import { quorum, resultDigest, signersOf, voteDigest } from './result.js'
import { decodeTranscript, type Transcript } from './transcript.js'

export const VERDICT_LEVELS = ['consistent', 'anchored', 'settled'] as const
export type VerdictLevel = (typeof VERDICT_LEVELS)[number]

/** What a chain holds of one challenge. */
export interface SettledRecord {
  readonly evidenceHash: Uint8Array
  readonly guaranteedKbps: number
  readonly estimateKbps: number
}

/** Whatever the verifier trusts; what is left out is not checked and its level not reached. */
export interface Anchors {
  readonly registry?: Registry
  readonly beacon?: BeaconInfo
  readonly settled?: SettledRecord
}

export interface Verdict {
  /** The highest level reached; undefined where the transcript is not even consistent. */
  readonly level: VerdictLevel | undefined
  /** In order of the checks; empty where everything that could be checked is right. */
  readonly faults: readonly Fault[]
  /** What was not given, so that the next level could not be tried. */
  readonly missing: readonly ('registry' | 'beacon' | 'chain')[]
  readonly evidence: Evidence | undefined
  readonly assessment: Assessment | undefined
  readonly evidenceHash: Uint8Array | undefined
}

const rejected = (message: string): Verdict => ({
  level: undefined,
  faults: [{ code: 'malformed', message }],
  missing: [],
  evidence: undefined,
  assessment: undefined,
  evidenceHash: undefined,
})

/** Checks the committee's statement over the evidence. */
function checkAgreement(
  transcript: Transcript,
  evidence: Evidence,
  assessment: Assessment,
  evidenceHash: Uint8Array,
): Fault[] {
  const faults: Fault[] = []
  const { plan } = evidence
  const digests = digestsOf(evidence.request)
  const needed = quorum(plan.committee.length, plan.faulty)
  const count = (name: 'vote' | 'result', signatures: readonly (Uint8Array | null)[], digest: Uint8Array) => {
    if (signatures.length !== plan.committee.length) {
      faults.push({
        code: name === 'vote' ? 'votes_missing' : 'signatures_missing',
        message: `there are ${signatures.length} places for ${name} signatures, not one for each of the ${plan.committee.length} members`,
      })
      return
    }
    const signers = signersOf(plan.committee, digest, signatures)
    const wrong = signatures.flatMap((signed, member) =>
      signed !== null && !signers.includes(member) ? [member] : [],
    )
    if (wrong.length > 0)
      faults.push({
        code: name === 'vote' ? 'vote_signature' : 'result_signature',
        message: `the ${name} signature of member ${wrong.join(', ')} is not its own over this ${name === 'vote' ? 'evidence' : 'result'}`,
      })
    if (signers.length < needed)
      faults.push({
        code: name === 'vote' ? 'votes_missing' : 'signatures_missing',
        message: `${signers.length} valid ${name} signatures, ${needed} of ${plan.committee.length} are needed`,
      })
  }
  // Evidence with a fault in it has no result to compare with.
  const inOrder = assessment.faults.length === 0
  if (
    inOrder &&
    (transcript.guaranteedKbps !== assessment.guaranteedKbps ||
      transcript.estimateKbps !== assessment.estimateKbps)
  )
    faults.push({
      code: 'result_value',
      message:
        `the transcript says guaranteed ${transcript.guaranteedKbps} and estimate ${transcript.estimateKbps} kbit/s, ` +
        `its evidence gives ${assessment.guaranteedKbps} and ${assessment.estimateKbps}`,
    })
  if (inOrder && !sameBytes(transcript.owed, assessment.owed))
    faults.push({ code: 'result_owed', message: 'the members owed are not those that the evidence shows' })
  count('vote', transcript.votes, voteDigest(digests, evidenceHash))
  const { guaranteedKbps, estimateKbps, owed } = transcript
  count(
    'result',
    transcript.signatures,
    resultDigest(digests, { evidenceHash, guaranteedKbps, estimateKbps, owed }),
  )
  return faults
}

/** Whether the committee is the one that a trusted beacon and registry give. */
export function checkAnchors(evidence: Evidence, registry: Registry, beacon: BeaconInfo): Fault[] {
  const { request, plan } = evidence
  const faults: Fault[] = []
  if (!sameBytes(request.registryHash, registry.hash))
    faults.push({
      code: 'registry_unknown',
      message: `the committee was drawn from registry ${bytesToHex(request.registryHash)}, the trusted one is ${bytesToHex(registry.hash)}`,
    })
  if (!sameBytes(request.beaconChain, beacon.chainHash))
    return [
      ...faults,
      {
        code: 'beacon_unknown',
        message: `the round is of beacon ${bytesToHex(request.beaconChain)}, the trusted one is ${bytesToHex(beacon.chainHash)}`,
      },
    ]
  if (!roundIsAfterAcceptance(timeOfRound(beacon, request.beaconRound), evidence.acceptedAt))
    faults.push({
      code: 'round_known_before',
      message: `round ${request.beaconRound} was out when the prover accepted: it could choose its committee`,
    })
  const randomness = verifyRound(beacon, request.beaconRound, plan.beaconSignature)
  if (randomness === false)
    return [
      ...faults,
      {
        code: 'beacon_signature',
        message: `round ${request.beaconRound} does not carry the beacon's signature`,
      },
    ]
  if (faults.length > 0) return faults
  const drawn = drawCommittee({ request, registryHash: registry.hash, entries: registry.entries, randomness })
  const differs =
    typeof drawn === 'string' ? `the registry gives no committee (${drawn})` : planDiffers(plan, drawn)
  return differs === undefined ? [] : [{ code: 'committee_differs', message: differs }]
}

/** Recomputes everything in a transcript. Never throws on bad content: that is what the verdict says. */
export function verifyTranscript(content: Uint8Array, anchors: Anchors = {}): Verdict {
  let transcript: Transcript
  let evidence: Evidence
  try {
    transcript = decodeTranscript(content)
    evidence = decodeEvidence(transcript.evidence)
  } catch (error) {
    if (error instanceof UserError) return rejected(error.message)
    throw error
  }
  const evidenceHash = evidenceHashOf(transcript.evidence)
  const assessment = assess(evidence)
  const faults = [...assessment.faults, ...checkAgreement(transcript, evidence, assessment, evidenceHash)]
  const base = { evidence, assessment, evidenceHash }
  if (faults.length > 0) return { level: undefined, faults, missing: [], ...base }

  const missing: ('registry' | 'beacon' | 'chain')[] = []
  if (anchors.registry === undefined) missing.push('registry')
  if (anchors.beacon === undefined) missing.push('beacon')
  if (anchors.settled === undefined) missing.push('chain')
  if (anchors.registry === undefined || anchors.beacon === undefined)
    return { level: 'consistent', faults, missing, ...base }
  const anchorFaults = checkAnchors(evidence, anchors.registry, anchors.beacon)
  if (anchorFaults.length > 0) return { level: 'consistent', faults: anchorFaults, missing, ...base }
  if (anchors.settled === undefined) return { level: 'anchored', faults, missing, ...base }
  const { settled } = anchors
  const same =
    sameBytes(settled.evidenceHash, evidenceHash) &&
    settled.guaranteedKbps === transcript.guaranteedKbps &&
    settled.estimateKbps === transcript.estimateKbps
  if (same) return { level: 'settled', faults, missing, ...base }
  const message = `the chain holds guaranteed ${settled.guaranteedKbps} and estimate ${settled.estimateKbps} kbit/s for evidence ${bytesToHex(settled.evidenceHash)}`
  return { level: 'anchored', faults: [{ code: 'not_settled', message }], missing, ...base }
}
