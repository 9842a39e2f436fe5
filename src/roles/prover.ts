/**
 * The prover: accepts a request, opens a path to every member that sends, receives their trains, and commits to what
 * arrived. It dials out only: no open port, no address of its own needed.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { verifySignature } from '../crypto/identity.js'
import type { ProverPlane, SlotCapture } from '../dataplane/index.js'
import { UserError } from '../errors.js'
import type { Committee } from '../pob/committee.js'
import { MAX_ATTEMPTS, MAX_TAU_MICROS, PACKET_BYTES, packetCountOf } from '../pob/constants.js'
import { decodeEvidence } from '../pob/evidence.js'
import { addressBytesOf, sameBytes } from '../pob/party.js'
import { type Plan, planDiffers, planDigest, planFault } from '../pob/plan.js'
import type { RegistryEntry } from '../pob/registry.js'
import { acceptanceDigest, challengeIdOf, type Request } from '../pob/request.js'
import { ackListDigest, type Commitment, commitmentDigest, type SlotId } from '../pob/slot.js'
import { type ChallengeDigests, CONSENT } from '../pob/structures.js'
import { decodeTranscript } from '../pob/transcript.js'
import { checkRequest } from './admission.js'
import { askAgain } from './ask-again.js'
import { honestProver, type ProverBehaviour } from './behaviour.js'
import { sourceFor } from './committee-source.js'
import {
  type Admission,
  type PathReport,
  PREPARE_MESSAGE,
  REQUEST_MESSAGE,
  type ReportedStatistics,
  SESSION_MESSAGE,
  SLOT_MESSAGE,
} from './control-messages.js'
import type { ChallengeNote, Remote, RoleModules } from './modules.js'
import { ensure, Refusal } from './protocol-error.js'

const PROBES = 8
const PROBE_INTERVAL_MS = 12
/** hello and consent, each with retransmissions. */
const CONSENT_DEADLINE_MS = 3_000
/** Lets a full buffer of a slow link empty before the next slot. */
const DRAIN_MICROS = 400_000
/** A coordinator that has gone quiet frees the prover. */
const IDLE_MS = 45_000
/** On a chain the escrow, its confirmations and a round far enough ahead come between acceptance and paths. */
const OPENING_IDLE_MS = 300_000

/** What a policy judges a request by. */
export interface PolicyRequest {
  readonly payer: Uint8Array
  readonly coordinator: Uint8Array
  readonly claimKbps: number
  /** Most layer-3 bytes the challenge may cost the prover's link. */
  readonly maxBytes: number
}

/** The operator's terms: quotas, quiet hours, allow-list (config). */
export interface AdmissionPolicy {
  /** Says why a request may not be served now, or undefined. */
  refusal(request: PolicyRequest): Promise<string | undefined>
  /** Told once a request is accepted for good: terms like a least interval count from here. */
  accepted(): void
}

export interface ProverModules extends RoleModules {
  readonly openPlane: () => Promise<ProverPlane>
  readonly policy: AdmissionPolicy
  /** Called with the layer-3 bytes received, for the data cap. */
  readonly account: (bytes: number) => Promise<void>
  readonly behaviour?: ProverBehaviour
}

interface Path {
  readonly sessionId: Uint8Array
  readonly rttMicros: number
}

interface Challenge {
  readonly id: string
  readonly request: Request
  readonly payerSignature: Uint8Array
  readonly digests: ChallengeDigests
  readonly acceptedAt: number
  readonly acceptanceSignature: Uint8Array
  readonly paths: Map<number, Path>
  readonly captures: Map<string, SlotAnswer>
  committee?: Committee
  plane?: ProverPlane
  plan?: Plan
  idle?: NodeJS.Timeout
  expiry?: NodeJS.Timeout
  running: boolean
}

interface SlotAnswer {
  readonly capture: {
    orders: readonly Uint8Array[]
    counts: readonly (readonly number[])[]
    digests: readonly (readonly Uint8Array[])[]
    signature: Uint8Array
  }
  readonly statistics: ReportedStatistics
}

/** Most bytes a request can bring: every slot repeated, at the longest tau. */
export function maxBytesOf(request: Request): number {
  const offered = Math.ceil(request.claimKbps * 1.2)
  return request.teams * MAX_ATTEMPTS * packetCountOf(offered, MAX_TAU_MICROS) * PACKET_BYTES
}

export class Prover {
  #current: Challenge | undefined
  readonly #behaviour: ProverBehaviour

  constructor(readonly modules: ProverModules) {
    this.#behaviour = modules.behaviour ?? honestProver
  }

