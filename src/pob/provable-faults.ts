/**
 * Faults that two signatures prove (docs/protocol.md section 13), found in transcripts of one challenge. One transcript
 * shows a seed off its commitment; the others take two that contradict each other. A structure whose signature is not its
 * party's own accuses nobody.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { type Address, addressOfPublicKey } from '../crypto/address.js'
import { verifySignature } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import { decodeEvidence, type Evidence, evidenceHashOf } from './evidence.js'
import { addressBytesOf, sameBytes } from './party.js'
import { type PlanStatement, planHashOf, planStatementDigest } from './plan.js'
import { challengeIdOf, digestsOf } from './request.js'
import { type ResultValue, resultDigest } from './result.js'
import {
  ackListDigest,
  type Commitment,
  capturedRoots,
  captureFault,
  commitmentDigest,
  type SlotId,
  seedHashOf,
  type Testimony,
  testimonyDigest,
} from './slot.js'
import type { ChallengeDigests } from './structures.js'
import { decodeTranscript, type Transcript } from './transcript.js'

export interface SignedValue<T> {
  readonly value: T
  /** 65 bytes. */
  readonly signature: Uint8Array
}

export type ProvableFault = { readonly accused: Address } & (
  | {
      readonly kind: 'seed'
      readonly run: SlotId
      readonly commitment: Commitment
      readonly testimony: Testimony
    }
  | {
      readonly kind: 'testimonies'
      readonly run: SlotId
      readonly testimonies: readonly [Testimony, Testimony]
    }
  | {
      readonly kind: 'results'
      readonly results: readonly [SignedValue<ResultValue>, SignedValue<ResultValue>]
    }
  | {
      /** By the coordinator; the contracts take the other four alone. */
      readonly kind: 'plans'
      readonly plans: readonly [PlanStatement, PlanStatement]
    }
  | {
      readonly kind: 'ack-lists'
      readonly run: SlotId
      /** The roots of each list. */
      readonly lists: readonly [SignedValue<readonly Uint8Array[]>, SignedValue<readonly Uint8Array[]>]
    }
)

/** What a fault's signatures name besides: the challenge, and the domain of its digests. */
export interface FaultScope {
  /** 32 bytes. */
  readonly challengeId: Uint8Array
  readonly chainId: number
  /** 20 bytes. */
  readonly verifyingContract: Uint8Array
}

export interface FaultSearch extends FaultScope {
  /** At most one of a kind for each accused. */
  readonly faults: readonly ProvableFault[]
}

/** More say nothing that two do not. */
const MAX_TRANSCRIPTS = 16

/** @throws UserError BAD_ARGUMENT where the transcripts are of several challenges, BAD_MESSAGE for what is none */
export function findProvableFaults(transcripts: readonly Uint8Array[]): FaultSearch {
  if (transcripts.length === 0 || transcripts.length > MAX_TRANSCRIPTS)
    throw new UserError(`${transcripts.length} transcripts were given`, {
      code: 'BAD_ARGUMENT',
      remedy: `give 1 to ${MAX_TRANSCRIPTS} of one challenge`,
      exitStatus: 2,
    })
  return findFaults(
    transcripts.map((bytes) => {
      const transcript = decodeTranscript(bytes)
      return { transcript, evidence: decodeEvidence(transcript.evidence) }
    }),
  )
}

/** Evidence, with the transcript that it stands in where there is one. */
export interface FaultSource {
  readonly evidence: Evidence
  readonly transcript?: Transcript
}

/** @throws UserError BAD_ARGUMENT where they are of several challenges */
export function findFaults(sources: readonly FaultSource[]): FaultSearch {
  const [first] = sources
  if (first === undefined) throw new RangeError('nothing to look into')
  const { request } = first.evidence
  const digests = digestsOf(request)
  if (sources.some(({ evidence }) => !sameBytes(challengeIdOf(evidence.request), digests.challengeId)))
    throw new UserError('the transcripts are of several challenges', {
      code: 'BAD_ARGUMENT',
      remedy: 'give those of one challenge',
      exitStatus: 2,
    })
  const found = new FaultBook()
  for (const { evidence } of sources) {
    for (const fault of findSeedFaults(evidence)) found.add(fault)
    seeTestimonies(evidence, digests, found)
    seePlan(evidence, digests, found)
  }
  for (const { evidence } of sources) seeProver(evidence, digests, found)
  for (const { transcript, evidence } of sources)
    if (transcript !== undefined) seeResults(transcript, evidence, digests, found)
  const { chainId, verifyingContract } = request
  return { challengeId: digests.challengeId, chainId, verifyingContract, faults: found.faults() }
}

