/**
 * The coordinator of one challenge, inside `measure` or a payer's daemon: it moves messages and can stall, but every
 * number it reports is recomputed by the members before they sign.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { verifySignature } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import { type Assessment, assess, isDirty, type OutcomeCache } from '../pob/assess.js'
import type { Committee } from '../pob/committee.js'
import { ENOUGH_CLAIM_SHARE, MAX_ATTEMPTS, PROTOCOL_VERSION, packetCountOf } from '../pob/constants.js'
import { type Evidence, encodeEvidence, evidenceHashOf } from '../pob/evidence.js'
import { advisedTauMicros, makePlan, type Plan, planDigest } from '../pob/plan.js'
import {
  acceptanceDigest,
  Direction,
  digestsOf,
  Profile,
  type ProfileName,
  type Request,
} from '../pob/request.js'
import { quorum, resultDigest, voteDigest } from '../pob/result.js'
import {
  ackListDigest,
  type Capture,
  type Commitment,
  capturedRoots,
  captureFault,
  commitmentDigest,
  type SlotId,
  type SlotRecord,
  type Testimony,
  testimonyDigest,
} from '../pob/slot.js'
import type { ChallengeDigests } from '../pob/structures.js'
import { encodeTranscript, type Transcript } from '../pob/transcript.js'
import { askAgain } from './ask-again.js'
import {
  type Admission,
  ARM_MESSAGE,
  EVIDENCE_MESSAGE,
  FINISH_MESSAGE,
  type PathReport,
  PLAN_MESSAGE,
  PREPARE_MESSAGE,
  REQUEST_MESSAGE,
  REVEAL_MESSAGE,
  type ReportedStatistics,
  SIGN_MESSAGE,
  SLOT_MESSAGE,
} from './control-messages.js'
import type { PeerTarget, RoleModules } from './modules.js'
import type { DrawnCommittee, Venue, VenueTerms } from './venue.js'

/** Members that failed to answer a step get less time for the next, so that a few silent ones cost seconds, not minutes. */
const SUSPECT_DEADLINE_MS = 1_500
/** Once enough members have voted or signed, the others have this long. */
const GRACE_MS = 750
/** A commitment lost on the way would cost the whole slot: asking again is harmless, the answer is the same. */
const ARM_TRIES = 2
/** A prover that cannot be reached in so many slots or attempts in a row has gone. */
const GIVE_UP_SLOTS = 2
/** Between slots: buffers of the link empty, daemons come to rest. */
const SLOT_GAP_MS = 60

export interface ChallengeOrder {
  readonly prover: PeerTarget
  readonly profile: ProfileName
  readonly claimKbps: number
  readonly committeeSize: number
  readonly faulty: number
  /** Strict only: slots to run. */
  readonly teams?: number
  readonly betaMillionths?: number
  readonly deltaMillionths?: number
}

/** What happens, as it happens: for progress bars and `--json-stream`. */
export type ProgressEvent =
  | {
      readonly event: 'requested'
      readonly challengeId: string
      readonly round: number
      readonly waitSeconds: number
    }
  | {
      readonly event: 'drawn'
      readonly committee: readonly string[]
      readonly teams: number
      readonly teamSize: number
      readonly memberRateMbps: number
      readonly allOn: boolean
    }
  | { readonly event: 'paths'; readonly paths: readonly PathReport[]; readonly tauMs: number }
  | { readonly event: 'slot_started'; readonly slot: number; readonly attempt: number; readonly of: number }
  | {
      readonly event: 'slot_ended'
      readonly slot: number
      readonly attempt: number
      readonly valueMbps: number
      readonly dirty: boolean
      readonly failed: boolean
    }
  | {
      /** What a challenge on a chain costs its payer, before anything is sent. */
      readonly event: 'quoted'
      readonly feeWei: string
      readonly gasFeeWei: string
      readonly haveWei: string
    }
  | {
      /** A transaction of the payer's, on a chain. */
      readonly event: 'transaction'
      readonly step: string
      readonly txHash: string
      readonly gasUsed: number
      readonly feeWei: string
    }
  | { readonly event: 'voted'; readonly votes: number; readonly needed: number }
  | { readonly event: 'signed'; readonly signatures: number; readonly needed: number }

export interface ChallengeOutcome {
  readonly challengeId: Uint8Array
  readonly request: Request
  readonly plan: Plan
  readonly committee: Committee
  readonly assessment: Assessment
  readonly evidence: Evidence
  readonly evidenceHash: Uint8Array
  readonly transcript: Uint8Array
  readonly paths: readonly PathReport[]
  readonly statistics: readonly ReportedStatistics[]
  /** Over the result, by member; null for who did not sign. */
  readonly signatures: readonly (Uint8Array | null)[]
  readonly durationMs: number
  /** Members that failed to answer a step, by index. */
  readonly unresponsive: readonly number[]
}

