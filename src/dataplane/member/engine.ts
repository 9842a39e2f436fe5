/** A member's side of every session on its socket: consent, probes, go, acks. See transport.ts for who drives it. */
import { timingSafeEqual } from 'node:crypto'
import type { FastCrypto, Region } from '../../crypto/fast/index.js'
import { UserError } from '../../errors.js'
import {
  DATAGRAM_LENGTHS,
  DatagramType,
  type DatagramTypeNumber,
  decodeConsentBody,
  HEADER_BYTES,
  LAYER3_OVERHEAD_BYTES,
  readU32,
  SEQUENCE_OFFSET,
  SESSION_ID_OFFSET,
} from '../../pob/datagram.js'
import { nowMicros } from '../clock.js'
import { Counters } from '../counters.js'
import type { CommonRequest, MemberRequest, TrainName } from '../messages.js'
import { openInPlace, sealedDatagram } from '../seal.js'
import { SessionTable } from '../session-table.js'
import type { Engine, EngineModules, Outbox, Remote, Source, Transport } from '../transport.js'
import type { ConsentClaim } from '../types.js'
import { Session } from './session.js'
import type { Train } from './train.js'
import { TrainYard, trainKey } from './train-yard.js'

const MAX_SESSIONS = 256
/** A go further ahead than this is a mistake. */
const MAX_GO_DELAY_MICROS = 5e6
/** Expired sessions are looked for this often, while there are sessions. */
const HOUSEKEEPING_MICROS = 1e6

interface Claim {
  readonly session: Session
  readonly claim: ConsentClaim
  readonly remote: Remote
}

export class MemberEngine implements Engine {
  readonly #transport: Transport
  readonly #crypto: FastCrypto
  readonly #outbox: Outbox
  readonly #sessions = new SessionTable<Session>(MAX_SESSIONS)
  readonly #counters = new Counters()
  readonly #trains: TrainYard
  readonly #scratch: Region
  readonly #claims = new Map<number, Claim>()
  #nextClaim = 1
  #nextHousekeeping = Number.POSITIVE_INFINITY

  constructor(modules: EngineModules) {
    const { transport, crypto, outbox } = modules
    this.#transport = transport
    this.#crypto = crypto
    this.#outbox = outbox
    this.#scratch = crypto.allocate(2048)
    this.#trains = new TrainYard({ ...modules, counters: this.#counters })
  }

  onRequest(id: number, request: unknown): void {
    try {
      this.#request(id, request as MemberRequest | CommonRequest)
    } catch (error) {
      this.#outbox.fail(id, error)
    }
  }

