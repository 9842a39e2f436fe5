/**
 * A coordinator that does as the test says: each message of a challenge on its own, each field changeable. It may hold the
 * prover's key as well, and is then the corrupt pair of payer and prover.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { firstRoundFrom, signRound, timeOfRound, verifyRound } from '../../src/crypto/beacon.js'
import { Identity } from '../../src/crypto/identity.js'
import { createHost, type Host, type PeerTarget } from '../../src/p2p/index.js'
import { type Committee, drawCommittee } from '../../src/pob/committee.js'
import { PROTOCOL_VERSION } from '../../src/pob/constants.js'
import type { Evidence } from '../../src/pob/evidence.js'
import { encodeEvidence } from '../../src/pob/evidence.js'
import { makePlan, type Plan, planDigest } from '../../src/pob/plan.js'
import { acceptanceDigest, Direction, digestsOf, Profile, type Request } from '../../src/pob/request.js'
import { capturedRoots, type SlotRecord } from '../../src/pob/slot.js'
import {
  type Admission,
  ARM_MESSAGE,
  EVIDENCE_MESSAGE,
  FINISH_MESSAGE,
  type FinishBody,
  PLAN_MESSAGE,
  type PlanBody,
  PREPARE_MESSAGE,
  REQUEST_MESSAGE,
  REVEAL_MESSAGE,
  SESSION_MESSAGE,
  SIGN_MESSAGE,
  SLOT_MESSAGE,
} from '../../src/roles/control-messages.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import { CLAIM_MBPS, type LocalNetwork } from './local-network.js'

const TAU_MICROS = 200_000

/** The status that a request was refused with, or `ok`. */
export async function statusOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked
    return 'ok'
  } catch (error) {
    if (error instanceof Error && 'status' in error)
      return `${String(error.status)}: ${error.message.replace(/^.*?answered [a-z ]+:? ?/, '')}`
    throw error
  }
}

export interface AdmissionChange {
  readonly request?: Partial<Request>
  readonly acceptedAt?: number
  readonly payerSigner?: Identity
  readonly acceptanceSigner?: Identity
  readonly beaconSignature?: Uint8Array
}

export class ScriptedPayer {
  private constructor(
    readonly network: LocalNetwork,
    readonly identity: Identity,
    readonly host: Host,
    /** The prover's own key, where the test plays the prover too. */
    readonly prover: Identity | undefined,
  ) {}

  static async create(network: LocalNetwork, prover?: Identity): Promise<ScriptedPayer> {
    const identity = Identity.generate()
    return new ScriptedPayer(network, identity, await openHost(identity), prover)
  }

  close(): Promise<void> {
    return this.host.stop()
  }

  get proverTarget(): PeerTarget {
    const { identity, address } = this.network.prover
    return { publicKey: identity.publicKey, addresses: [address] }
  }

  request(change: Partial<Request> = {}): Request {
    const { registry, beacon } = this.network
    const nowSeconds = Date.now() / 1000
    return {
      version: PROTOCOL_VERSION,
      chainId: 0,
      verifyingContract: new Uint8Array(20),
      prover: (this.prover ?? this.network.prover.identity).publicKey,
      payer: this.identity.publicKey,
      coordinator: this.identity.publicKey,
      direction: Direction.down,
      profile: Profile.standard,
      claimKbps: CLAIM_MBPS * 1000,
      committeeSize: this.network.challengers.length,
      faulty: 1,
      teams: 3,
      betaMillionths: 0,
      deltaMillionths: 0,
      registryHash: registry?.hash ?? new Uint8Array(32),
      beaconChain: beacon.chainHash,
      beaconRound: firstRoundFrom(beacon, nowSeconds + 3),
      expiresAt: Math.floor(nowSeconds) + 120,
      salt: new Uint8Array(randomBytes(32)),
      ...change,
    }
  }

  /** Asks the real prover, and waits for the round. */
  async accept(request = this.request()): Promise<Admission> {
    const payerSignature = this.identity.sign(digestsOf(request).challengeId)
    const body = { request, payerSignature }
    const answer = await this.host.request(this.proverTarget, REQUEST_MESSAGE, body)
    await this.waitFor(request.beaconRound)
    const beaconSignature = signRound(this.network.beaconSecret, request.beaconRound)
    const { acceptedAt, signature } = answer
    return { request, payerSignature, acceptedAt, acceptanceSignature: signature, beaconSignature }
  }

