/** The one challenge that a prover serves at a time, and what ends it: its coordinator, its idleness, its time, or another's turn. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { SlotOrder } from '../../dataplane/index.js'
import { sameBytes } from '../../pob/party.js'
import type { ProverBehaviour } from '../behaviour.js'
import { sourceFor } from '../committee-source.js'
import type { ChallengeNote, Remote } from '../modules.js'
import { ensure, Refusal } from '../protocol-error.js'
import type { Challenge } from './challenge.js'
import { Holds } from './holds.js'
import type { ProverModules } from './modules.js'

/** A coordinator that has gone quiet frees the prover. */
const IDLE_MS = 45_000
/** On a chain the escrow, its confirmations and a round far enough ahead come between acceptance and paths. */
const OPENING_IDLE_MS = 300_000
/** Challenges that had to make room and whose coordinators are told so. */
const MAX_DISPLACED = 16

export class ProverTurn {
  current: Challenge | undefined
  readonly #holds = new Holds()
  #displaced: readonly string[] = []

  constructor(
    readonly modules: ProverModules,
    readonly behaviour: ProverBehaviour,
  ) {}

  /** A coordinator that asks again has given up its challenge before. */
  async replace(remote: Remote): Promise<void> {
    const current = this.current
    if (current === undefined || current.running) return
    if (sameBytes(current.request.coordinator, remote.publicKey)) await this.release(current)
  }

  /** @throws Refusal where `from` would not get the prover now, whatever it asks for: before anything dear is looked at */
  requireTurn(from: string): void {
    const waitMs = this.#holds.waitMs(from, this.modules.now())
    ensure(
      waitMs === 0,
      'rate_limited',
      `too many challenges from your network were asked for and never run; ask again in ${seconds(waitMs)} s`,
    )
    if (this.current !== undefined) this.#requireYield(this.current, from)
  }

  /** The challenge that makes room for one of `from`, undefined where none needs to. @throws Refusal busy */
  async roomFor(from: string): Promise<Challenge | undefined> {
    const { current } = this
    if (current === undefined) return undefined
    this.#requireYield(current, from)
    const { request, digests } = current
    const isPaid = await sourceFor(this.modules.committees, request).isPaid(request, digests.challengeId)
    if (isPaid) throw busy()
    return current
  }

  /**
   * Gives the place to another, unless it was taken since {@link roomFor}. All of it in one turn of the event loop: there is
   * never more than one challenge.
   * @throws Refusal busy
   */
  take(challenge: Challenge, room: Challenge | undefined): void {
    if (this.current !== room) throw busy()
    if (room !== undefined) {
      this.#requireYield(room, challenge.from)
      this.#displaced = [...this.#displaced, room.id].slice(-MAX_DISPLACED)
      this.modules.log.info(
        { challenge: room.id, by: challenge.id },
        'a challenge that did not begin made room',
      )
      void this.release(room)
    }
    this.current = challenge
    this.#holds.accepted(challenge.from, this.modules.now())
    this.touch(challenge)
    this.limit(challenge)
  }

  /** A slot is run: the first one in which a member committed itself to send makes the challenge one that counts. */
  async began(challenge: Challenge, { members }: SlotOrder): Promise<void> {
    if (challenge.hasRun || members.every(({ sessionId }) => sessionId === undefined)) return
    challenge.hasRun = true
    this.#holds.ran(challenge.from, this.modules.now())
    await this.modules.policy.began()
  }

  /** @throws Refusal busy unless the challenge makes room for `from` now */
  #requireYield(current: Challenge, from: string): void {
    const inMs = this.#holds.yieldsInMs(current, from, this.modules.now())
    if (inMs === undefined) throw busy()
    if (inMs > 0) throw busy(`in ${seconds(inMs)} s, when the other must have begun`)
  }

  /** Starts the idle clock anew. */
  touch(challenge: Challenge): void {
    clearTimeout(challenge.idle)
    const isOpening = challenge.request.chainId !== 0 && challenge.committee === undefined
    challenge.idle = setTimeout(() => void this.release(challenge), isOpening ? OPENING_IDLE_MS : IDLE_MS)
    challenge.idle.unref()
  }

  /** However busy its coordinator keeps it, a challenge ends with its request. */
  limit(challenge: Challenge): void {
    const leftMs = challenge.request.expiresAt * 1000 - this.modules.now()
    challenge.expiry = setTimeout(() => void this.release(challenge), Math.max(0, leftMs))
    challenge.expiry.unref()
  }

  known(challengeId: Uint8Array, remote: Remote): Challenge {
    const current = this.current
    ensure(
      !this.#displaced.includes(bytesToHex(challengeId)),
      'busy',
      'this challenge did not begin in time and made room for another; ask again in a moment',
    )
    ensure(
      current !== undefined && sameBytes(current.digests.challengeId, challengeId),
      'not_found',
      'no such challenge here',
    )
    ensure(sameBytes(remote.publicKey, current.request.coordinator), 'denied', 'only the coordinator asks')
    this.touch(current)
    return current
  }

  note({ id, request }: Challenge, phase: ChallengeNote['phase']): Promise<void> {
    const { claimKbps, prover, payer } = request
    return this.modules.store.noteChallenge({ id, role: 'prover', phase, claimKbps, prover, payer })
  }

  /** True where this prover runs that challenge. */
  owns(challengeId: Uint8Array): boolean {
    return this.current !== undefined && sameBytes(this.current.digests.challengeId, challengeId)
  }

  /** Whether that key coordinates the challenge under way: nobody else has anything long to send. */
  coordinates(publicKey: Uint8Array): boolean {
    return this.current !== undefined && sameBytes(this.current.request.coordinator, publicKey)
  }

  async release(challenge: Challenge | undefined): Promise<void> {
    if (challenge === undefined) return
    clearTimeout(challenge.idle)
    clearTimeout(challenge.expiry)
    if (this.current === challenge) this.current = undefined
    await challenge.plane?.close()
  }
}

const seconds = (ms: number): number => Math.ceil(ms / 1000)

const busy = (when = 'in a moment'): Refusal =>
  new Refusal('busy', `another challenge is under way; ask again ${when}`)