  async start(): Promise<void> {
    const { control } = this.modules
    await control.handle(REQUEST_MESSAGE, (body, remote) => this.#request(body, remote))
    await control.handle(PREPARE_MESSAGE, (body, remote) => this.#prepare(body, remote))
    await control.handle(SLOT_MESSAGE, (body, remote) => this.#slot(body, remote))
  }

  async stop(): Promise<void> {
    await this.#release(this.#current)
  }

  /** Hex id of the challenge under way, for `status`. */
  get active(): string | undefined {
    return this.#current?.id
  }

  async #request(body: { request: Request; payerSignature: Uint8Array }, remote: Remote) {
    const { request, payerSignature } = body
    const { identity, committees, now, store, policy, log } = this.modules
    ensure(sameBytes(request.prover, identity.publicKey), 'bad_request', 'the request names another prover')
    ensure(sameBytes(remote.publicKey, request.coordinator), 'denied', 'only the coordinator asks')
    await this.#replace(remote)
    ensure(this.#current === undefined, 'busy', 'another challenge is under way; ask again in a moment')
    const nowMs = now()
    const digests = checkRequest(request, payerSignature, nowMs)
    await sourceFor(committees, request).requireAcceptable(request, nowMs)
    const acceptedAt = Math.floor(nowMs / 1000)
    const { payer, coordinator, claimKbps } = request
    const refusal = await policy.refusal({ payer, coordinator, claimKbps, maxBytes: maxBytesOf(request) })
    ensure(refusal === undefined, 'denied', refusal ?? '')
    const id = bytesToHex(digests.challengeId)
    const fresh = await store.useOnce(`accept/${id}`, request.expiresAt * 1000)
    ensure(fresh, 'conflict', 'this request was accepted before')
    // Another request may have come in while the store was written.
    ensure(this.#current === undefined, 'busy', 'another challenge is under way; ask again in a moment')
    const acceptanceSignature = identity.sign(acceptanceDigest(digests, acceptedAt))
    policy.accepted()
    this.#current = {
      id,
      request,
      payerSignature,
      digests,
      acceptedAt,
      acceptanceSignature,
      paths: new Map(),
      captures: new Map(),
      running: false,
    }
    this.#touch(this.#current)
    this.#limit(this.#current)
    await this.#note(this.#current, 'accepted')
    log.info({ challenge: id, claimMbps: claimKbps / 1000, payer: bytesToHex(payer) }, 'challenge accepted')
    return { acceptedAt, signature: acceptanceSignature }
  }

  /** A coordinator that asks again has given up its challenge before. */
  async #replace(remote: Remote): Promise<void> {
    const current = this.#current
    if (current === undefined || current.running) return
    if (sameBytes(current.request.coordinator, remote.publicKey)) await this.#release(current)
  }

  /** Starts the idle clock anew. */
  #touch(challenge: Challenge): void {
    clearTimeout(challenge.idle)
    const isOpening = challenge.request.chainId !== 0 && challenge.committee === undefined
    challenge.idle = setTimeout(() => void this.#release(challenge), isOpening ? OPENING_IDLE_MS : IDLE_MS)
    challenge.idle.unref()
  }

  /** However busy its coordinator keeps it, a challenge ends with its request. */
  #limit(challenge: Challenge): void {
    const leftMs = challenge.request.expiresAt * 1000 - this.modules.now()
    challenge.expiry = setTimeout(() => void this.#release(challenge), Math.max(0, leftMs))
    challenge.expiry.unref()
  }

  #known(challengeId: Uint8Array, remote: Remote): Challenge {
    const current = this.#current
    ensure(
      current !== undefined && sameBytes(current.digests.challengeId, challengeId),
      'not_found',
      'no such challenge here',
    )
    ensure(sameBytes(remote.publicKey, current.request.coordinator), 'denied', 'only the coordinator asks')
    this.#touch(current)
    return current
  }

  async #prepare(body: { challengeId: Uint8Array; beaconSignature: Uint8Array }, remote: Remote) {
    const challenge = this.#known(body.challengeId, remote)
    ensure(challenge.committee === undefined, 'conflict', 'the paths are being opened already')
    const { committees, now, openPlane } = this.modules
    const admission: Admission = {
      request: challenge.request,
      payerSignature: challenge.payerSignature,
      acceptedAt: challenge.acceptedAt,
      acceptanceSignature: challenge.acceptanceSignature,
      beaconSignature: body.beaconSignature,
    }
    const committee = await sourceFor(committees, challenge.request).committeeOf(admission, now())
    ensure(challenge.committee === undefined, 'conflict', 'the paths are being opened already')
    challenge.committee = committee
    const plane = await openPlane()
    if (this.#current !== challenge) {
      // Given up meanwhile: nobody else would close it.
      await plane.close()
      throw new Refusal('conflict', 'the challenge was given up')
    }
    challenge.plane = plane
    const { members, teamSize, teams } = committee
    const senders = members.slice(0, teamSize * teams)
    const opened = await Promise.all(
      senders.map(async (member, index): Promise<PathReport> => {
        try {
          return await this.#openPath(challenge, plane, admission, member, index)
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error)
          this.modules.log.warn({ challenge: challenge.id, member: index, reason }, 'no path to a challenger')
          return { ready: 0, rttMicros: 0, jitterMicros: 0, reason: reason.slice(0, 200) }
        }
      }),
    )
    return { paths: opened }
  }

  async #openPath(
    challenge: Challenge,
    plane: ProverPlane,
    admission: Admission,
    member: RegistryEntry,
    index: number,
  ): Promise<PathReport> {
    const { control, identity } = this.modules
    const session = await askAgain(() => control.request(member, SESSION_MESSAGE, admission))
    // Where the registry says, and nowhere else: a member cannot point our datagrams at others.
    const remote = { host: member.host, port: member.udpPort }
    await plane.addPath({ sessionId: session.sessionId, key: session.key, remote })
    const nonce = await plane.hello(session.sessionId, CONSENT_DEADLINE_MS)
    const terms = { nonce, expiresAt: challenge.request.expiresAt, maxBytes: maxBytesOf(challenge.request) }
    const digest = challenge.digests.digest(CONSENT, { ...terms, member: addressBytesOf(member.publicKey) })
    const signature = identity.sign(digest)
    await plane.consent(session.sessionId, { ...terms, signature }, CONSENT_DEADLINE_MS)
    const closeDelayMs = this.#behaviour.probeCloseDelayMs()
    const probes = await plane.probe(session.sessionId, {
      count: PROBES,
      intervalMs: PROBE_INTERVAL_MS,
      ...(closeDelayMs > 0 ? { behaviour: { closeDelayMs } } : {}),
    })
    if (probes.received === 0) throw new Error('no probe came back')
    const rttMicros = Math.round(probes.rttMinMicros)
    challenge.paths.set(index, { sessionId: session.sessionId, rttMicros })
    return { ready: 1, rttMicros, jitterMicros: Math.round(probes.jitterMicros) }
  }

  /** The coordinator's plan, handed on by the node (a node may be prover and challenger at once). */
  async acceptPlan(plan: Plan, planSignature: Uint8Array, remote: Remote): Promise<void> {
    const challenge = this.#known(plan.challengeId, remote)
    const { digests, request, committee } = challenge
    ensure(committee !== undefined, 'conflict', 'the paths are not open yet')
    const digest = planDigest(digests, plan)
    ensure(
      verifySignature(request.coordinator, digest, planSignature),
      'bad_request',
      'the plan does not carry the signature of the coordinator',
    )
    const wrong = planFault(request, digests.challengeId, plan) ?? planDiffers(plan, committee)
    ensure(wrong === undefined, 'bad_request', `plan: ${wrong}`)
    const outcome = await this.modules.store.signOnce(`${challenge.id}/prover-plan`, digest)
    ensure(outcome !== 'conflict', 'conflict', 'another plan was accepted for this challenge')
    challenge.plan = plan
  }

  async #slot(
    body: SlotId & { challengeId: Uint8Array; commitments: readonly (Commitment | null)[] },
    remote: Remote,
  ): Promise<SlotAnswer> {
    const { slot, attempt, commitments } = body
    const challenge = this.#known(body.challengeId, remote)
    const { plan, plane } = challenge
    ensure(plan !== undefined && plane !== undefined, 'conflict', 'there is no plan yet')
    ensure(
      slot < plan.teams && commitments.length === plan.teamSize,
      'bad_request',
      'no such slot in the plan',
    )
    const name = `${slot}/${attempt}`
    const known = challenge.captures.get(name)
    if (known !== undefined) return known
    ensure(!challenge.running, 'busy', 'a slot is running')
    challenge.running = true
    try {
      const answer = await this.#runSlot(challenge, plan, plane, { slot, attempt }, commitments)
      challenge.captures.set(name, answer)
      return answer
    } finally {
      challenge.running = false
      this.#touch(challenge)
    }
  }

  async #runSlot(
    challenge: Challenge,
    plan: Plan,
    plane: ProverPlane,
    id: SlotId,
    commitments: readonly (Commitment | null)[],
  ): Promise<SlotAnswer> {
    const first = id.slot * plan.teamSize
    const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
    const team = plan.committee.slice(first, first + plan.teamSize)
    for (const [i, commitment] of commitments.entries()) {
      if (commitment === null) continue
      const signed = verifySignature(
        plan.committee[first + i] ?? new Uint8Array(33),
        commitmentDigest(challenge.digests, id, commitment),
        commitment.signature,
      )
      ensure(signed, 'bad_request', `the commitment of member ${first + i} is not signed by it`)
    }
    const behaviour = await this.#behaviour.capture(id, challenge.digests.challengeId, team, packetCount)
    const captured = await plane.runSlot({
      ...id,
      tauMicros: plan.tauMicros,
      members: commitments.map((commitment, i) => {
        const path = challenge.paths.get(first + i)
        return path === undefined || commitment === null
          ? { packetCount }
          : { sessionId: path.sessionId, rttMicros: path.rttMicros, packetCount }
      }),
      drainMicros: DRAIN_MICROS,
      ...(behaviour === undefined ? {} : { behaviour }),
    })
    await this.modules.account(receivedBytes(captured))
    if (captured.acks.length === 0) throw new Refusal('not_found', 'nothing arrived in this slot')
    const roots = captured.acks.map((ack) => ack.root)
    const digest = ackListDigest(challenge.digests, id, roots)
    const outcome = await this.modules.store.signOnce(`${challenge.id}/acks/${id.slot}/${id.attempt}`, digest)
    ensure(outcome !== 'conflict', 'conflict', 'other acks were signed for this slot')
    return {
      capture: {
        orders: captured.orders,
        counts: captured.acks.map((ack) => ack.counts),
        digests: captured.acks.map((ack) => ack.digests),
        signature: this.modules.identity.sign(digest),
      },
      statistics: reported(captured, plane),
    }
  }

  /** The coordinator is done; keeps the transcript. */
  async finish(challengeId: Uint8Array, transcript: Uint8Array | undefined, remote: Remote): Promise<void> {
    const challenge = this.#known(challengeId, remote)
    try {
      // The archive is bounded: nobody fills it with what is no transcript of this challenge.
      const keeps = transcript !== undefined && isTranscriptOf(transcript, challengeId)
      if (keeps) await this.modules.store.saveTranscript(challenge.id, transcript)
      await this.#note(challenge, keeps ? 'finished' : 'abandoned')
      ensure(keeps || transcript === undefined, 'bad_request', 'this is no transcript of the challenge')
    } finally {
      await this.#release(challenge)
    }
  }

  #note({ id, request }: Challenge, phase: ChallengeNote['phase']): Promise<void> {
    const { claimKbps, prover, payer } = request
    return this.modules.store.noteChallenge({ id, role: 'prover', phase, claimKbps, prover, payer })
  }

  /** True where this prover runs that challenge. */
  owns(challengeId: Uint8Array): boolean {
    return this.#current !== undefined && sameBytes(this.#current.digests.challengeId, challengeId)
  }

  /** Whether that key coordinates the challenge under way: nobody else has anything long to send. */
  coordinates(publicKey: Uint8Array): boolean {
    return this.#current !== undefined && sameBytes(this.#current.request.coordinator, publicKey)
  }

  async #release(challenge: Challenge | undefined): Promise<void> {
    if (challenge === undefined) return
    clearTimeout(challenge.idle)
    clearTimeout(challenge.expiry)
    if (this.#current === challenge) this.#current = undefined
    await challenge.plane?.close()
  }
}

