/** The one challenge that a prover serves at a time, and what ends it. */
import { sameBytes } from '../../pob/party.js'
import type { ProverBehaviour } from '../behaviour.js'
import type { ChallengeNote, Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import type { Challenge } from './challenge.js'
import type { ProverModules } from './modules.js'

/** A coordinator that has gone quiet frees the prover. */
const IDLE_MS = 45_000
/** On a chain the escrow, its confirmations and a round far enough ahead come between acceptance and paths. */
const OPENING_IDLE_MS = 300_000

export class ProverTurn {
  current: Challenge | undefined

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
