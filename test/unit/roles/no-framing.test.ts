/**
 * Nobody honest is framed: a corrupt coordinator with the prover's, the payer's and the other members' keys sends one real
 * member whatever it likes in any order, restarts it in between, and tries every pair of what it got signed as a fault proof.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { timeOfRound } from '../../../src/crypto/beacon.js'
import { safetyStore } from '../../../src/node/safety-store.js'
import { assess } from '../../../src/pob/assess.js'
import { drawCommittee } from '../../../src/pob/committee.js'
import { decodeEvidence, type Evidence, encodeEvidence, evidenceHashOf } from '../../../src/pob/evidence.js'
import { decodeFaultProof, encodeFaultProof, objectionTo } from '../../../src/pob/fault-proof.js'
import { planDigest } from '../../../src/pob/plan.js'
import type { ProvableFault } from '../../../src/pob/provable-faults.js'
import { digestsOf } from '../../../src/pob/request.js'
import { type ResultValue, voteDigest } from '../../../src/pob/result.js'
import { ackListDigest, type Commitment, type SlotId, type Testimony } from '../../../src/pob/slot.js'
import { honestChallenger } from '../../../src/roles/behaviour.js'
import { sign, vote } from '../../../src/roles/challenger/evidence.js'
import { finish } from '../../../src/roles/challenger/finish.js'
import { signNoResult } from '../../../src/roles/challenger/no-result.js'
import { acceptPlan } from '../../../src/roles/challenger/plan.js'
import { openSession } from '../../../src/roles/challenger/session.js'
import { arm, reveal } from '../../../src/roles/challenger/slot.js'
import { ChallengeTable } from '../../../src/roles/challenger/table.js'
import type { Admission, Served } from '../../../src/roles/control-messages.js'
import { Refusal } from '../../../src/roles/protocol-error.js'
import { RegistrySource } from '../../../src/roles/registry-source.js'
import { openStore, type Store } from '../../../src/store/index.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { buildChallenge } from '../../support/challenge-builder.js'
import { fuzzRuns } from '../../support/mutations.js'

const built = buildChallenge({ label: 'framing', claimKbps: 700, committeeSize: 3, faulty: 1, teamSize: 1 })
const { signers, evidence } = built
const { request, plan, payerSignature, acceptedAt, acceptanceSignature } = evidence
const { prover, coordinator, members } = signers
const digests = digestsOf(request)
const { challengeId } = digests
const [victim] = members
if (victim === undefined) throw new Error('no member')
const admission: Admission = {
  request,
  payerSignature,
  acceptedAt,
  acceptanceSignature,
  beaconSignature: plan.beaconSignature,
}
const asProver = { publicKey: prover.publicKey, peerId: prover.peerId }
const asCoordinator = { publicKey: coordinator.publicKey, peerId: coordinator.peerId }
const [, otherMember] = members
const asMember = {
  publicKey: otherMember?.publicKey ?? new Uint8Array(33),
  peerId: otherMember?.peerId ?? '',
}
const drawn = drawCommittee({
  request,
  registryHash: built.registry.hash,
  entries: built.registry.entries,
  randomness: sha256(plan.beaconSignature),
})
if (typeof drawn === 'string') throw new Error(drawn)
const committee = drawn
const nowMs = timeOfRound(built.beacon, request.beaconRound) * 1000 + 1000

type Step =
  | { readonly do: 'session' | 'finish' | 'restart' }
  | { readonly do: 'plan' | 'vote' | 'sign' | 'no-result'; readonly variant: number }
  | { readonly do: 'arm'; readonly attempt: number }
  | { readonly do: 'reveal'; readonly attempt: number; readonly variant: number }

const variant = fc.nat(1)
const attempt = fc.nat(1)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('session', 'finish', 'restart') }),
  fc.record({ do: fc.constantFrom('plan', 'vote', 'sign', 'no-result'), variant }),
  fc.record({ do: fc.constant('arm'), attempt }),
  fc.record({ do: fc.constant('reveal'), attempt, variant }),
) as fc.Arbitrary<Step>
/** Otherwise hardly any order would get as far as a signature. */
const usefulStart: readonly Step[] = [
  { do: 'session' },
  { do: 'plan', variant: 0 },
  { do: 'arm', attempt: 0 },
  { do: 'reveal', attempt: 0, variant: 0 },
]
const steps = fc
  .tuple(fc.boolean(), fc.nat(4), fc.array(anyStep, { minLength: 8, maxLength: 16 }))
  .map(([useful, length, more]) => [...(useful ? usefulStart.slice(0, length) : []), ...more])