export interface CoordinatorModules extends Omit<RoleModules, 'committees' | 'store'> {
  readonly venue: Venue
  readonly onProgress?: (event: ProgressEvent) => void
}

/** Runs one challenge from request to signed transcript. @throws UserError where it cannot be completed. */
export async function runChallenge(
  order: ChallengeOrder,
  modules: CoordinatorModules,
  signal?: AbortSignal,
): Promise<ChallengeOutcome> {
  const terms = await modules.venue.terms(signal)
  return new ChallengeRun(order, modules, terms, signal).run()
}

class ChallengeRun {
  readonly #suspects = new Set<number>()
  /** Slots assessed once are not recomputed. */
  readonly #outcomes: OutcomeCache = new WeakMap()
  readonly #statistics: ReportedStatistics[] = []
  readonly #slots: SlotRecord[] = []
  readonly #request: Request
  readonly #digests: ChallengeDigests
  #committee: Committee | undefined
  /** The prover waits for us. */
  #accepted = false
  /** Slots in a row in which the prover could not be reached, and why the last slot failed. */
  #unreached = 0
  #slotFailure = 'nobody sent'

  constructor(
    readonly order: ChallengeOrder,
    readonly modules: CoordinatorModules,
    terms: VenueTerms,
    readonly signal: AbortSignal | undefined,
  ) {
    this.#request = this.#makeRequest(terms)
    this.#digests = digestsOf(this.#request)
  }

