/**
 * The challenger: a member of committees. It admits a challenge, lets the prover open a path, commits to a seed,
 * sends its train, testifies, votes and signs. Each signature is made once: the lock is on disk before it leaves.
 */
import { randomBytes } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import { verifySignature } from '../crypto/identity.js'
import type { ConsentClaim, MemberPlane, TrainReport } from '../dataplane/index.js'
import { assess } from '../pob/assess.js'
import type { Committee } from '../pob/committee.js'
import { MAX_ATTEMPTS, MAX_TAU_MICROS, PACKET_BYTES, packetCountOf } from '../pob/constants.js'
import { decodeEvidence, type Evidence, evidenceHashOf } from '../pob/evidence.js'
import { addressBytesOf, sameBytes } from '../pob/party.js'
import { type Plan, planDiffers, planDigest, planFault } from '../pob/plan.js'
import { isNeighbour } from '../pob/prefix.js'
import type { Request } from '../pob/request.js'
import { quorum, type ResultValue, resultDigest, signersOf, voteDigest } from '../pob/result.js'
import {
  ackListDigest,
  type Commitment,
  commitmentDigest,
  type SlotId,
  seedHashOf,
  type Testimony,
  testimonyDigest,
} from '../pob/slot.js'
import { type ChallengeDigests, CONSENT } from '../pob/structures.js'
import { decodeTranscript } from '../pob/transcript.js'
import { admit } from './admission.js'
import { type ChallengerBehaviour, honestChallenger } from './behaviour.js'
import {
  type Admission,
  ARM_MESSAGE,
  EVIDENCE_MESSAGE,
  type PlanBody,
  REVEAL_MESSAGE,
  SESSION_MESSAGE,
  SIGN_MESSAGE,
} from './control-messages.js'
import type { ChallengeNote, Remote, RoleModules } from './modules.js'
import { ensure } from './protocol-error.js'

/** Challenges kept in memory at once; each holds one session and at most one train. */
const MAX_CHALLENGES = 32
/** Where all places are taken, a challenge in which this member was never armed gives up its place after so long. */
const UNUSED_MS = 60_000
/** How long an armed train waits for the prover's go. */
const ARMED_MS = 10_000
/** Probes, keep-alives and acks' answers beside the trains. */
const CONTROL_BYTES = 64 * 1024

export interface ChallengerOptions {
  /** Trains armed or running at once: two would share one uplink and spoil both. */
  readonly maxConcurrentSlots: number
}

interface Attempt {
  readonly seed: Uint8Array
  readonly commitment: Commitment
  /** Milliseconds since the Unix epoch: armed or running until then at the latest. */
  readonly armedUntilMs: number
  testimony?: Testimony
}

interface Challenge {
  readonly id: string
  readonly request: Request
  readonly digests: ChallengeDigests
  readonly committee: Committee
  readonly memberIndex: number
  readonly sessionId: Uint8Array
  readonly sessionKey: Uint8Array
  readonly attempts: Map<string, Attempt>
  /** Milliseconds since the Unix epoch. */
  readonly admittedMs: number
  sessionOpen: boolean
  plan?: Plan
  /** Recomputed evidence by hash, as voted for; the evidence itself is in the store, so that anyone can settle. */
  result?: ResultValue
}

export class Challenger {
  readonly #challenges = new Map<string, Challenge>()
  readonly #behaviour: ChallengerBehaviour

  constructor(
    readonly options: ChallengerOptions,
    readonly modules: RoleModules & { readonly plane: MemberPlane; readonly behaviour?: ChallengerBehaviour },
  ) {
    this.#behaviour = modules.behaviour ?? honestChallenger
  }

