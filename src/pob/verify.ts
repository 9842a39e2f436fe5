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
import { type Committee, type CommitteeRefusal, drawCommittee } from './committee.js'
import { decodeEvidence, type Evidence, evidenceHashOf } from './evidence.js'
import type { Fault } from './fault.js'
import { sameBytes } from './party.js'
import { planDiffers } from './plan.js'
import type { Registry } from './registry.js'
import { digestsOf, roundIsAfterAcceptance } from './request.js'
import { quorum, type ResultValue, resultDigest, signersOf, voteDigest } from './result.js'
import { decodeTranscript, type Transcript } from './transcript.js'
import { DEFAULT_MAX_RECOMPUTED_BYTES, recomputedBytes } from './workload.js'

export const VERDICT_LEVELS = ['consistent', 'anchored', 'settled'] as const
export type VerdictLevel = (typeof VERDICT_LEVELS)[number]

/** What a chain knows of one challenge, read by the verifier itself (docs/contracts.md). */
export interface ChainRecord {
  readonly chainId: number
  /** 20 bytes: the ChallengeManager. */
  readonly verifyingContract: Uint8Array
  /** Unix seconds; undefined where no such challenge was opened. */
  readonly acceptedAt: number | undefined
  /** The committee that its seats give for a round's value. */
  readonly draw: (randomness: Uint8Array) => Committee | CommitteeRefusal
  /** The settled result; otherwise the contract's word for where the challenge stands. */
  readonly result: ResultValue | string
  /** What disputes left of it: a settled result stays on the chain whatever is proven of its signers later. */
  readonly standing: ChainStanding
}

export interface ChainStanding {
  /** Those who signed the settled result and have no proven fault in this challenge. */
  readonly signers: number
  readonly quorum: number
  /** The prover was proven to have signed two ack lists. */
  readonly proverFaulty: boolean
}

/** Whatever the verifier trusts; what is left out is not checked and its level not reached. */
export interface Anchors {
  readonly registry?: Registry
  readonly beacon?: BeaconInfo
  /** For a challenge on a chain, in the registry's place. */
  readonly chain?: ChainRecord
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
  return [...faults, ...checkSignatures(transcript, evidence, evidenceHash)]
}

/** The votes and the signatures under the result that the transcript states, whether or not the evidence gives it. */
function checkSignatures(transcript: Transcript, evidence: Evidence, evidenceHash: Uint8Array): Fault[] {
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
  const { request } = evidence
  const { hash: registryHash, entries } = registry
  const faults: Fault[] = []
  if (!sameBytes(request.registryHash, registryHash))
    faults.push({
      code: 'registry_unknown',
      message: `the committee was drawn from registry ${bytesToHex(request.registryHash)}, the trusted one is ${bytesToHex(registryHash)}`,
    })
  return checkDraw(evidence, beacon, faults, (randomness) =>
    drawCommittee({ request, registryHash, entries, randomness }),
  )
}

/** Whether the challenge was opened on this chain, and its committee is the one that the chain's seats give. */
export function checkChainAnchors(evidence: Evidence, chain: ChainRecord, beacon: BeaconInfo): Fault[] {
  const { request, acceptedAt } = evidence
  if (request.chainId !== chain.chainId || !sameBytes(request.verifyingContract, chain.verifyingContract))
    return [
      {
        code: 'chain_unknown',
        message: `the challenge is of contract 0x${bytesToHex(request.verifyingContract)} on chain ${request.chainId}, compared with 0x${bytesToHex(chain.verifyingContract)} on chain ${chain.chainId}`,
      },
    ]
  if (chain.acceptedAt === undefined)
    return [{ code: 'chain_unknown', message: 'the chain has no such challenge' }]
  const faults: Fault[] = []
  if (chain.acceptedAt !== acceptedAt)
    faults.push({
      code: 'round_known_before',
      message: `the transcript says that the prover accepted at ${acceptedAt}, the chain says ${chain.acceptedAt}`,
    })
  return checkDraw(evidence, beacon, faults, chain.draw)
}

function checkDraw(
  evidence: Evidence,
  beacon: BeaconInfo,
  faults: Fault[],
  draw: (randomness: Uint8Array) => Committee | CommitteeRefusal,
): Fault[] {
  const { request, plan } = evidence
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
  const drawn = draw(randomness)
  const differs =
    typeof drawn === 'string' ? `the registry gives no committee (${drawn})` : planDiffers(plan, drawn)
  return differs === undefined ? [] : [{ code: 'committee_differs', message: differs }]
}

