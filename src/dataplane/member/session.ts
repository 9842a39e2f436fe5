/**
 * One session at a member: consent bound to a 5-tuple (RFC 7675), at most three times the bytes received before that
 * (RFC 9000 section 8.1), caps on bytes and time, and its round-trip times.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { FastCrypto, Gmac } from '../../crypto/fast/index.js'
import { LAYER3_OVERHEAD_BYTES } from '../../pob/datagram.js'
import { IP_BYTES, parseIp } from '../address.js'
import type { Remote, Source } from '../transport.js'
import type { ConsentClaim, Endpoint, MemberSession, PathStatistics } from '../types.js'
import type { Train } from './train.js'

/** RFC 7675 section 5.1: consent expires 30 s after the last response; ours is half of that. */
export const CONSENT_SILENCE_MICROS = 15e6
/** RFC 9000 section 8.1. */
const AMPLIFICATION_LIMIT = 3
/** Signatures the main thread is asked to check a session: an honest prover needs one. */
const MAX_CLAIMS = 4
/** Most recent round-trip times kept, and reply times awaited. */
const RTT_SAMPLES = 256
const PENDING_PROBES = 64
const NONCE_SECRET_BYTES = 32

/** The 5-tuple that said hello, or consented, last. */
interface Candidate {
  readonly remote: Remote
  readonly nonce: Uint8Array
  /** Of the nonce's datagram: counts 5-tuples, because two nonces under one sequence would break GMAC. */
  readonly nonceSequence: number
  received: number
  sent: number
}

export class Session {
  readonly sessionId: Uint8Array
  readonly gmac: Gmac
  readonly trains = new Map<number, Train>()
  /** Once armed, a (slot, attempt) is never armed again: other bytes under the same nonces would break GMAC. */
  readonly usedTrains = new Set<number>()
  /** Monotonic. */
  expiresMicros: number
  maxBytes: number
  sentBytes = 0
  lastValidMicros: number
  /** The 5-tuple that consented. */
  remote: Remote | undefined
  claimPending = false
  readonly #heard = { keepalive: -1, probe: -1 }
  #claims = 0
  readonly #nonceSecret = randomBytes(NONCE_SECRET_BYTES)
  #candidate: Candidate | undefined
  #candidates = 0
  readonly #rtts = new Float64Array(RTT_SAMPLES)
  #rttCount = 0
  readonly #probeSequence = new Float64Array(PENDING_PROBES).fill(-1)
  readonly #probeSent = new Float64Array(PENDING_PROBES)

  /** @param wallMillis the wall clock at `now`. */
  constructor(options: MemberSession, crypto: FastCrypto, now: number, wallMillis: number) {
    this.sessionId = options.sessionId.slice()
    this.gmac = crypto.createGmac(options.key)
    this.maxBytes = options.maxBytes
    this.expiresMicros = now + (options.expiresAtMs - wallMillis) * 1000
    this.lastValidMicros = now
  }

  /**
   * What a consent from this address has to bring: nobody who does not receive there knows it, whatever nonces he was
   * sent elsewhere. The same for every hello from there, without a list of those who said it.
   */
  nonceOf({ host, port }: Endpoint): Uint8Array {
    const source = new Uint8Array(IP_BYTES + 2)
    source.set(parseIp(host))
    source[IP_BYTES] = port >>> 8
    source[IP_BYTES + 1] = port
    return new Uint8Array(createHmac('sha256', this.#nonceSecret).update(source).digest())
  }

  /** Before consent: counts what came from a 5-tuple; another one starts from nothing. */
  credit(source: Source, bytes: number): Candidate {
    let candidate = this.#candidate
    if (candidate === undefined || !source.matches(candidate.remote)) {
      const remote = source.toRemote()
      const nonce = this.nonceOf(remote.endpoint)
      candidate = { remote, nonce, nonceSequence: this.#candidates++, received: 0, sent: 0 }
      this.#candidate = candidate
    }
    candidate.received += bytes + LAYER3_OVERHEAD_BYTES
    return candidate
  }

  /** The 5-tuple to answer before consent, where three times what it sent allows it. */
  spend(bytes: number): Remote | undefined {
    const size = bytes + LAYER3_OVERHEAD_BYTES
    const candidate = this.#candidate
    if (candidate === undefined || candidate.sent + size > AMPLIFICATION_LIMIT * candidate.received)
      return undefined
    candidate.sent += size
    return candidate.remote
  }

  /** False where too many claims were made. */
  takeClaim(): boolean {
    if (this.claimPending || this.#claims >= MAX_CLAIMS) return false
    this.#claims++
    this.claimPending = true
    return true
  }

  /** Binds the session to the 5-tuple of a claim that was found valid. */
  consent(claim: ConsentClaim, remote: Remote, now: number, wallMillis: number): void {
    this.remote = remote
    this.maxBytes = Math.min(this.maxBytes, claim.maxBytes)
    this.expiresMicros = Math.min(this.expiresMicros, now + (claim.expiresAt * 1000 - wallMillis) * 1000)
    this.lastValidMicros = now
  }

  /**
   * Something of the prover's that no one can have recorded and sent again: it holds consent open. `sequence` grows
   * with each keepalive and each probe.
   */
  heard(kind: 'keepalive' | 'probe' | 'slot', sequence: number, now: number): void {
    if (kind !== 'slot') {
      if (sequence <= this.#heard[kind]) return
      this.#heard[kind] = sequence
    }
    this.lastValidMicros = now
  }

  /** Consent lapses after silence and at its end; a session that lapsed stays closed. */
  isOpen(now: number): boolean {
    return this.remote !== undefined && now < this.expiresMicros && !this.isSilent(now)
  }

  isSilent(now: number): boolean {
    return now - this.lastValidMicros > CONSENT_SILENCE_MICROS
  }

  onProbe(sequence: number, sentMicros: number): void {
    const place = sequence % PENDING_PROBES
    this.#probeSequence[place] = sequence
    this.#probeSent[place] = sentMicros
  }

  onProbeClose(sequence: number, arrivalMicros: number): void {
    const place = sequence % PENDING_PROBES
    if (this.#probeSequence[place] !== sequence) return
    this.#probeSequence[place] = -1
    const rtt = arrivalMicros - (this.#probeSent[place] ?? 0)
    if (rtt > 0) this.#rtts[this.#rttCount++ % RTT_SAMPLES] = rtt
  }

  statistics(now: number): PathStatistics {
    const samples = Math.min(this.#rttCount, RTT_SAMPLES)
    const sorted = this.#rtts.slice(0, samples).sort()
    return {
      remote: this.remote?.endpoint,
      consented: this.isOpen(now),
      rttMinMicros: Math.ceil(sorted[0] ?? 0),
      rttMedianMicros: Math.ceil(sorted[Math.floor(samples / 2)] ?? 0),
      samples,
      sentBytes: this.sentBytes,
    }
  }

  free(): void {
    this.gmac.free()
  }
}
