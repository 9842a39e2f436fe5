/**
 * One provable fault as a file of its own (docs/protocol.md section 13): the two contradicting statements with their
 * signatures, and the domain and challenge that their digests name. Nothing else is needed to judge it.
 */
import { encode } from '../crypto/cbor.js'
import {
  array,
  bytes,
  decodeAs,
  enumeration,
  type Infer,
  integer,
  object,
  type Schema,
  union,
} from '../crypto/cbor-schema.js'
import { addressBytes, checksumAddress, recoverAddress } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import { MAX_ACKS, PROTOCOL_VERSION } from './constants.js'
import { sameBytes } from './party.js'
import { planStatementDigest } from './plan.js'
import type { FaultScope, FaultSearch, ProvableFault } from './provable-faults.js'
import { hash, signature } from './request.js'
import { resultDigest } from './result.js'
import {
  ackListDigest,
  attemptNumber,
  commitmentDigest,
  commitmentSchema,
  seedHashOf,
  slotNumber,
  testimonyDigest,
  testimonySchema,
} from './slot.js'
import { ChallengeDigests } from './structures.js'
import { MAX_RATE_KBPS } from './transcript.js'

/** Two lists of 256 roots are 18 kB, everything else less than 4. */
export const MAX_FAULT_PROOF_BYTES = 32 * 1024

const scope = {
  version: integer({ min: 1, max: 1 }),
  chainId: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  verifyingContract: bytes({ length: 20 }),
  challengeId: hash,
  accused: bytes({ length: 20 }),
}
const run = { slot: slotNumber, attempt: attemptNumber }
const two = <T>(statement: Schema<T>) => array(statement, { min: 2, max: 2 })
const kbps = integer({ max: MAX_RATE_KBPS })

export const faultProofSchema = union('kind', {
  results: object({
    ...scope,
    kind: enumeration('results'),
    statements: two(
      object({ evidenceHash: hash, guaranteedKbps: kbps, estimateKbps: kbps, owed: hash, signature }),
    ),
  }),
  testimonies: object({
    ...scope,
    ...run,
    kind: enumeration('testimonies'),
    statements: two(testimonySchema),
  }),
  seed: object({
    ...scope,
    ...run,
    kind: enumeration('seed'),
    commitment: commitmentSchema,
    testimony: testimonySchema,
  }),
  'ack-lists': object({
    ...scope,
    ...run,
    kind: enumeration('ack-lists'),
    statements: two(object({ roots: array(hash, { max: MAX_ACKS }), signature })),
  }),
  plans: object({
    ...scope,
    kind: enumeration('plans'),
    statements: two(object({ planHash: hash, signature })),
  }),
})
export type FaultProof = Infer<typeof faultProofSchema>

/** The file of a fault. The same fault gives the same bytes, in whichever order its statements were seen. */
export function encodeFaultProof(
  { challengeId, chainId, verifyingContract }: FaultScope,
  fault: ProvableFault,
): Uint8Array {
  const accused = addressBytes(fault.accused)
  const head = { version: PROTOCOL_VERSION, chainId, verifyingContract, challengeId, accused }
  return encode(inOrder(proofOf(head, fault)))
}

function proofOf(
  head: Pick<FaultProof, 'version' | 'chainId' | 'verifyingContract' | 'challengeId' | 'accused'>,
  fault: ProvableFault,
): FaultProof {
  switch (fault.kind) {
    case 'results':
      return {
        ...head,
        kind: 'results',
        statements: fault.results.map(({ value, signature }) => ({ ...value, signature })),
      }
    case 'testimonies':
      return { ...head, ...fault.run, kind: 'testimonies', statements: fault.testimonies }
    case 'seed': {
      const { commitment, testimony } = fault
      return { ...head, ...fault.run, kind: 'seed', commitment, testimony }
    }
    case 'ack-lists':
      return {
        ...head,
        ...fault.run,
        kind: 'ack-lists',
        statements: fault.lists.map(({ value, signature }) => ({ roots: value, signature })),
      }
    case 'plans':
      return { ...head, kind: 'plans', statements: fault.plans }
  }
}

interface SignedDigest {
  readonly digest: Uint8Array
  readonly signature: Uint8Array
}

