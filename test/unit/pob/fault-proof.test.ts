/**
 * Fault proofs: each kind round-trips and convicts; nothing that an honest party signed, however it is combined or
 * changed, convicts anybody.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encode } from '../../../src/crypto/cbor.js'
import { faultsInFiles } from '../../../src/pob/fault-files.js'
import {
  decodeFaultProof,
  encodeFaultProof,
  type FaultProof,
  MAX_FAULT_PROOF_BYTES,
  objectionTo,
  openFaultProof,
} from '../../../src/pob/fault-proof.js'
import { addressBytesOf } from '../../../src/pob/party.js'
import { planDigest, planStatementDigest } from '../../../src/pob/plan.js'
import { findProvableFaults, type ProvableFault } from '../../../src/pob/provable-faults.js'
import { digestsOf } from '../../../src/pob/request.js'
import { resultDigest } from '../../../src/pob/result.js'
import {
  ackListDigest,
  type Capture,
  commitmentDigest,
  type SlotRecord,
  seedHashOf,
  testimonyDigest,
} from '../../../src/pob/slot.js'
import { ChallengeDigests } from '../../../src/pob/structures.js'
import {
  buildChallenge,
  identityOf,
  sealed,
  signCapture,
  signTestimony,
  withSlot,
} from '../../support/challenge-builder.js'
import { anyValue, fuzzRuns, readOrRefuse } from '../../support/mutations.js'

const built = buildChallenge({
  label: 'proofs',
  chainId: 31337,
  verifyingContract: new Uint8Array(20).fill(9),
})
const { evidence, signers } = built
const { request, plan } = evidence
const digests = digestsOf(request)
const scope = { challengeId: digests.challengeId, ...digests.domain }

/** Four variants of the challenge that together hold every kind of fault. */
function faults(): readonly ProvableFault[] {
  const [member] = signers.members
  if (member === undefined) throw new Error('no member')
  const testified = (change: object) =>
    withSlot(evidence, 0, (record): SlotRecord => {
      const [first, ...rest] = record.testimonies
      if (first === null || first === undefined) throw new Error('no testimony')
      return {
        ...record,
        testimonies: [signTestimony({ request }, record, member, { ...first, ...change }), ...rest],
      }
    })
  const acked = withSlot(evidence, 0, (record) => {
    if (record.capture === null) throw new Error('no capture')
    const { signature: _, ...content } = record.capture
    const counts = content.counts.map((ack, k) => (k === 0 ? ack.map((count) => count + 1) : ack))
    return { ...record, capture: signCapture({ request, signers }, record, { ...content, counts }) }
  })
  const other = { ...plan, tauMicros: plan.tauMicros + 1 }
  const planned = { ...evidence, plan: other, planSignature: signers.payer.sign(planDigest(digests, other)) }
  const variants = [testified({ sentPackets: 1 }), acked, planned].map((each) => sealed(built, each))
  return [
    ...findProvableFaults([sealed(built), ...variants]).faults,
    ...findProvableFaults([sealed(built, testified({ seed: new Uint8Array(32).fill(3) }))]).faults,
  ]
}

const all = faults()
const ofKind = (kind: ProvableFault['kind']): ProvableFault => {
  const found = all.find((fault) => fault.kind === kind)
  if (found === undefined) throw new Error(`no fault of kind ${kind}`)
  return found
}
const KINDS = ['results', 'testimonies', 'seed', 'ack-lists', 'plans'] as const