const signedResult: readonly Step[] = [
  { do: 'vote', variant: 0 },
  { do: 'sign', variant: 0 },
]
const fruitful: readonly [Step[]][] = [
  [[...usefulStart, ...signedResult]],
  [[...usefulStart, { do: 'restart' }, { do: 'plan', variant: 0 }, ...signedResult]],
  [[...usefulStart, { do: 'finish' }, { do: 'plan', variant: 0 }, { do: 'reveal', attempt: 0, variant: 1 }]],
]

/** What the adversary got out of the victim. */
interface Loot {
  readonly commitments: { readonly run: SlotId; readonly commitment: Commitment }[]
  readonly testimonies: { readonly run: SlotId; readonly testimony: Testimony }[]
  readonly results: { readonly value: ResultValue; readonly signature: Uint8Array }[]
}

class Attack {
  readonly loot: Loot = { commitments: [], testimonies: [], results: [] }
  readonly #evidence = new Map<number, Uint8Array>()
  #table: ChallengeTable
  #store: Store

  private constructor(
    readonly directory: string,
    store: Store,
  ) {
    this.#store = store
    this.#table = this.#open()
  }

  static async begin(directory: string): Promise<Attack> {
    return new Attack(directory, await openStore(join(directory, 'store'), { now: () => nowMs }))
  }

  end(): Promise<void> {
    return this.#store.close()
  }

  #open(): ChallengeTable {
    const source = new RegistrySource({ registry: () => built.registry, beacon: built.beacon })
    // The round is verified once: pairings would be all that the time goes to.
    const always = Object.assign(source, { isOverdue: async () => true, committeeOf: async () => committee })
    const plane = {
      addSession: async () => {},
      removeSession: async () => {},
      prepareTrain: async () => {},
      pathStatistics: async () => ({ rttMinMicros: 1000 * Math.random() }),
      collectTrain: async () => ({
        acks: [],
        latenessMicros: 0,
        sentPackets: Math.floor(Math.random() * 100),
      }),
    }
    return new ChallengeTable(
      {
        identity: victim,
        store: safetyStore(this.#store, join(this.directory, 'faults')),
        committees: [always],
        behaviour: honestChallenger,
        plane,
        now: () => nowMs,
        log: silentLogger,
      } as unknown as ConstructorParameters<typeof ChallengeTable>[0],
      { maxConcurrentSlots: 1 },
    )
  }

  /** Refusals are the member's right; anything else is a bug. */
  async take(step: Step): Promise<void> {
    try {
      await this.#take(step)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
    }
  }