  async start(): Promise<void> {
    const { control, plane } = this.modules
    plane.onConsent((claim) => this.#onConsent(claim))
    await control.handle(SESSION_MESSAGE, (body, remote) => this.#session(body, remote))
    await control.handle(ARM_MESSAGE, (body, remote) => this.#arm(body, remote))
    await control.handle(REVEAL_MESSAGE, (body, remote) => this.#reveal(body, remote))
    await control.handle(EVIDENCE_MESSAGE, (body, remote) => this.#evidence(body.evidence, remote), {
      admit: ({ publicKey }) => this.coordinates(publicKey),
    })
    await control.handle(SIGN_MESSAGE, (body) => this.#sign(body.challengeId, body.evidenceHash, body.votes))
  }

  async stop(): Promise<void> {
    for (const challenge of [...this.#challenges.values()]) await this.#release(challenge)
  }

  /** Challenges under way, for `status`. */
  get active(): number {
    return this.#challenges.size
  }

  /** Whether that key coordinates a challenge under way: nobody else has anything long to send. */
  coordinates(publicKey: Uint8Array): boolean {
    const nowSeconds = this.modules.now() / 1000
    return [...this.#challenges.values()].some(
      ({ request }) => request.expiresAt > nowSeconds && sameBytes(request.coordinator, publicKey),
    )
  }

  /** Finds the challenge or admits it. @throws Refusal */
  async #admitted(admission: Admission): Promise<Challenge> {
    await this.#sweep()
    const { identity, committees, now } = this.modules
    const nowMs = now()
    const { request, digests, committee } = await admit(admission, committees, nowMs)
    const id = bytesToHex(digests.challengeId)
    const known = this.#challenges.get(id)
    if (known !== undefined) return known
    if (this.#challenges.size >= MAX_CHALLENGES) await this.#makeRoom()
    ensure(
      this.#challenges.size < MAX_CHALLENGES,
      'busy',
      `this challenger serves ${this.#challenges.size} challenges already`,
    )
    const memberIndex = committee.members.findIndex((member) =>
      sameBytes(member.publicKey, identity.publicKey),
    )
    ensure(memberIndex >= 0, 'denied', 'this challenger was not drawn for the challenge')
    // One challenge for a prover and round: nobody varies the claim until the teams suit.
    const draw = `draw/${venueName(request)}${bytesToHex(request.prover)}/${bytesToHex(request.beaconChain)}/${request.beaconRound}`
    const outcome = await this.modules.store.signOnce(draw, digests.challengeId)
    ensure(outcome !== 'conflict', 'conflict', 'another challenge of this prover was drawn by this round')
    // The same challenge may have come in twice while the lock was written.
    const meanwhile = this.#challenges.get(id)
    if (meanwhile !== undefined) return meanwhile
    const challenge: Challenge = {
      id,
      request,
      digests,
      committee,
      memberIndex,
      sessionId: new Uint8Array(randomBytes(8)),
      sessionKey: new Uint8Array(randomBytes(16)),
      attempts: new Map(),
      admittedMs: nowMs,
      sessionOpen: false,
    }
    this.#challenges.set(id, challenge)
    return challenge
  }

  #known(challengeId: Uint8Array): Challenge {
    const challenge = this.#challenges.get(bytesToHex(challengeId))
    ensure(challenge !== undefined, 'not_found', 'no such challenge here')
    return challenge
  }

  async #session(body: Admission, remote: Remote) {
    ensure(sameBytes(remote.publicKey, body.request.prover), 'denied', 'only the prover opens a session')
    await this.#behaviour.before('session')
    const challenge = await this.#admitted(body)
    ensure(this.#sends(challenge), 'denied', 'this member sends in no team')
    if (!challenge.sessionOpen) {
      // A restarted member has lost its session keys and its seeds: it must not serve the same challenge twice.
      const fresh = await this.modules.store.useOnce(
        `session/${challenge.id}`,
        challenge.request.expiresAt * 1000,
      )
      ensure(fresh, 'conflict', 'this challenge was served before a restart')
      await this.#supersede(challenge)
      await this.modules.plane.addSession({
        sessionId: challenge.sessionId,
        key: challenge.sessionKey,
        maxBytes: this.#maxBytes(challenge),
        expiresAtMs: challenge.request.expiresAt * 1000,
      })
      challenge.sessionOpen = true
    }
    return { sessionId: challenge.sessionId, key: challenge.sessionKey }
  }

  #sends({ committee, memberIndex }: Challenge): boolean {
    return memberIndex < committee.teamSize * committee.teams
  }

  /** The longest train, three times over, and room for control. */
  #maxBytes({ committee }: Challenge): number {
    return (
      MAX_ATTEMPTS * packetCountOf(committee.memberRateKbps, MAX_TAU_MICROS) * PACKET_BYTES + CONTROL_BYTES
    )
  }

  async #onConsent(claim: ConsentClaim): Promise<boolean> {
    const challenge = [...this.#challenges.values()].find((each) =>
      sameBytes(each.sessionId, claim.sessionId),
    )
    if (challenge === undefined) return false
    const digest = challenge.digests.digest(CONSENT, {
      member: addressBytesOf(this.modules.identity.publicKey),
      nonce: claim.nonce,
      expiresAt: claim.expiresAt,
      maxBytes: claim.maxBytes,
    })
    if (isNeighbour(claim.remote.host, challenge.committee.members[challenge.memberIndex]?.host)) {
      // Traffic that does not cross the prover's bottleneck would prove more than the bottleneck carries.
      this.modules.log.warn(
        { challenge: challenge.id, remote: claim.remote },
        'the prover is in our own prefix: not served',
      )
      return false
    }
    const valid = verifySignature(challenge.request.prover, digest, claim.signature)
    this.modules.log.debug({ challenge: challenge.id, remote: claim.remote, valid }, 'consent')
    return valid
  }

  /** The coordinator's plan. @throws Refusal */
  async acceptPlan(body: PlanBody, remote: Remote): Promise<void> {
    ensure(
      sameBytes(remote.publicKey, body.request.coordinator),
      'denied',
      'only the coordinator sends a plan',
    )
    await this.#behaviour.before('plan')
    const { plan, planSignature, ...rest } = body
    const challenge = await this.#admitted({ ...rest, beaconSignature: plan.beaconSignature })
    const { digests, request, committee } = challenge
    const digest = planDigest(digests, plan)
    ensure(
      verifySignature(request.coordinator, digest, planSignature),
      'bad_request',
      'the plan does not carry the signature of the coordinator',
    )
    const wrong = planFault(request, digests.challengeId, plan) ?? planDiffers(plan, committee)
    ensure(wrong === undefined, 'bad_request', `plan: ${wrong}`)
    await this.#once(challenge, 'plan', digest)
    challenge.plan = plan
    await this.#note(challenge, 'planned')
  }

  /** The sign-once lock. @throws Refusal conflict where another digest was signed. */
  async #once(challenge: Challenge, what: string, digest: Uint8Array): Promise<void> {
    const outcome = await this.modules.store.signOnce(`${challenge.id}/${what}`, digest)
    ensure(outcome !== 'conflict', 'conflict', `another ${what} was signed for this challenge`)
  }

  async #arm({ challengeId, slot, attempt }: SlotId & { challengeId: Uint8Array }, remote: Remote) {
    const challenge = this.#known(challengeId)
    ensure(sameBytes(remote.publicKey, challenge.request.coordinator), 'denied', 'only the coordinator arms')
    await this.#behaviour.before('arm')
    const { plan, memberIndex } = challenge
    ensure(plan !== undefined && challenge.sessionOpen, 'conflict', 'there is no plan or no session yet')
    const inTeam = Math.floor(memberIndex / plan.teamSize) === slot && slot < plan.teams
    ensure(inTeam, 'denied', `this member does not send in slot ${slot}`)
    const name = `${slot}/${attempt}`
    const known = challenge.attempts.get(name)
    if (known !== undefined) return known.commitment
    ensure(
      attempt === 0 || challenge.attempts.has(`${slot}/${attempt - 1}`),
      'bad_request',
      `attempt ${attempt} of slot ${slot} comes before attempt ${attempt - 1}`,
    )
    ensure(
      this.#slotsArmedBeside(challenge) < this.options.maxConcurrentSlots,
      'busy',
      'this challenger sends in another challenge right now; ask again in a second',
    )
    const seed = this.#behaviour.seed(new Uint8Array(randomBytes(32)), challengeId, { slot, attempt })
    const terms = {
      seedHash: this.#behaviour.seedHash(
        seedHashOf(seed, challengeId, addressBytesOf(this.modules.identity.publicKey), { slot, attempt }),
      ),
      rateKbps: plan.memberRateKbps,
      packetCount: packetCountOf(plan.memberRateKbps, plan.tauMicros),
    }
    const digest = commitmentDigest(challenge.digests, { slot, attempt }, terms)
    await this.#once(challenge, `commitment/${name}`, digest)
    const behaviour = this.#behaviour.train()
    await this.modules.plane.prepareTrain({
      sessionId: challenge.sessionId,
      slot,
      attempt,
      seed,
      packetCount: terms.packetCount,
      rateKbps: terms.rateKbps,
      armedForMs: ARMED_MS,
      ...(behaviour === undefined ? {} : { behaviour }),
    })
    const commitment = { ...terms, signature: this.modules.identity.sign(digest) }
    challenge.attempts.set(name, { seed, commitment, armedUntilMs: this.modules.now() + ARMED_MS })
    return commitment
  }

  /** Within a challenge slots and attempts follow one another: a failed one does not stand in the way of its repeat. */
  #slotsArmedBeside(own: Challenge): number {
    const nowMs = this.modules.now()
    const others = [...this.#challenges.values()].filter((challenge) => challenge !== own)
    const attempts = others.flatMap((challenge) => [...challenge.attempts.values()])
    return attempts.filter((each) => each.testimony === undefined && each.armedUntilMs > nowMs).length
  }

  async #reveal(
    body: SlotId & { challengeId: Uint8Array; roots: readonly Uint8Array[]; signature: Uint8Array },
    remote: Remote,
  ): Promise<Testimony> {
    const { challengeId, slot, attempt, roots, signature } = body
    const challenge = this.#known(challengeId)
    ensure(sameBytes(remote.publicKey, challenge.request.coordinator), 'denied', 'only the coordinator asks')
    await this.#behaviour.before('reveal')
    const name = `${slot}/${attempt}`
    const made = challenge.attempts.get(name)
    const { plan } = challenge
    ensure(
      made !== undefined && plan !== undefined,
      'not_found',
      `this member was not armed for slot ${slot}, attempt ${attempt}`,
    )
    const ackList = ackListDigest(challenge.digests, { slot, attempt }, roots)
    if (made.testimony !== undefined) {
      ensure(
        sameBytes(made.testimony.ackListHash, ackList),
        'conflict',
        'the prover signed two lists of acks',
      )
      return made.testimony
    }
    ensure(
      verifySignature(challenge.request.prover, ackList, signature),
      'bad_request',
      'the acks do not carry the signature of the prover',
    )
    const { plane, identity } = this.modules
    const report = await plane.collectTrain({ sessionId: challenge.sessionId, slot, attempt })
    const path = await plane.pathStatistics(challenge.sessionId)
    const honest = testify(report, roots, {
      seed: made.seed,
      ackListHash: ackList,
      rttMicros: Math.round(path.rttMinMicros),
    })
    const statement = this.#behaviour.testimony(honest, plan)
    const digest = testimonyDigest(challenge.digests, { slot, attempt }, statement)
    await this.#once(challenge, `testimony/${name}`, digest)
    made.testimony = { ...statement, signature: identity.sign(digest) }
    return made.testimony
  }

  async #evidence(bytes: Uint8Array, remote: Remote) {
    await this.#behaviour.before('evidence')
    const evidence = decodeEvidence(bytes)
    const challenge = this.#known(evidence.plan.challengeId)
    // A member votes once: whoever else could ask would spend its vote on evidence that is not finished.
    ensure(
      sameBytes(remote.publicKey, challenge.request.coordinator),
      'denied',
      'only the coordinator asks for votes',
    )
    const { plan, digests } = challenge
    ensure(plan !== undefined, 'conflict', 'there is no plan yet')
    ensure(
      sameBytes(planDigest(digests, plan), planDigest(digests, evidence.plan)),
      'conflict',
      'the evidence holds another plan',
    )
    await this.#requireOwnParts(challenge, evidence)
    const assessment = assess(evidence)
    ensure(assessment.faults.length === 0, 'bad_request', assessment.faults[0]?.message ?? 'evidence')
    const evidenceHash = evidenceHashOf(bytes)
    const digest = voteDigest(digests, evidenceHash)
    await this.#once(challenge, 'vote', digest)
    const { guaranteedKbps, estimateKbps, owed } = assessment
    challenge.result = { evidenceHash, guaranteedKbps, estimateKbps, owed }
    await this.modules.store.saveEvidence(challenge.id, bytes)
    await this.#note(challenge, 'voted')
    return { signature: this.modules.identity.sign(digest) }
  }

  async #sign(challengeId: Uint8Array, evidenceHash: Uint8Array, votes: readonly (Uint8Array | null)[]) {
    await this.#behaviour.before('sign')
    const challenge = this.#known(challengeId)
    const { plan, result, digests } = challenge
    ensure(
      plan !== undefined && result !== undefined && sameBytes(result.evidenceHash, evidenceHash),
      'conflict',
      'this member did not vote for that evidence',
    )
    const voters = signersOf(plan.committee, voteDigest(digests, evidenceHash), votes)
    const needed = quorum(plan.committee.length, plan.faulty)
    ensure(voters.length >= needed, 'bad_request', `${voters.length} votes of the ${needed} needed`)
    const digest = resultDigest(digests, result)
    await this.#once(challenge, 'result', digest)
    await this.#note(challenge, 'signed')
    return { signature: this.modules.identity.sign(digest) }
  }

  /**
   * A member votes for no evidence that leaves out or changes what it testified. The locks on disk say what that was, so
   * neither a restart nor a challenge that was finished and announced anew makes it forget. @throws Refusal
   */
  async #requireOwnParts({ id, digests, memberIndex }: Challenge, { plan, slots }: Evidence): Promise<void> {
    const slot = Math.floor(memberIndex / plan.teamSize)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const name = `${slot}/${attempt}`
      const testified = await this.modules.store.lockedDigest(`${id}/testimony/${name}`)
      if (testified === undefined) continue
      const record = slots.find((each) => each.slot === slot && each.attempt === attempt)
      const theirs = record?.testimonies[memberIndex % plan.teamSize] ?? null
      ensure(
        theirs !== null && sameBytes(testimonyDigest(digests, { slot, attempt }, theirs), testified),
        'conflict',
        `the evidence leaves out this member's testimony of ${name}`,
      )
    }
  }

  /** The coordinator is done; keeps the transcript of the evidence voted for. @throws Refusal */
  async finish(challengeId: Uint8Array, transcript: Uint8Array | undefined, remote: Remote): Promise<void> {
    const challenge = this.#known(challengeId)
    ensure(
      sameBytes(remote.publicKey, challenge.request.coordinator),
      'denied',
      'only the coordinator finishes',
    )
    try {
      const { result } = challenge
      if (
        transcript !== undefined &&
        result !== undefined &&
        sameBytes(evidenceHashOf(decodeTranscript(transcript).evidence), result.evidenceHash)
      )
        await this.modules.store.saveTranscript(challenge.id, transcript)
    } finally {
      await this.#release(challenge)
    }
  }

  #note({ id, request }: Challenge, phase: ChallengeNote['phase']): Promise<void> {
    const { claimKbps, prover, payer } = request
    return this.modules.store.noteChallenge({ id, role: 'challenger', phase, claimKbps, prover, payer })
  }

  async #release(challenge: Challenge): Promise<void> {
    this.#challenges.delete(challenge.id)
    if (challenge.sessionOpen) await this.modules.plane.removeSession(challenge.sessionId)
  }

  /** A prover has one challenge at a time: what its earlier ones hold here, an armed train above all, is free again. */
  async #supersede(by: Challenge): Promise<void> {
    for (const challenge of [...this.#challenges.values()])
      if (challenge !== by && sameBytes(challenge.request.prover, by.request.prover))
        await this.#release(challenge)
  }

  /** Requests cost their senders next to nothing: what never came to anything makes room for what may. */
  async #makeRoom(): Promise<void> {
    const before = this.modules.now() - UNUSED_MS
    for (const challenge of [...this.#challenges.values()])
      if (challenge.attempts.size === 0 && challenge.admittedMs < before) await this.#release(challenge)
  }

  /** Forgets challenges past their time. */
  async #sweep(): Promise<void> {
    const nowSeconds = this.modules.now() / 1000
    for (const challenge of [...this.#challenges.values()])
      if (challenge.request.expiresAt <= nowSeconds) await this.#release(challenge)
  }
}

/** A challenge on a chain is no other draw of one without: each chain and contract counts its own. */
function venueName({ chainId, verifyingContract }: Request): string {
  return chainId === 0 ? '' : `${chainId}/${bytesToHex(verifyingContract)}/`
}

/** Own times for the acks whose live root is the list's. */
function testify(
  report: TrainReport,
  roots: readonly Uint8Array[],
  known: { readonly seed: Uint8Array; readonly ackListHash: Uint8Array; readonly rttMicros: number },
): Omit<Testimony, 'signature'> {
  const ownMicros = roots.map(() => 0)
  for (const ack of report.acks) {
    const root = roots[ack.k]
    if (root !== undefined && sameBytes(root, ack.root)) ownMicros[ack.k] = ack.ownMicros
  }
  return {
    ...known,
    ownMicros,
    latenessMicros: Math.max(0, Math.round(report.latenessMicros)),
    sentPackets: report.sentPackets,
  }
}