  #request(id: number, request: MemberRequest | CommonRequest): void {
    const now = nowMicros()
    switch (request.op) {
      case 'addSession':
        this.#sessions.add(new Session(request.session, this.#crypto, now, Date.now()))
        this.#nextHousekeeping = Math.min(this.#nextHousekeeping, now + HOUSEKEEPING_MICROS)
        this.#outbox.reply(id, undefined)
        return
      case 'removeSession': {
        const session = this.#sessions.delete(request.sessionId)
        if (session !== undefined) this.#drop(session, now)
        this.#outbox.reply(id, undefined)
        return
      }
      case 'consentVerdict':
        this.#onVerdict(request.claimId, request.accept, now)
        this.#outbox.reply(id, undefined)
        return
      case 'prepareTrain':
        this.#trains.prepare(id, this.#sessions.get(request.order.sessionId), request.order)
        return
      case 'collectTrain':
        this.#trains.collect(id, this.#findTrain(request.train))
        return
      case 'pathStatistics':
        this.#outbox.reply(id, this.#sessions.get(request.sessionId).statistics(now))
        return
      case 'counters':
        this.#outbox.reply(id, this.#counters.snapshot(this.#transport.overflow))
        return
      case 'close':
        this.close()
        this.#outbox.reply(id, undefined)
        return
    }
  }

  #findTrain(name: TrainName): Train {
    const train = this.#sessions.get(name.sessionId).trains.get(trainKey(name.slot, name.attempt))
    if (train === undefined)
      throw new UserError(`no train for slot ${name.slot}, attempt ${name.attempt}`, { code: 'NOT_FOUND' })
    return train
  }

  tick(now: number): void {
    this.#trains.tick(now)
    if (now >= this.#nextHousekeeping) this.#housekeep(now)
  }

  #housekeep(now: number): void {
    for (const session of [...this.#sessions.values()]) {
      if (now < session.expiresMicros) continue
      this.#sessions.delete(session.sessionId)
      this.#drop(session, now)
    }
    const keeps = this.#trains.trim(now)
    this.#nextHousekeeping =
      this.#sessions.size > 0 || keeps ? now + HOUSEKEEPING_MICROS : Number.POSITIVE_INFINITY
  }

  #drop(session: Session, now: number): void {
    for (const [claimId, claim] of this.#claims) if (claim.session === session) this.#claims.delete(claimId)
    this.#trains.drop(session, now)
    session.free()
  }

  nextDueMicros(): number {
    return Math.min(this.#nextHousekeeping, this.#trains.nextDueMicros())
  }

  urgent(): boolean {
    return this.#trains.urgent()
  }

  wantsArrivals(): boolean {
    return true
  }

  afterReceive(_drained: boolean): void {
    this.#transport.flush()
  }

  /** Form, session, 5-tuple, tag: the cheap checks first, because anybody can send to this port. */
  onDatagram(region: Region, offset: number, length: number, arrivalMicros: number, source: Source): void {
    const counters = this.#counters
    const { bytes } = region
    if (!counters.takes(bytes, offset, length)) return
    const session = this.#sessions.find(bytes, offset + SESSION_ID_OFFSET)
    if (session === undefined || (session.remote !== undefined && !source.matches(session.remote))) {
      counters.unknownSession++
      return
    }
    if (!openInPlace(session.gmac, region, offset, length)) {
      counters.badTag++
      return
    }
    const now = nowMicros()
    if (session.remote !== undefined && !session.isOpen(now)) return
    this.#onValid(session, bytes, offset, length, arrivalMicros, source)
  }

  #onValid(
    session: Session,
    bytes: Uint8Array,
    offset: number,
    length: number,
    arrivalMicros: number,
    source: Source,
  ): void {
    const type = bytes[offset] as DatagramTypeNumber
    const sequence = readU32(bytes, offset + SEQUENCE_OFFSET)
    switch (type) {
      case DatagramType.ack: {
        const train = slotTrain(session, bytes, offset)
        if (train?.onAck(sequence, bytes, offset + HEADER_BYTES, arrivalMicros) === true)
          session.heard('slot', sequence, nowMicros())
        return
      }
      case DatagramType.echo: {
        const train = slotTrain(session, bytes, offset)
        if (train?.onEcho(sequence, bytes, offset + HEADER_BYTES, arrivalMicros) === true)
          session.heard('slot', sequence, nowMicros())
        return
      }
      case DatagramType.hello: {
        const { nonce, nonceSequence } = session.credit(source, length)
        this.#answer(session, DatagramType.nonce, nonceSequence, nonce)
        return
      }
      case DatagramType.consent:
        this.#onConsent(session, bytes, offset, length, source)
        return
      case DatagramType.probe: {
        if (session.remote === undefined) return
        session.heard('probe', sequence, nowMicros())
        this.#answer(
          session,
          DatagramType.probeReply,
          sequence,
          bytes.slice(offset + HEADER_BYTES, offset + length),
        )
        session.onProbe(sequence, nowMicros())
        this.#transport.flush()
        return
      }
      case DatagramType.probeClose:
        session.onProbeClose(sequence, arrivalMicros)
        return
      case DatagramType.go:
        this.#onGo(session, bytes, offset, arrivalMicros)
        return
      case DatagramType.stop: {
        const now = nowMicros()
        for (const train of session.trains.values()) train.stop('stop', now)
        return
      }
      case DatagramType.keepalive:
        session.heard('keepalive', sequence, nowMicros())
        return
      default:
        // Types that a member sends itself, reflected.
        return
    }
  }

  #onGo(session: Session, bytes: Uint8Array, offset: number, arrivalMicros: number): void {
    const train = slotTrain(session, bytes, offset)
    const delay = readU32(bytes, offset + HEADER_BYTES)
    if (session.remote === undefined || train?.state !== 'armed' || delay > MAX_GO_DELAY_MICROS) return
    session.heard('slot', 0, nowMicros())
    train.go(arrivalMicros + delay)
  }

  #onConsent(session: Session, bytes: Uint8Array, offset: number, length: number, source: Source): void {
    const body = decodeConsentBody(bytes, offset)
    const remote = source.toRemote()
    if (!timingSafeEqual(body.nonce, session.nonceOf(remote.endpoint))) return
    // The answer was lost: the same datagram from the same 5-tuple gets it again.
    if (session.remote !== undefined) {
      this.#answer(session, DatagramType.ready, 0)
      return
    }
    session.credit(source, length)
    if (!session.takeClaim()) return
    const claimId = this.#nextClaim++
    const claim = { sessionId: session.sessionId.slice(), ...body, remote: remote.endpoint }
    this.#claims.set(claimId, { session, claim, remote })
    this.#outbox.event({ event: 'consent', claimId, claim })
  }

  #onVerdict(claimId: number, accept: boolean, now: number): void {
    const claim = this.#claims.get(claimId)
    if (claim === undefined) return
    this.#claims.delete(claimId)
    claim.session.claimPending = false
    if (!accept || claim.session.remote !== undefined) return
    claim.session.consent(claim.claim, claim.remote, now, Date.now())
    this.#answer(claim.session, DatagramType.ready, 0)
    this.#transport.flush()
  }

  #answer(session: Session, type: DatagramTypeNumber, sequence: number, body?: Uint8Array): void {
    const length = DATAGRAM_LENGTHS[type] ?? 0
    if (session.sentBytes + length + LAYER3_OVERHEAD_BYTES > session.maxBytes) return
    const remote = session.remote ?? session.spend(length)
    if (remote === undefined) return
    const header = { type, slot: 0, attempt: 0, sessionId: session.sessionId, sequence }
    this.#transport.queue(remote, sealedDatagram(session.gmac, this.#scratch, header, body))
    session.sentBytes += length + LAYER3_OVERHEAD_BYTES
    this.#counters.sentBytes += length + LAYER3_OVERHEAD_BYTES
  }

  close(): void {
    const now = nowMicros()
    for (const session of [...this.#sessions.values()]) {
      this.#sessions.delete(session.sessionId)
      this.#drop(session, now)
    }
  }
}

/** The train of the slot and attempt in a datagram's header. */
function slotTrain(session: Session, bytes: Uint8Array, offset: number): Train | undefined {
  return session.trains.get(trainKey(bytes[offset + 2] ?? 0, bytes[offset + 3] ?? 0))
}