/** Each way in which a transcript differs from what the chain settled. */
export function checkSettled(
  transcript: Transcript,
  evidenceHash: Uint8Array,
  result: ChainRecord['result'],
): Fault[] {
  if (typeof result === 'string')
    return [{ code: 'not_settled', message: `the chain has settled nothing: the challenge is "${result}"` }]
  const faults: Fault[] = []
  if (!sameBytes(result.evidenceHash, evidenceHash))
    faults.push({
      code: 'settled_hash',
      message: `the evidence hashes to ${bytesToHex(evidenceHash)}, the chain settled ${bytesToHex(result.evidenceHash)}`,
    })
  for (const name of ['guaranteedKbps', 'estimateKbps'] as const)
    if (result[name] !== transcript[name])
      faults.push({
        code: 'settled_value',
        message: `${name} is ${transcript[name]} in the transcript and ${result[name]} on the chain`,
      })
  if (!sameBytes(result.owed, transcript.owed))
    faults.push({ code: 'settled_value', message: 'the members owed are not those of the chain' })
  return faults
}

/** What proven faults take from a settled result. */
export function checkStanding({ signers, quorum, proverFaulty }: ChainStanding): Fault[] {
  const faults: Fault[] = []
  if (signers < quorum)
    faults.push({
      code: 'quorum_faulty',
      message: `faults of its signers were proven: ${signers} without one are left, ${quorum} are needed`,
    })
  if (proverFaulty)
    faults.push({ code: 'prover_faulty', message: 'a fault of the prover in this challenge was proven' })
  return faults
}

export interface VerifyLimits {
  /** Traffic that is recomputed at most; {@link DEFAULT_MAX_RECOMPUTED_BYTES} by default. */
  readonly maxRecomputedBytes?: number
}

/** Recomputes everything in a transcript. Never throws on bad content: that is what the verdict says. */
export function verifyTranscript(
  content: Uint8Array,
  anchors: Anchors = {},
  limits: VerifyLimits = {},
): Verdict {
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
  const { chain, registry, beacon } = anchors
  const settledFaults =
    chain === undefined
      ? []
      : [
          ...checkSettled(transcript, evidenceHash, chain.result),
          ...(typeof chain.result === 'string' ? [] : checkStanding(chain.standing)),
        ]
  const traffic = recomputedBytes(evidence)
  const allowed = limits.maxRecomputedBytes ?? DEFAULT_MAX_RECOMPUTED_BYTES
  if (traffic > allowed) {
    const faults = withoutTraffic(transcript, evidence, evidenceHash, anchors)
    const limit = tooMuchTraffic(traffic, allowed)
    const all = [...faults, limit, ...settledFaults]
    return { level: undefined, faults: all, missing: [], evidence, assessment: undefined, evidenceHash }
  }
  const assessment = assess(evidence)
  const faults = [...assessment.faults, ...checkAgreement(transcript, evidence, assessment, evidenceHash)]
  const base = { evidence, assessment, evidenceHash }
  // What was settled is said of a transcript that is wrong in itself too: it tells which of the two was changed.
  if (faults.length > 0)
    return { level: undefined, faults: [...faults, ...settledFaults], missing: [], ...base }

  const isOnChain = evidence.request.chainId !== 0
  const missing: ('registry' | 'beacon' | 'chain')[] = []
  if (registry === undefined && !isOnChain) missing.push('registry')
  if (beacon === undefined) missing.push('beacon')
  if (chain === undefined) missing.push('chain')
  const anchorFaults = checkAgainst(evidence, anchors)
  if (anchorFaults === undefined) return { level: 'consistent', faults, missing, ...base }
  if (anchorFaults.length > 0) return { level: 'consistent', faults: anchorFaults, missing, ...base }
  if (chain === undefined || settledFaults.length > 0)
    return { level: 'anchored', faults: settledFaults, missing, ...base }
  return { level: 'settled', faults, missing, ...base }
}

/** Faults against whatever the verifier trusts; undefined where it named too little to tell. */
function checkAgainst(evidence: Evidence, { chain, registry, beacon }: Anchors): Fault[] | undefined {
  const isOnChain = evidence.request.chainId !== 0
  if (beacon === undefined || (isOnChain ? chain : registry) === undefined) return undefined
  if (chain !== undefined) return checkChainAnchors(evidence, chain, beacon)
  return registry === undefined ? undefined : checkAnchors(evidence, registry, beacon)
}

/**
 * What can be said of evidence whose traffic is not recomputed: signatures and anchors cost milliseconds, and mostly
 * tell a transcript that was made to keep verifiers busy from the measurement of a fast line.
 */
function withoutTraffic(
  transcript: Transcript,
  evidence: Evidence,
  evidenceHash: Uint8Array,
  anchors: Anchors,
): Fault[] {
  const { faults } = assess(evidence, { signaturesOnly: true })
  const agreement = checkSignatures(transcript, evidence, evidenceHash)
  return [...faults, ...agreement, ...(checkAgainst(evidence, anchors) ?? [])]
}

function tooMuchTraffic(bytes: number, allowed: number): Fault {
  // Rounded up, so that the limit named is one that suffices.
  const gib = (value: number) => Math.ceil((value / 2 ** 30) * 100) / 100
  return {
    code: 'too_much_traffic',
    message: `${gib(bytes)} GiB of traffic are to be recomputed, more than the ${gib(allowed)} GiB allowed`,
  }
}