describe.each(KINDS)('a proof of kind %s', (kind) => {
  const fault = ofKind(kind)
  const content = encodeFaultProof(scope, fault)

  it('is small, stands alone, and gives the fault back', () => {
    expect(content.length).toBeLessThan(4000)
    const opened = openFaultProof(content)
    expect(opened).toMatchObject({ ...scope, faults: [{ kind, accused: fault.accused }] })
    const [again] = opened.faults
    if (again === undefined) throw new Error('nothing came back')
    expect(encodeFaultProof(opened, again)).toEqual(content)
    expect(faultsInFiles([content, content]).faults).toHaveLength(1)
  })

  it('is the same in whichever order the statements were seen', () => {
    const turned = { ...fault } as Record<string, unknown>
    for (const name of ['results', 'testimonies', 'lists', 'plans'])
      if (Array.isArray(turned[name])) turned[name] = [...(turned[name] as unknown[])].reverse()
    expect(encodeFaultProof(scope, turned as unknown as ProvableFault)).toEqual(content)
    const proof = decodeFaultProof(content)
    if (proof.kind === 'seed') return
    const reversed = { ...proof, statements: [...proof.statements].reverse() } as FaultProof
    expect(objectionTo(reversed)).toContain('order')
  })

  it('convicts nobody once anything in it is changed', () => {
    const proof = decodeFaultProof(content)
    const elsewhere = new Uint8Array(20).fill(1)
    const changes: Partial<FaultProof>[] = [
      { chainId: 1 },
      { verifyingContract: elsewhere },
      { challengeId: new Uint8Array(32) },
      { accused: elsewhere },
      ...('slot' in proof ? [{ slot: proof.slot + 1 }, { attempt: proof.attempt + 1 }] : []),
    ]
    for (const change of changes) expect(objectionTo({ ...proof, ...change } as FaultProof)).toBeDefined()
    if (proof.kind === 'seed') return
    const [first] = proof.statements
    const twice = { ...proof, statements: [first, first] } as unknown as FaultProof
    expect(objectionTo(twice)).toContain('the same')
  })

  it('never takes another byte for itself', () => {
    fc.assert(
      fc.property(fc.nat(content.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = content.slice()
        bytes[at] = (bytes[at] ?? 0) ^ flip
        const read = readOrRefuse(() => decodeFaultProof(bytes))
        if (read === 'refused') return
        expect(encode(read)).toEqual(bytes)
        expect(objectionTo(read)).toBeDefined()
      }),
      { numRuns: fuzzRuns(0.02) },
    )
  })
})

describe('fault proofs', () => {
  it('are refused in one line where they are something else', () => {
    expect(readOrRefuse(() => decodeFaultProof(new Uint8Array(MAX_FAULT_PROOF_BYTES + 1)))).toBe('refused')
    expect(readOrRefuse(() => decodeFaultProof(sealed(built)))).toBe('refused')
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(readOrRefuse(() => decodeFaultProof(encode(value)))).toBe('refused')
      }),
      { numRuns: fuzzRuns(0.05) },
    )
  })
})

/**
 * One key in every role of several challenges on several chains, signing each thing once, as the locks have it. What it
 * signed is all that an accuser can hold.
 */
function honestStatements() {
  const party = identityOf('honest in everything')
  const accused = addressBytesOf(party.publicKey)
  const random = (n: number) => new Uint8Array(32).map((_, i) => (n * 31 + i * 7) & 255)
  const proofs: FaultProof[] = []
  const signatures: Uint8Array[] = []
  const statements: Record<FaultProof['kind'], unknown[]> = {
    results: [],
    testimonies: [],
    seed: [],
    'ack-lists': [],
    plans: [],
  }
  const scopes: Pick<FaultProof, 'version' | 'chainId' | 'verifyingContract' | 'challengeId' | 'accused'>[] =
    []
  const keep = <T extends object>(kind: FaultProof['kind'], value: T, digest: Uint8Array) => {
    const signature = party.sign(digest)
    signatures.push(signature)
    const signed = { ...value, signature }
    statements[kind].push(signed)
    return signed
  }
  let n = 0
  for (const chainId of [0, 1]) {
    const challengeId = random(chainId)
    const verifyingContract = new Uint8Array(20).fill(chainId)
    const own = new ChallengeDigests({ chainId, verifyingContract }, challengeId)
    const head = { version: 1, chainId, verifyingContract, challengeId, accused }
    scopes.push(head)
    const value = { evidenceHash: random(++n), guaranteedKbps: n, estimateKbps: n + 1, owed: random(n) }
    keep('results', value, resultDigest(own, value))
    const planHash = random(++n)
    keep('plans', { planHash }, planStatementDigest(own, { planHash, signature: new Uint8Array(65) }))
    for (const slot of [0, 1])
      for (const attempt of [0, 1]) {
        const id = { slot, attempt }
        const seed = random(++n)
        const terms = {
          seedHash: seedHashOf(seed, challengeId, accused, id),
          rateKbps: 1000,
          packetCount: 10,
        }
        const roots = [random(n), random(n + 1)]
        keep('ack-lists', { roots }, ackListDigest(own, id, roots))
        const content = {
          seed,
          ackListHash: ackListDigest(own, id, roots),
          ownMicros: [1000 + n, 2000],
          rttMicros: n,
          latenessMicros: 0,
          sentPackets: 10,
        }
        const commitment = keep('seed', terms, commitmentDigest(own, id, terms))
        const testimony = keep('testimonies', content, testimonyDigest(own, id, content))
        proofs.push({ ...head, ...id, kind: 'seed', commitment, testimony } as FaultProof)
      }
  }
  return { proofs, scopes, statements, signatures }
}