function seeResults(transcript: Transcript, { plan }: Evidence, digests: ChallengeDigests, found: FaultBook) {
  const { guaranteedKbps, estimateKbps, owed } = transcript
  const value = { evidenceHash: evidenceHashOf(transcript.evidence), guaranteedKbps, estimateKbps, owed }
  const digest = resultDigest(digests, value)
  plan.committee.forEach((key, member) => {
    const signature = transcript.signatures[member] ?? null
    if (signature === null || !verifySignature(key, digest, signature)) return
    found.see(key, 'result', digest, { value, signature }, (results) => ({ kind: 'results', results }))
  })
}

/** What was signed by whom, and the first contradiction of each kind. */
class FaultBook {
  readonly #seen = new Map<string, { readonly digest: Uint8Array; readonly statement: unknown }>()
  readonly #faults = new Map<string, ProvableFault>()

  add(fault: ProvableFault): void {
    const name = `${fault.accused}/${fault.kind}`
    if (!this.#faults.has(name)) this.#faults.set(name, fault)
  }

  /** A signed statement about one thing; two with different digests are a fault. */
  see<T>(
    signer: Uint8Array,
    thing: string,
    digest: Uint8Array,
    statement: T,
    contradiction: (pair: readonly [T, T]) => DistributiveOmit<ProvableFault, 'accused'>,
  ): void {
    const name = `${bytesToHex(signer)}/${thing}`
    const before = this.#seen.get(name)
    if (before === undefined) this.#seen.set(name, { digest, statement })
    else if (!sameBytes(before.digest, digest))
      // The same name always holds the same type of statement.
      this.add({
        accused: addressOfPublicKey(signer),
        ...contradiction([before.statement as T, statement]),
      } as ProvableFault)
  }

  faults(): readonly ProvableFault[] {
    return [...this.#faults.values()]
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** Seeds that do not open their signed commitments. Cheap where there is none: signatures are looked at last. */
export function findSeedFaults({ request, plan, slots }: Pick<Evidence, 'request' | 'plan' | 'slots'>) {
  const digests = digestsOf(request)
  return slots.flatMap(({ slot, attempt, commitments, testimonies }) =>
    testimonies.flatMap((testimony, place): ProvableFault[] => {
      const run = { slot, attempt }
      const key = plan.committee[slot * plan.teamSize + place]
      const commitment = commitments[place] ?? null
      if (testimony === null || commitment === null || key === undefined) return []
      const opened = seedHashOf(testimony.seed, digests.challengeId, addressBytesOf(key), run)
      if (sameBytes(opened, commitment.seedHash)) return []
      const isOwn =
        verifySignature(key, testimonyDigest(digests, run, testimony), testimony.signature) &&
        verifySignature(key, commitmentDigest(digests, run, commitment), commitment.signature)
      return isOwn ? [{ kind: 'seed', accused: addressOfPublicKey(key), run, commitment, testimony }] : []
    }),
  )
}

function seeTestimonies({ plan, slots }: Evidence, digests: ChallengeDigests, found: FaultBook): void {
  for (const { slot, attempt, testimonies } of slots)
    testimonies.forEach((testimony, place) => {
      const run = { slot, attempt }
      const key = plan.committee[slot * plan.teamSize + place]
      if (testimony === null || key === undefined) return
      const digest = testimonyDigest(digests, run, testimony)
      if (!verifySignature(key, digest, testimony.signature)) return
      found.see(key, `testimony/${slot}/${attempt}`, digest, testimony, (pair) => ({
        kind: 'testimonies',
        run,
        testimonies: pair,
      }))
    })
}

function seePlan({ request, plan, planSignature }: Evidence, digests: ChallengeDigests, found: FaultBook) {
  const statement = { planHash: planHashOf(plan), signature: planSignature }
  const digest = planStatementDigest(digests, statement)
  if (!verifySignature(request.coordinator, digest, planSignature)) return
  found.see(request.coordinator, 'plan', digest, statement, (plans) => ({ kind: 'plans', plans }))
}

function seeProver({ request, plan, slots }: Evidence, digests: ChallengeDigests, found: FaultBook): void {
  for (const { slot, attempt, capture } of slots) {
    if (capture === null || captureFault(capture, plan.teamSize) !== undefined) continue
    const run = { slot, attempt }
    const roots = capturedRoots(capture)
    const digest = ackListDigest(digests, run, roots)
    if (!verifySignature(request.prover, digest, capture.signature)) continue
    const list = { value: roots, signature: capture.signature }
    found.see(request.prover, `acks/${slot}/${attempt}`, digest, list, (lists) => ({
      kind: 'ack-lists',
      run,
      lists,
    }))
  }
}