/** Whether bytes are a transcript of that challenge; whether it is right is for `verify` to say. */
function isTranscriptOf(transcript: Uint8Array, challengeId: Uint8Array): boolean {
  try {
    // Both decoders bound the size.
    const { request } = decodeEvidence(decodeTranscript(transcript).evidence)
    return sameBytes(challengeIdOf(request), challengeId)
  } catch (error) {
    if (error instanceof UserError) return false
    throw error
  }
}

/** What a slot cost the line: what could not be used was received as well. */
function receivedBytes({ statistics }: SlotCapture): number {
  const { packets, duplicates, badTag, overflow } = statistics
  return (packets + duplicates + badTag + overflow) * PACKET_BYTES
}

function reported({ statistics }: SlotCapture, plane: ProverPlane): ReportedStatistics {
  return {
    packets: statistics.packets,
    duplicates: statistics.duplicates,
    badTag: statistics.badTag,
    overflow: statistics.overflow,
    arrivalSpanMicros: Math.round(statistics.arrivalSpanMicros),
    jitterMicros: Math.round(statistics.jitterMicros),
    reordered: statistics.reordered,
    busyPermille: Math.min(1000, Math.round(statistics.busyShare * 1000)),
    kernelTimestamps: plane.backend.timestamps === 'kernel' ? 1 : 0,
  }
}