describe('an honest party', () => {
  const { proofs, scopes, statements, signatures } = honestStatements()
  const runs = [0, 1].flatMap((slot) => [0, 1].map((attempt) => ({ slot, attempt })))
  const pairs = <T>(items: readonly T[]) => items.flatMap((a) => items.map((b) => [a, b] as const))

  it('is convicted by no pair of its own statements, in any challenge, slot or chain', () => {
    for (const proof of proofs) expect(objectionTo(proof)).toContain('committed to')
    let tried = 0
    for (const head of scopes)
      for (const kind of ['results', 'testimonies', 'ack-lists', 'plans'] as const)
        for (const run of kind === 'results' || kind === 'plans' ? [{}] : runs)
          for (const pair of pairs(statements[kind])) {
            tried++
            expect(
              objectionTo({ ...head, ...run, kind, statements: pair } as unknown as FaultProof),
            ).toBeDefined()
          }
    expect(tried).toBeGreaterThan(1000)
  })

  it('is convicted by no commitment beside a testimony of another slot or challenge', () => {
    for (const head of scopes)
      for (const run of runs)
        for (const commitment of statements.seed.slice(0, 4))
          for (const testimony of statements.testimonies.slice(0, 4))
            expect(
              objectionTo({ ...head, ...run, kind: 'seed', commitment, testimony } as FaultProof),
            ).toBeDefined()
  })

  it('is convicted by nothing that borrows its signatures for other words', () => {
    const values = Object.values(statements).flat() as Record<string, unknown>[]
    const word = fc.oneof(
      fc.constantFrom(...values.flatMap((value) => Object.values(value))),
      fc.nat(1000),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
    )
    const forged = fc
      .tuple(fc.constantFrom(...KINDS), fc.nat(), fc.string(), word, fc.constantFrom(...signatures))
      .map(([kind, at, , value, signature]) => {
        const pool = statements[kind] as Record<string, unknown>[]
        const base = pool[at % pool.length] ?? {}
        const names = Object.keys(base).filter((name) => name !== 'signature')
        const name = names[at % names.length] ?? 'x'
        return { kind, statement: { ...base, [name]: value, signature } }
      })
    const genuine = fc
      .tuple(fc.constantFrom(...KINDS), fc.nat())
      .map(([kind, at]) => ({ kind, statement: statements[kind][at % statements[kind].length] }))
    fc.assert(
      fc.property(
        fc.constantFrom(...scopes),
        fc.constantFrom(...runs),
        fc.oneof(forged, genuine),
        fc.oneof(forged, genuine),
        (head, run, a, b) => {
          const pair =
            a.kind === 'seed'
              ? { commitment: a.statement, testimony: b.statement }
              : { statements: [a.statement, b.statement] }
          const place = a.kind === 'results' || a.kind === 'plans' ? {} : run
          const read = readOrRefuse(() =>
            decodeFaultProof(encode({ ...head, ...place, kind: a.kind, ...pair } as never)),
          )
          if (read !== 'refused') expect(objectionTo(read)).toBeDefined()
        },
      ),
      { numRuns: fuzzRuns(0.1) },
    )
  })

  it('would be convicted by a second statement: the search is strong enough to fail', () => {
    const party = identityOf('honest in everything')
    const [head] = scopes
    if (head === undefined) throw new Error('no scope')
    const own = new ChallengeDigests(head, head.challengeId)
    const value = {
      evidenceHash: new Uint8Array(32),
      guaranteedKbps: 7,
      estimateKbps: 7,
      owed: new Uint8Array(32),
    }
    const second = { ...value, signature: party.sign(resultDigest(own, value)) }
    const convictions = pairs([...statements.results, second]).filter(
      (pair) =>
        objectionTo({ ...head, kind: 'results', statements: pair } as unknown as FaultProof) === undefined,
    )
    expect(convictions).toHaveLength(1)
  })
})

describe('captures', () => {
  it('accuse nobody where their shape is wrong', () => {
    const shapeless = withSlot(evidence, 0, (record) => ({
      ...record,
      capture: { ...(record.capture as Capture), counts: [] },
    }))
    expect(
      findProvableFaults([sealed(built, shapeless), sealed(built)]).faults.map(({ kind }) => kind),
    ).not.toContain('ack-lists')
  })
})