  #makeRequest(terms: VenueTerms): Request {
    const { order, modules } = this
    const { publicKey } = modules.identity
    const strict = order.profile === 'strict'
    const single = order.profile === 'quick' || order.profile === 'published'
    return {
      version: PROTOCOL_VERSION,
      ...terms,
      prover: order.prover.publicKey,
      payer: publicKey,
      coordinator: publicKey,
      direction: Direction.down,
      profile: Profile[order.profile],
      claimKbps: order.claimKbps,
      committeeSize: order.committeeSize,
      faulty: strict ? 0 : order.faulty,
      teams: single ? 1 : strict ? (order.teams ?? 5) : 2 * order.faulty + 1,
      betaMillionths: strict ? (order.betaMillionths ?? 100_000) : 0,
      deltaMillionths: strict ? (order.deltaMillionths ?? 10_000) : 0,
      salt: new Uint8Array(randomBytes(32)),
    }
  }

  #progress(event: ProgressEvent): void {
    this.modules.onProgress?.(event)
  }

  async run(): Promise<ChallengeOutcome> {
    const startedMs = this.modules.now()
    const { challengeId } = this.#digests
    let plan: Plan | undefined
    try {
      const accepted = await this.#accept()
      const { committee, beaconSignature } = await this.#draw()
      const admission: Admission = { ...accepted, beaconSignature }
      this.#committee = committee
      const paths = await this.#prepare(admission)
      const rtts = paths.flatMap((path) => (path.ready === 1 ? [path.rttMicros] : []))
      const tauMicros = advisedTauMicros(this.#request.profile, rtts)
      this.#progress({ event: 'paths', paths, tauMs: tauMicros / 1000 })
      plan = makePlan(challengeId, admission.beaconSignature, committee, tauMicros)
      const evidenceHead = await this.#announce(admission, plan)
      await this.#runSlots(evidenceHead, plan)
      this.#requireCapture()
      const evidence: Evidence = { ...evidenceHead, slots: this.#slots }
      const { transcript, assessment, evidenceHash, signed } = await this.#agree(evidence)
      await this.#finish(plan, transcript)
      return {
        challengeId,
        request: this.#request,
        plan,
        committee,
        assessment,
        evidence,
        evidenceHash,
        transcript,
        paths,
        statistics: this.#statistics,
        signatures: signed,
        durationMs: this.modules.now() - startedMs,
        unresponsive: [...this.#suspects].sort((a, b) => a - b),
      }
    } catch (error) {
      // Whoever takes part is free for the next challenge at once.
      if (this.#accepted) await this.#finish(plan, undefined)
      throw error
    }
  }

  /** Request and acceptance, before the round is out that nobody knows yet. */
  async #accept(): Promise<Omit<Admission, 'beaconSignature'>> {
    const { control, identity, venue, now } = this.modules
    const request = this.#request
    await venue.requireCommittee(request, this.signal)
    const payerSignature = identity.sign(this.#digests.challengeId)
    const answer = await control.request(
      this.order.prover,
      REQUEST_MESSAGE,
      { request, payerSignature },
      this.#options(),
    )
    this.#accepted = true
    const digest = acceptanceDigest(this.#digests, answer.acceptedAt)
    if (!verifySignature(request.prover, digest, answer.signature))
      throw new UserError('the prover answered with a signature that is not its own', {
        code: 'BAD_MESSAGE',
        remedy: 'check the prover id',
      })
    this.#progress({
      event: 'requested',
      challengeId: bytesToHex(this.#digests.challengeId),
      round: request.beaconRound,
      waitSeconds: Math.max(0, venue.roundTime(request) - now() / 1000),
    })
    const { acceptedAt, signature: acceptanceSignature } = answer
    const { challengeId } = this.#digests
    await venue.opened({ request, challengeId, acceptedAt, acceptanceSignature }, this.signal)
    return { request, payerSignature, acceptedAt, acceptanceSignature }
  }

  #options(deadlineMs?: number) {
    return {
      ...(this.signal === undefined ? {} : { signal: this.signal }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    }
  }

  async #draw(): Promise<DrawnCommittee> {
    const drawn = await this.modules.venue.draw(this.#request, this.signal)
    const { members, teams, teamSize, memberRateKbps, allOn } = drawn.committee
    this.#progress({
      event: 'drawn',
      committee: members.map((member) => bytesToHex(member.publicKey)),
      teams,
      teamSize,
      memberRateMbps: memberRateKbps / 1000,
      allOn,
    })
    return drawn
  }

  async #prepare(admission: Admission): Promise<readonly PathReport[]> {
    const { challengeId } = this.#digests
    const { paths } = await this.modules.control.request(
      this.order.prover,
      PREPARE_MESSAGE,
      { challengeId, beaconSignature: admission.beaconSignature },
      this.#options(),
    )
    if (!paths.some((path) => path.ready === 1))
      throw new UserError(
        `the prover reached none of the ${paths.length} challengers: ${paths[0]?.reason ?? 'no reason given'}`,
        { code: 'UNREACHABLE', remedy: 'run `plumbline doctor` on the prover: its UDP may be blocked' },
      )
    return paths
  }

  /**
   * Asks members at once. One that fails has no answer in the result, and is given less time from then on. With `enough`,
   * the rest is waited for only a little longer once so many have answered.
   */
  async #each<T>(
    members: readonly number[],
    what: string,
    ask: (member: number, options: { deadlineMs?: number; signal?: AbortSignal }) => Promise<T>,
    enough = Number.POSITIVE_INFINITY,
  ): Promise<Map<number, T>> {
    const answers = new Map<number, T>()
    const satisfied = new AbortController()
    const signal =
      this.signal === undefined ? satisfied.signal : AbortSignal.any([this.signal, satisfied.signal])
    let grace: NodeJS.Timeout | undefined
    await Promise.all(
      members.map(async (member) => {
        try {
          const deadline = this.#suspects.has(member) ? { deadlineMs: SUSPECT_DEADLINE_MS } : {}
          answers.set(member, await askAgain(() => ask(member, { ...deadline, signal }), signal))
          if (answers.size >= enough) grace ??= setTimeout(() => satisfied.abort(), GRACE_MS)
        } catch (error) {
          if (this.signal?.aborted) throw error
          this.#suspects.add(member)
          const reason = satisfied.signal.aborted ? 'slower than enough others' : String(error)
          this.modules.log.warn({ member, what, reason }, 'a challenger did not answer')
        }
      }),
    )
    clearTimeout(grace)
    return answers
  }

  #target(member: number): PeerTarget {
    const entry = this.#committee?.members[member]
    if (entry === undefined) throw new Error(`no member ${member}`)
    return entry
  }

  async #announce(admission: Admission, plan: Plan): Promise<Omit<Evidence, 'slots'>> {
    const { control, identity } = this.modules
    const planSignature = identity.sign(planDigest(this.#digests, plan))
    const { beaconSignature: _, ...rest } = admission
    const body = { ...rest, plan, planSignature }
    await Promise.all([
      control.request(this.order.prover, PLAN_MESSAGE, body, this.#options()),
      this.#each(
        plan.committee.map((_, member) => member),
        'plan',
        (member, options) => control.request(this.#target(member), PLAN_MESSAGE, body, options),
      ),
    ])
    return { version: PROTOCOL_VERSION, ...body }
  }

  async #runSlots(head: Omit<Evidence, 'slots'>, plan: Plan): Promise<void> {
    const strict = this.#request.profile === Profile.strict
    for (let slot = 0; slot < plan.teams; slot++) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        this.#progress({ event: 'slot_started', slot, attempt, of: plan.teams })
        const record = await this.#runSlot(plan, slot, attempt)
        this.#slots.push(record)
        const dirty = isDirty(record, plan.tauMicros)
        const assessment = assess({ ...head, slots: [record] }, { partial: true, outcomes: this.#outcomes })
        this.#progress({
          event: 'slot_ended',
          slot,
          attempt,
          valueMbps: (assessment.slots[0]?.valueKbps ?? 0) / 1000,
          dirty: dirty && record.capture !== null,
          failed: record.capture === null,
        })
        await sleep(SLOT_GAP_MS)
        if (!dirty || strict) break
      }
      if (this.#request.profile === Profile.standard && slot >= plan.faulty && slot + 1 < plan.teams) {
        const { guaranteedKbps } = assess(
          { ...head, slots: this.#slots },
          { partial: true, outcomes: this.#outcomes },
        )
        if (guaranteedKbps >= ENOUGH_CLAIM_SHARE * this.#request.claimKbps) return
      }
    }
  }

  /** @throws UserError where the prover has gone: waiting for it in every slot would take minutes */
  #noteFailure(error: unknown): void {
    this.#slotFailure = error instanceof Error ? error.message : String(error)
    const isGone = error instanceof UserError && (error.code === 'UNREACHABLE' || error.code === 'TIMEOUT')
    this.#unreached = isGone ? this.#unreached + 1 : 0
    if (this.#unreached < GIVE_UP_SLOTS) return
    throw new UserError(`the prover stopped answering: ${this.#slotFailure}`, {
      code: 'UNREACHABLE',
      remedy: 'see whether it runs, and measure again',
    })
  }

  /** Nothing that arrived is no measurement: it says nothing about the line. */
  #requireCapture(): void {
    if (this.#slots.some(({ capture }) => capture !== null)) return
    throw new UserError(`no slot brought a result: ${this.#slotFailure}`, {
      code: 'UNAVAILABLE',
      remedy: 'run `plumbline doctor` on the prover, and measure again',
    })
  }

  async #runSlot(plan: Plan, slot: number, attempt: number): Promise<SlotRecord> {
    const { control, log } = this.modules
    const { challengeId } = this.#digests
    const id = { slot, attempt }
    const team = Array.from({ length: plan.teamSize }, (_, i) => slot * plan.teamSize + i)
    const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
    const armed = await this.#each(team, 'arm', async (member, options) => {
      const commitment = await this.#arm(member, { challengeId, ...id }, options)
      const terms = commitment.rateKbps === plan.memberRateKbps && commitment.packetCount === packetCount
      const digest = commitmentDigest(this.#digests, id, commitment)
      if (!terms || !this.#signedBy(plan, member, digest, commitment.signature))
        throw new Error('its commitment is invalid')
      return commitment
    })
    const commitments = team.map((member): Commitment | null => armed.get(member) ?? null)
    const nobody = { ...id, commitments, capture: null, testimonies: team.map(() => null) }
    if (armed.size === 0) return nobody
    let capture: Capture
    try {
      const body = { challengeId, ...id, commitments }
      const answer = await control.request(this.order.prover, SLOT_MESSAGE, body, this.#options())
      capture = answer.capture
      this.#statistics.push(answer.statistics)
    } catch (error) {
      if (this.signal?.aborted) throw error
      this.#noteFailure(error)
      log.warn({ slot, attempt, reason: String(error) }, 'the slot failed')
      return nobody
    }
    this.#unreached = 0
    const fault = captureFault(capture, plan.teamSize)
    if (fault !== undefined) {
      log.warn({ slot, attempt, fault }, 'the capture is malformed')
      return nobody
    }
    const roots = capturedRoots(capture)
    const ackList = ackListDigest(this.#digests, id, roots)
    if (!verifySignature(this.#request.prover, ackList, capture.signature)) {
      log.warn({ slot, attempt }, 'the prover did not sign its acks')
      return nobody
    }
    const revealed = await this.#each(
      team.filter((member) => armed.has(member)),
      'reveal',
      async (member, options) => {
        const body = { challengeId, ...id, roots, signature: capture.signature }
        const testimony = await control.request(this.#target(member), REVEAL_MESSAGE, body, options)
        const digest = testimonyDigest(this.#digests, id, testimony)
        const fits = testimony.ownMicros.length <= roots.length
        if (!fits || !this.#signedBy(plan, member, digest, testimony.signature))
          throw new Error('its testimony is invalid')
        return testimony
      },
    )
    const testimonies = team.map((member): Testimony | null => revealed.get(member) ?? null)
    return { ...id, commitments, capture, testimonies }
  }

  async #arm(
    member: number,
    body: SlotId & { challengeId: Uint8Array },
    options: { deadlineMs?: number; signal?: AbortSignal },
  ): Promise<Commitment> {
    for (let left = ARM_TRIES - 1; ; left--)
      try {
        return await this.modules.control.request(this.#target(member), ARM_MESSAGE, body, options)
      } catch (error) {
        if (left === 0 || this.signal?.aborted || this.#suspects.has(member)) throw error
      }
  }

  #signedBy(plan: Plan, member: number, digest: Uint8Array, signature: Uint8Array): boolean {
    const key = plan.committee[member]
    return key !== undefined && verifySignature(key, digest, signature)
  }

  /** Votes on one evidence hash first, then signatures on one result. */
  async #agree(evidence: Evidence) {
    const { control } = this.modules
    const { plan } = evidence
    const { challengeId } = this.#digests
    const bytes = encodeEvidence(evidence)
    const evidenceHash = evidenceHashOf(bytes)
    const assessment = assess(evidence, { outcomes: this.#outcomes })
    const fault = assessment.faults[0]
    if (fault !== undefined)
      throw new UserError(`the evidence is not in order: ${fault.message}`, {
        code: 'VERIFICATION_FAILED',
        remedy: 'measure again',
      })
    const everybody = plan.committee.map((_, member) => member)
    const needed = quorum(plan.committee.length, plan.faulty)
    const vote = voteDigest(this.#digests, evidenceHash)
    const votes = await this.#each(
      everybody,
      'vote',
      async (member, options) => {
        const answer = await control.request(
          this.#target(member),
          EVIDENCE_MESSAGE,
          { evidence: bytes },
          options,
        )
        if (!this.#signedBy(plan, member, vote, answer.signature)) throw new Error('its vote is invalid')
        return answer.signature
      },
      needed,
    )
    this.#progress({ event: 'voted', votes: votes.size, needed })
    this.#requireQuorum(votes.size, needed, 'voted for')
    const voteList = everybody.map((member) => votes.get(member) ?? null)
    const { guaranteedKbps, estimateKbps, owed } = assessment
    const digest = resultDigest(this.#digests, { evidenceHash, guaranteedKbps, estimateKbps, owed })
    const signed = await this.#each(
      [...votes.keys()],
      'sign',
      async (member, options) => {
        const body = { challengeId, evidenceHash, votes: voteList }
        const answer = await control.request(this.#target(member), SIGN_MESSAGE, body, options)
        if (!this.#signedBy(plan, member, digest, answer.signature))
          throw new Error('its signature is invalid')
        return answer.signature
      },
      needed,
    )
    this.#progress({ event: 'signed', signatures: signed.size, needed })
    this.#requireQuorum(signed.size, needed, 'signed')
    const signatures = everybody.map((member) => signed.get(member) ?? null)
    const transcript: Transcript = {
      version: PROTOCOL_VERSION,
      evidence: bytes,
      votes: voteList,
      guaranteedKbps,
      estimateKbps,
      owed,
      signatures,
    }
    return { transcript: encodeTranscript(transcript), assessment, evidenceHash, signed: signatures }
  }

  #requireQuorum(have: number, needed: number, verb: string): void {
    if (have < needed)
      throw new UserError(`only ${have} of the ${needed} members needed ${verb} the evidence`, {
        code: 'UNAVAILABLE',
        remedy: 'measure again: a fresh round draws another committee',
      })
  }

  /** Lets go of everybody; failures here cost nothing. */
  async #finish(plan: Plan | undefined, transcript: Uint8Array | undefined): Promise<void> {
    const { control, log } = this.modules
    const { challengeId } = this.#digests
    const targets = [this.order.prover, ...(plan?.committee ?? []).map((_, member) => this.#target(member))]
    const body = { challengeId, ...(transcript === undefined ? {} : { transcript }) }
    // Members already hold the evidence; the prover gets the whole, members the notice and the signatures.
    await Promise.all(
      targets.map((target) =>
        control
          .request(target, FINISH_MESSAGE, body, { deadlineMs: 2_000 })
          .catch((error: unknown) => log.debug({ reason: String(error) }, 'finish was not acknowledged')),
      ),
    )
  }
}