/** What the accused must have signed: two digests. */
function signedDigests(proof: FaultProof): readonly SignedDigest[] {
  const { chainId, verifyingContract, challengeId } = proof
  const digests = new ChallengeDigests({ chainId, verifyingContract }, challengeId)
  switch (proof.kind) {
    case 'results':
      return proof.statements.map((each) => signed(resultDigest(digests, each), each))
    case 'testimonies':
      return proof.statements.map((each) => signed(testimonyDigest(digests, proof, each), each))
    case 'seed':
      return [
        signed(commitmentDigest(digests, proof, proof.commitment), proof.commitment),
        signed(testimonyDigest(digests, proof, proof.testimony), proof.testimony),
      ]
    case 'ack-lists':
      return proof.statements.map((each) => signed(ackListDigest(digests, proof, each.roots), each))
    case 'plans':
      return proof.statements.map((each) => signed(planStatementDigest(digests, each), each))
  }
}

const signed = (digest: Uint8Array, { signature }: { readonly signature: Uint8Array }): SignedDigest => ({
  digest,
  signature,
})

/** Statements of one kind stand in the order of their digests. */
function inOrder(proof: FaultProof): FaultProof {
  if (proof.kind === 'seed') return proof
  const [first, second] = signedDigests(proof)
  const turned =
    first !== undefined && second !== undefined && Buffer.compare(first.digest, second.digest) > 0
  return turned ? ({ ...proof, statements: [...proof.statements].reverse() } as FaultProof) : proof
}

/** @throws UserError BAD_MESSAGE for bytes that are no fault proof; whether it proves anything is {@link objectionTo}'s to say */
export function decodeFaultProof(content: Uint8Array): FaultProof {
  return decodeAs(faultProofSchema, content, 'fault proof', { maxBytes: MAX_FAULT_PROOF_BYTES })
}

/** Why a fault proof proves nothing, or undefined where the accused is guilty of what it says. */
export function objectionTo(proof: FaultProof): string | undefined {
  const [first, second] = signedDigests(proof)
  if (first === undefined || second === undefined) return 'there are not two statements'
  if (proof.kind === 'seed') {
    const opened = seedHashOf(proof.testimony.seed, proof.challengeId, proof.accused, proof)
    if (sameBytes(opened, proof.commitment.seedHash)) return 'the seed is the one that was committed to'
  } else {
    const order = Buffer.compare(first.digest, second.digest)
    if (order === 0) return 'both statements are the same: they contradict nothing'
    if (order > 0) return 'the statements do not stand in the order of their digests'
  }
  for (const [i, { digest, signature }] of [first, second].entries()) {
    const signer = recoverAddress(digest, signature)
    if (signer === undefined || !sameBytes(addressBytes(signer), proof.accused))
      return `statement ${i + 1} is not signed by the accused`
  }
  return undefined
}

/** The fault that a proof proves. @throws UserError BAD_MESSAGE for other bytes, VERIFICATION_FAILED where it proves nothing */
export function openFaultProof(content: Uint8Array): FaultSearch {
  const proof = decodeFaultProof(content)
  const objection = objectionTo(proof)
  if (objection !== undefined)
    throw new UserError(`the file proves no fault: ${objection}`, {
      code: 'VERIFICATION_FAILED',
      remedy: 'trust nothing of it',
    })
  const { challengeId, chainId, verifyingContract } = proof
  return { challengeId, chainId, verifyingContract, faults: [faultOf(proof)] }
}

function faultOf(proof: FaultProof): ProvableFault {
  const accused = checksumAddress(proof.accused)
  switch (proof.kind) {
    case 'results': {
      const pair = proof.statements.map(({ signature, ...value }) => ({ value, signature }))
      return { kind: 'results', accused, results: pairOf(pair) }
    }
    case 'testimonies':
      return { kind: 'testimonies', accused, run: runOf(proof), testimonies: pairOf(proof.statements) }
    case 'seed': {
      const { commitment, testimony } = proof
      return { kind: 'seed', accused, run: runOf(proof), commitment, testimony }
    }
    case 'ack-lists': {
      const pair = proof.statements.map(({ roots, signature }) => ({ value: roots, signature }))
      return { kind: 'ack-lists', accused, run: runOf(proof), lists: pairOf(pair) }
    }
    case 'plans':
      return { kind: 'plans', accused, plans: pairOf(proof.statements) }
  }
}

const runOf = ({ slot, attempt }: { readonly slot: number; readonly attempt: number }) => ({ slot, attempt })

function pairOf<T>([first, second]: readonly T[]): readonly [T, T] {
  if (first === undefined || second === undefined) throw new RangeError('not a pair')
  return [first, second]
}