  /** What a corrupt prover and payer sign together: a round of some seconds ago, accepted before it. */
  forge(change: AdmissionChange = {}): Admission {
    const { beacon, beaconSecret } = this.network
    const nowSeconds = Math.floor(Date.now() / 1000)
    const request = this.request({ beaconRound: firstRoundFrom(beacon, nowSeconds - 2), ...change.request })
    const digests = digestsOf(request)
    const acceptedAt = change.acceptedAt ?? Math.floor(timeOfRound(beacon, request.beaconRound)) - 3
    const accepter = change.acceptanceSigner ?? this.prover ?? Identity.generate()
    return {
      request,
      payerSignature: (change.payerSigner ?? this.identity).sign(digests.challengeId),
      acceptedAt,
      acceptanceSignature: accepter.sign(acceptanceDigest(digests, acceptedAt)),
      beaconSignature: change.beaconSignature ?? signRound(beaconSecret, request.beaconRound),
    }
  }

  async waitFor(round: number): Promise<void> {
    await sleep(Math.max(0, timeOfRound(this.network.beacon, round) * 1000 - Date.now()))
  }

  committee({ request, beaconSignature }: Admission): Committee {
    const { registry, beacon } = this.network
    const randomness = verifyRound(beacon, request.beaconRound, beaconSignature)
    if (registry === undefined || randomness === false) throw new Error('no registry or no round')
    const { hash: registryHash, entries } = registry
    const drawn = drawCommittee({ request, registryHash, entries, randomness })
    if (typeof drawn === 'string') throw new Error(drawn)
    return drawn
  }

  plan(admission: Admission, change: Partial<Plan> = {}, signer = this.identity): PlanBody {
    const { beaconSignature, ...rest } = admission
    const digests = digestsOf(admission.request)
    const drawn = makePlan(digests.challengeId, beaconSignature, this.committee(admission), TAU_MICROS)
    const plan = { ...drawn, ...change }
    return { ...rest, plan, planSignature: signer.sign(planDigest(digests, plan)) }
  }

  /** Opens paths, announces the plan to everybody. */
  async begin(admission: Admission): Promise<PlanBody> {
    const { challengeId } = digestsOf(admission.request)
    const { beaconSignature } = admission
    const { paths } = await this.host.request(this.proverTarget, PREPARE_MESSAGE, {
      challengeId,
      beaconSignature,
    })
    for (const path of paths) if (path.ready !== 1) throw new Error(`no path: ${path.reason}`)
    const body = this.plan(admission)
    await this.host.request(this.proverTarget, PLAN_MESSAGE, body)
    for (const key of body.plan.committee) await this.host.request(this.member(key), PLAN_MESSAGE, body)
    return body
  }

  member(publicKey: Uint8Array): PeerTarget {
    const entry = this.network.registry?.entries.find(
      (each) => Buffer.compare(each.publicKey, publicKey) === 0,
    )
    if (entry === undefined) throw new Error('no such member')
    return entry
  }

  /** Runs a slot of a team of one. */
  async slot({ plan }: PlanBody, slot: number): Promise<SlotRecord> {
    const { challengeId } = plan
    const target = this.member(plan.committee[slot] ?? new Uint8Array(33))
    const id = { challengeId, slot, attempt: 0 }
    const commitments = [await this.host.request(target, ARM_MESSAGE, id)]
    const { capture } = await this.host.request(this.proverTarget, SLOT_MESSAGE, { ...id, commitments })
    const roots = capturedRoots(capture)
    const { signature } = capture
    const testimony = await this.host.request(target, REVEAL_MESSAGE, { ...id, roots, signature })
    return { slot, attempt: 0, commitments, capture, testimonies: [testimony] }
  }

  evidence(body: PlanBody, slots: readonly SlotRecord[]): Uint8Array {
    const evidence: Evidence = { version: PROTOCOL_VERSION, ...body, slots }
    return encodeEvidence(evidence)
  }

  session(target: PeerTarget, admission: Admission, host = this.host) {
    return host.request(target, SESSION_MESSAGE, admission)
  }
  sendPlan(target: PeerTarget, body: PlanBody, host = this.host) {
    return host.request(target, PLAN_MESSAGE, body)
  }
  vote(target: PeerTarget, evidence: Uint8Array, host = this.host) {
    return host.request(target, EVIDENCE_MESSAGE, { evidence })
  }
  sign(
    target: PeerTarget,
    body: { challengeId: Uint8Array; evidenceHash: Uint8Array; votes: (Uint8Array | null)[] },
  ) {
    return this.host.request(target, SIGN_MESSAGE, body)
  }
  finish(target: PeerTarget, challengeId: Uint8Array, ending: Omit<FinishBody, 'challengeId'> = {}) {
    return this.host.request(target, FINISH_MESSAGE, { challengeId, ...ending })
  }
}

/** A slot in which nothing is said to have happened. */
export const emptySlot = (slot: number): SlotRecord => ({
  slot,
  attempt: 0,
  commitments: [null],
  capture: null,
  testimonies: [null],
})

export function openHost(identity = Identity.generate()): Promise<Host> {
  return createHost({ listen: [], privateNetwork: true }, { identity, log: silentLogger })
}