  async #take(step: Step): Promise<void> {
    const table = this.#table
    switch (step.do) {
      case 'restart':
        await this.#store.close()
        this.#store = await openStore(join(this.directory, 'store'), { now: () => nowMs })
        this.#table = this.#open()
        return
      case 'session':
        await openSession(table, admission, asProver)
        return
      case 'finish':
        await finish(table, { challengeId }, asCoordinator)
        return
      case 'plan': {
        const planned = { ...plan, tauMicros: plan.tauMicros + step.variant }
        const planSignature = coordinator.sign(planDigest(digests, planned))
        return acceptPlan(
          table,
          { request, payerSignature, acceptedAt, acceptanceSignature, plan: planned, planSignature },
          asCoordinator,
        )
      }
      case 'arm': {
        const run = { slot: 0, attempt: step.attempt }
        const body = { challengeId, ...run }
        const commitment = await arm(table, body, asCoordinator)
        this.loot.commitments.push({ run, commitment })
        return
      }
      case 'reveal': {
        const run = { slot: 0, attempt: step.attempt }
        const roots = [new Uint8Array(32).fill(step.variant)]
        const signature = prover.sign(ackListDigest(digests, run, roots))
        const testimony = await reveal(table, { challengeId, ...run, roots, signature }, asCoordinator)
        this.loot.testimonies.push({ run, testimony })
        return
      }
      case 'vote': {
        const bytes = this.#evidenceOf(step.variant)
        this.#evidence.set(step.variant, bytes)
        await vote(table, bytes, asCoordinator)
        return
      }
      case 'sign': {
        const bytes = this.#evidence.get(step.variant) ?? this.#evidenceOf(step.variant)
        const evidenceHash = evidenceHashOf(bytes)
        const votes = members.map((each) => each.sign(voteDigest(digests, evidenceHash)))
        const { signature } = await sign(table, challengeId, evidenceHash, votes)
        const { guaranteedKbps, estimateKbps, owed } = assess(decodeEvidence(bytes))
        this.loot.results.push({ value: { evidenceHash, guaranteedKbps, estimateKbps, owed }, signature })
        return
      }
      case 'no-result': {
        const own = this.loot.commitments.at(-1)
        const mine: Served | null = own === undefined ? null : { ...own.run, commitment: own.commitment }
        const theirs = evidence.slots[1]?.commitments[0] ?? null
        const other =
          theirs === null || step.variant === 0 ? null : { slot: 1, attempt: 0, commitment: theirs }
        const served = [mine, other, null]
        const { signature } = await signNoResult(table, { challengeId, served }, asMember)
        const owed = new Uint8Array(32)
        served.forEach((each, i) => {
          if (each !== null) owed[31] = (owed[31] ?? 0) | (1 << i)
        })
        const value = { evidenceHash: new Uint8Array(32), guaranteedKbps: 0, estimateKbps: 0, owed }
        this.loot.results.push({ value, signature })
      }
    }
  }

  /** Evidence that holds what the victim testified, and differs by variant in what others did. */
  #evidenceOf(which: number): Uint8Array {
    const { testimonies, commitments } = this.loot
    const testimony = testimonies.find(({ run }) => run.attempt === 0)?.testimony
    const commitment = commitments.find(({ run }) => run.attempt === 0)?.commitment
    const [first, second, third] = evidence.slots
    if (first === undefined || second === undefined || third === undefined) throw new Error('no slots')
    const own =
      testimony === undefined
        ? first
        : { ...first, commitments: [commitment ?? null], testimonies: [testimony] }
    const slots = which === 0 ? [own, second, third] : [own, second, { ...third, testimonies: [null] }]
    const changed: Evidence = { ...evidence, slots }
    return encodeEvidence(changed)
  }
}

/** Every fault that the loot could be put together to. */
function* accusations({ commitments, testimonies, results }: Loot): Generator<ProvableFault> {
  const accused = victim?.address ?? '0x'
  for (const a of results) for (const b of results) yield { kind: 'results', accused, results: [a, b] }
  for (const a of testimonies) {
    for (const b of testimonies)
      yield { kind: 'testimonies', accused, run: a.run, testimonies: [a.testimony, b.testimony] }
    for (const { run, commitment } of commitments)
      for (const place of [run, a.run])
        yield { kind: 'seed', accused, run: place, commitment, testimony: a.testimony }
  }
}

function isConvicted(loot: Loot): boolean {
  const scope = { challengeId, ...digests.domain }
  for (const fault of accusations(loot))
    if (objectionTo(decodeFaultProof(encodeFaultProof(scope, fault))) === undefined) return true
  return false
}

describe('a member under a corrupt coordinator', () => {
  let directory = ''
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plumbline-framing-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  it('signs nothing that convicts it, in whatever order it is asked and restarted', async () => {
    let run = 0
    const reached = { testimonies: 0, results: 0 }
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const attack = await Attack.begin(join(directory, String(run++)))
        try {
          for (const step of list) await attack.take(step)
        } finally {
          await attack.end()
        }
        const { loot } = attack
        if (loot.testimonies.length > 0) reached.testimonies++
        if (loot.results.length > 0) reached.results++
        expect(isConvicted(loot)).toBe(false)
      }),
      // What gets something signed comes first: an attack that gets nothing would prove nothing.
      { numRuns: fuzzRuns(0.02), examples: [...fruitful] },
    )
    expect(reached.testimonies).toBeGreaterThan(2)
    expect(reached.results).toBeGreaterThan(0)
  }, 180_000)
})
