/** The challenges that a member serves: who is admitted, for how long, and what was signed for each. */
import { randomBytes } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import { sameBytes } from '../../pob/party.js'
import type { ProvableFault } from '../../pob/provable-faults.js'
import { digestsOf, type Request } from '../../pob/request.js'
import { admit } from '../admission.js'
import type { Admission } from '../control-messages.js'
import type { ChallengeNote, Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import type { Challenge } from './challenge.js'
import type { ChallengerModules, ChallengerOptions } from './modules.js'
import { originOf, placeFor } from './places.js'
import { SendingTurns } from './turns.js'

/** Challenges kept in memory at once; each holds one session and at most one train. */
const MAX_CHALLENGES = 32
/** Where all places are taken, a challenge in which this member was never armed gives up its place after so long. */
const UNUSED_MS = 60_000

/** Challenges on a chain that ended here and may still need "no result". */
const MAX_REMEMBERED = 64

export class ChallengeTable {
  readonly #challenges = new Map<string, Challenge>()
  readonly #ended = new Map<string, Challenge>()

  /** Whose train goes next. */
  readonly turns: SendingTurns
  /** Names the clock that first sends are read from: it begins anew with the process. */
  readonly clock = new Uint8Array(randomBytes(32))

  constructor(
    readonly modules: ChallengerModules,
    options: ChallengerOptions,
  ) {
    const { now } = modules
    this.turns = new SendingTurns({ ...options, now })
  }

  get size(): number {
    return this.#challenges.size
  }

  /** Under way, or ended on a chain not long ago; a restart forgets the latter. */
  remembered(id: string): Challenge | undefined {
    return this.#challenges.get(id) ?? this.#ended.get(id)
  }

  all(): readonly Challenge[] {
    return [...this.#challenges.values()]
  }

  /** Whether that key coordinates a challenge under way: nobody else has anything long to send. */
  coordinates(publicKey: Uint8Array): boolean {
    const nowSeconds = this.modules.now() / 1000
    return [...this.#challenges.values()].some(
      ({ request }) => request.expiresAt > nowSeconds && sameBytes(request.coordinator, publicKey),
    )
  }

  /**
   * Finds the challenge or admits it. What was admitted stays so until it expires: opening and probing all paths may take
   * a slow prover longer than a round may be old, and the plan comes after that.
   * @param remote who asks: where all places are taken, each prefix has its share of them
   * @throws Refusal
   */
  async admitted(admission: Admission, remote: Remote): Promise<Challenge> {
    await this.sweep()
    const served = this.#challenges.get(bytesToHex(digestsOf(admission.request).challengeId))
    if (served !== undefined) {
      ensure(
        sameBytes(served.beaconSignature, admission.beaconSignature),
        'conflict',
        'this challenge was drawn by another signature of its round',
      )
      return served
    }
    const { identity, committees, now } = this.modules
    const nowMs = now()
    const { request, digests, committee } = await admit(admission, committees, nowMs)
    const id = bytesToHex(digests.challengeId)
    const memberIndex = committee.members.findIndex((member) =>
      sameBytes(member.publicKey, identity.publicKey),
    )
    ensure(memberIndex >= 0, 'denied', 'this challenger was not drawn for the challenge')
    // One challenge for a prover and round: nobody varies the claim until the teams suit.
    const draw = `draw/${venueName(request)}${bytesToHex(request.prover)}/${bytesToHex(request.beaconChain)}/${request.beaconRound}`
    const outcome = await this.modules.store.signOnce(draw, digests.challengeId)
    ensure(outcome !== 'conflict', 'conflict', 'another challenge of this prover was drawn by this round')
    const from = originOf(remote.address)
    await this.#makeRoom(from)
    // The same challenge may have come in twice while the lock was written.
    const meanwhile = this.#challenges.get(id)
    if (meanwhile !== undefined) return meanwhile
    const challenge: Challenge = {
      id,
      request,
      digests,
      committee,
      beaconSignature: admission.beaconSignature,
      memberIndex,
      from,
      sessionId: new Uint8Array(randomBytes(8)),
      sessionKey: new Uint8Array(randomBytes(16)),
      attempts: new Map(),
      arming: new Map(),
      admittedMs: nowMs,
      sessionOpen: false,
    }
    this.#challenges.set(id, challenge)
    return challenge
  }

  /** Under way. */
  served(id: string): Challenge | undefined {
    return this.#challenges.get(id)
  }

  known(challengeId: Uint8Array): Challenge {
    const challenge = this.served(bytesToHex(challengeId))
    ensure(challenge !== undefined, 'not_found', 'no such challenge here')
    return challenge
  }

  /** The sign-once lock. @throws Refusal conflict where another digest was signed. */
  async once(challenge: Challenge, what: string, digest: Uint8Array): Promise<void> {
    const outcome = await this.modules.store.signOnce(`${challenge.id}/${what}`, digest)
    ensure(outcome !== 'conflict', 'conflict', `another ${what} was signed for this challenge`)
  }

  /** Keeps the proof of a fault that this member met; the challenge goes on as if it could not be kept. */
  async accuse({ id, digests }: Challenge, fault: ProvableFault): Promise<void> {
    const { kind, accused } = fault
    const { store, log } = this.modules
    log.warn({ challenge: id, kind, accused }, 'a provable fault')
    const { challengeId, domain } = digests
    await store.keepFault({ challengeId, ...domain }, fault).catch((error: unknown) => {
      log.error({ challenge: id, reason: String(error) }, 'the proof of a fault could not be kept')
    })
  }

  note({ id, request }: Challenge, phase: ChallengeNote['phase']): Promise<void> {
    const { claimKbps, prover, payer } = request
    return this.modules.store.noteChallenge({ id, role: 'challenger', phase, claimKbps, prover, payer })
  }

  async release(challenge: Challenge): Promise<void> {
    this.#challenges.delete(challenge.id)
    this.turns.end(challenge.id)
    if (challenge.request.chainId !== 0 && challenge.plan !== undefined) {
      this.#ended.set(challenge.id, challenge)
      const [oldest] = this.#ended.keys()
      if (this.#ended.size > MAX_REMEMBERED && oldest !== undefined) this.#ended.delete(oldest)
    }
    if (challenge.sessionOpen) await this.modules.plane.removeSession(challenge.sessionId)
  }

  /** A prover has one challenge at a time: what its earlier ones hold here, an armed train above all, is free again. */
  async supersede(by: Challenge): Promise<void> {
    for (const challenge of [...this.#challenges.values()])
      if (challenge !== by && sameBytes(challenge.request.prover, by.request.prover))
        await this.release(challenge)
  }

  /**
   * Requests cost their senders next to nothing: what never came to anything makes room for what may, and who asks for
   * much for who asks for little. @throws Refusal busy
   */
  async #makeRoom(from: string): Promise<void> {
    const before = this.modules.now() - UNUSED_MS
    if (this.#challenges.size >= MAX_CHALLENGES)
      for (const challenge of this.all())
        if (challenge.attempts.size === 0 && challenge.admittedMs < before) await this.release(challenge)
    while (this.#challenges.size >= MAX_CHALLENGES) {
      const places = this.all().map((challenge) => ({
        challenge,
        from: challenge.from,
        isUsed: challenge.attempts.size + challenge.arming.size > 0,
      }))
      const given = placeFor(from, places)
      ensure(
        given !== undefined,
        'busy',
        `this challenger serves ${this.#challenges.size} challenges already`,
      )
      await this.release(given.challenge)
    }
  }

  /** Forgets challenges past their time. */
  async sweep(): Promise<void> {
    const nowSeconds = this.modules.now() / 1000
    for (const challenge of [...this.#challenges.values()])
      if (challenge.request.expiresAt <= nowSeconds) await this.release(challenge)
  }
}

/** A challenge on a chain is no other draw of one without: each chain and contract counts its own. */
function venueName({ chainId, verifyingContract }: Request): string {
  return chainId === 0 ? '' : `${chainId}/${bytesToHex(verifyingContract)}/`
}
