/** A member's side of every session on its socket: consent, probes, trains. See transport.ts for who drives it. */
import type { FastCrypto, Region } from '../../crypto/fast/index.js'
import { UserError } from '../../errors.js'
import {
  DATAGRAM_LENGTHS,
  DatagramType,
  type DatagramTypeNumber,
  datagramFault,
  decodeConsentBody,
  HEADER_BYTES,
  LAYER3_OVERHEAD_BYTES,
  NONCE_BYTES,
  PACKET_LAYER3_BYTES,
  readU32,
  SEQUENCE_OFFSET,
  SESSION_ID_OFFSET,
} from '../../pob/datagram.js'
import { nowMicros } from '../clock.js'
import { Counters } from '../counters.js'
import type { CommonRequest, MemberRequest, TrainName } from '../messages.js'
import { openInPlace, sealedDatagram } from '../seal.js'
import { SessionTable } from '../session-table.js'
import type { Engine, Outbox, Remote, Source, Transport } from '../transport.js'
import type { ConsentClaim, TrainOrder } from '../types.js'
import { RegionPool } from './region-pool.js'
import { Session } from './session.js'
import { Train } from './train.js'

const MAX_SESSIONS = 256
/** 256 MiB is 1 s at 1.5 Gbit/s, 200 ms at 7.7 Gbit/s. */
export const MAX_TRAIN_BYTES = 256 * 2 ** 20
export const MAX_TOTAL_TRAIN_BYTES = 512 * 2 ** 20
/** Reports kept a session: 65 slots of three attempts, and some. */
const MAX_TRAINS_A_SESSION = 256
/** A train is computed in slices, so that others keep their pace. */
const PREPARE_SLICE_MICROS = 500
/** An ended train is collected after this long without another ack. */
const LINGER_MICROS = 50_000
/** A go further ahead than this is a mistake. */
const MAX_GO_DELAY_MICROS = 5e6
/** Expired sessions are looked for this often, while there are sessions. */
const HOUSEKEEPING_MICROS = 1e6

interface Claim {
  readonly session: Session
  readonly claim: ConsentClaim
  readonly remote: Remote
}

interface Collector {
  readonly id: number
  readonly train: Train
}

interface Preparation {
  readonly id: number
  readonly session: Session
  readonly train: Train
}

export class MemberEngine implements Engine {
  readonly #transport: Transport
  readonly #crypto: FastCrypto
  readonly #outbox: Outbox
  readonly #sessions = new SessionTable<Session>(MAX_SESSIONS)
  readonly #counters = new Counters()
  readonly #pool: RegionPool
  readonly #scratch: Region
  readonly #claims = new Map<number, Claim>()
  #nextClaim = 1
  #preparations: Preparation[] = []
  #collectors: Collector[] = []
  /** Trains that wait for go or run, each with its session. */
  readonly #active = new Map<Train, Session>()
  #nextHousekeeping = Number.POSITIVE_INFINITY

  constructor(transport: Transport, crypto: FastCrypto, outbox: Outbox) {
    this.#transport = transport
    this.#crypto = crypto
    this.#outbox = outbox
    this.#scratch = crypto.allocate(2048)
    this.#pool = new RegionPool((length) => transport.allocate(length))
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
        this.#prepare(id, request.order)
        return
      case 'collectTrain':
        this.#collectors.push({ id, train: this.#findTrain(request.train) })
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

  #prepare(id: number, order: TrainOrder): void {
    const session = this.#sessions.get(order.sessionId)
    const key = trainKey(order.slot, order.attempt)
    if (session.usedTrains.has(key))
      throw new UserError(`slot ${order.slot}, attempt ${order.attempt} was armed before`, { code: 'EXISTS' })
    if (session.trains.size >= MAX_TRAINS_A_SESSION)
      throw new UserError('this session had too many trains', { code: 'RATE_LIMITED' })
    let held = 0
    for (const train of this.#active.keys()) held += train.holdsMemory ? train.bytes : 0
    const train = checkedTrain(order, held, this.#crypto, this.#pool)
    if (session.sentBytes + train.layer3Bytes > session.maxBytes && order.behaviour === undefined) {
      train.stop('cap', nowMicros())
      throw new UserError(
        `the train has ${train.layer3Bytes} bytes, the session has ${session.maxBytes - session.sentBytes} left`,
        { code: 'DENIED', remedy: 'grant the session more bytes' },
      )
    }
    session.usedTrains.add(key)
    session.trains.set(key, train)
    this.#active.set(train, session)
    this.#preparations.push({ id, session, train })
  }

  tick(now: number): void {
    let running = false
    for (const [train, session] of this.#active) {
      if (train.state === 'running') {
        running = true
        this.#pump(train, session, now)
      } else if (train.state === 'armed' && now >= train.armedUntil) train.stop('never_started', now)
      if (train.state === 'ended') this.#active.delete(train)
    }
    if (this.#preparations.length > 0) this.#prepareSome(now, running)
    if (this.#collectors.length > 0) this.#collect(now)
    if (now >= this.#nextHousekeeping) this.#housekeep(now)
  }

  #pump(train: Train, session: Session, now: number): void {
    const { remote } = session
    if (remote === undefined || now >= session.expiresMicros) {
      train.stop('cap', now)
      return
    }
    if (session.isSilent(now)) {
      train.stop('silence', now)
      return
    }
    const allowed = Math.floor((session.maxBytes - session.sentBytes) / PACKET_LAYER3_BYTES)
    const sent = train.pump(now, remote, this.#transport, allowed)
    session.sentBytes += sent * PACKET_LAYER3_BYTES
    this.#counters.sentBytes += sent * PACKET_LAYER3_BYTES
  }

  #prepareSome(now: number, running: boolean): void {
    const job = this.#preparations[0]
    if (job === undefined) return
    // Beside a running train only what its pauses leave.
    const slice = running ? PREPARE_SLICE_MICROS / 5 : PREPARE_SLICE_MICROS
    if (job.train.state === 'preparing' && !job.train.prepare(job.session.gmac, now + slice)) return
    this.#preparations.shift()
    if (job.train.state !== 'preparing') {
      this.#outbox.fail(job.id, new UserError('the session ended', { code: 'UNAVAILABLE' }))
      return
    }
    job.train.arm(nowMicros())
    this.#outbox.reply(job.id, undefined)
  }

  #collect(now: number): void {
    this.#collectors = this.#collectors.filter(({ id, train }) => {
      if (train.state !== 'ended' || now < train.lastEventMicros + LINGER_MICROS) return true
      this.#outbox.reply(id, train.report())
      return false
    })
  }

  #housekeep(now: number): void {
    for (const session of [...this.#sessions.values()]) {
      if (now < session.expiresMicros) continue
      this.#sessions.delete(session.sessionId)
      this.#drop(session, now)
    }
    this.#pool.trim(now)
    this.#nextHousekeeping =
      this.#sessions.size > 0 || !this.#pool.isEmpty ? now + HOUSEKEEPING_MICROS : Number.POSITIVE_INFINITY
  }

  #drop(session: Session, now: number): void {
    for (const [claimId, claim] of this.#claims) if (claim.session === session) this.#claims.delete(claimId)
    session.close(now)
    for (const [train, owner] of this.#active) if (owner === session) this.#active.delete(train)
  }

  nextDueMicros(): number {
    if (this.#preparations.length > 0) return 0
    let due = this.#nextHousekeeping
    for (const train of this.#active.keys()) {
      if (train.state === 'running') due = Math.min(due, train.nextPumpMicros)
      else if (train.state === 'armed') due = Math.min(due, train.armedUntil)
    }
    for (const { train } of this.#collectors)
      if (train.state === 'ended') due = Math.min(due, train.lastEventMicros + LINGER_MICROS)
    return due
  }

  /** Computing trains is no hurry; waiting for go and sending is. */
  urgent(): boolean {
    let armed = false
    for (const train of this.#active.keys()) {
      if (train.state === 'running') return true
      armed ||= train.state === 'armed'
    }
    return armed && this.#preparations.length === 0
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
    counters.received++
    counters.receivedBytes += length + LAYER3_OVERHEAD_BYTES
    if (datagramFault(bytes, offset, length) !== undefined) {
      counters.badFormat++
      return
    }
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
    session.lastValidMicros = now
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
      case DatagramType.ack:
        slotTrain(session, bytes, offset)?.onAck(sequence, bytes, offset + HEADER_BYTES, arrivalMicros)
        return
      case DatagramType.hello:
        if (session.remote === undefined) session.credit(source, length)
        this.#answer(session, DatagramType.nonce, 0, session.nonce)
        return
      case DatagramType.consent:
        this.#onConsent(session, bytes, offset, length, source)
        return
      case DatagramType.probe: {
        if (session.remote === undefined) return
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
      default:
        // keepalive has done its work; types a member sends itself are ignored.
        return
    }
  }

  #onGo(session: Session, bytes: Uint8Array, offset: number, arrivalMicros: number): void {
    const train = slotTrain(session, bytes, offset)
    const delay = readU32(bytes, offset + HEADER_BYTES)
    if (session.remote === undefined || train?.state !== 'armed' || delay > MAX_GO_DELAY_MICROS) return
    train.go(arrivalMicros + delay)
  }

  #onConsent(session: Session, bytes: Uint8Array, offset: number, length: number, source: Source): void {
    const body = decodeConsentBody(bytes, offset)
    for (let i = 0; i < NONCE_BYTES; i++) if (body.nonce[i] !== session.nonce[i]) return
    // The answer was lost: the same datagram from the same 5-tuple gets it again.
    if (session.remote !== undefined) {
      this.#answer(session, DatagramType.ready, 0)
      return
    }
    session.credit(source, length)
    if (!session.takeClaim()) return
    const remote = source.toRemote()
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

function trainKey(slot: number, attempt: number): number {
  return slot * 256 + attempt
}

/** The train of the slot and attempt in a datagram's header. */
function slotTrain(session: Session, bytes: Uint8Array, offset: number): Train | undefined {
  return session.trains.get(trainKey(bytes[offset + 2] ?? 0, bytes[offset + 3] ?? 0))
}

function checkedTrain(order: TrainOrder, heldBytes: number, crypto: FastCrypto, pool: RegionPool): Train {
  const copies = Math.max(1, Math.floor(order.behaviour?.copies ?? 1))
  const bytes = order.packetCount * copies * (PACKET_LAYER3_BYTES - LAYER3_OVERHEAD_BYTES)
  if (bytes > MAX_TRAIN_BYTES || heldBytes + bytes > MAX_TOTAL_TRAIN_BYTES)
    throw new UserError(
      `a train of ${order.packetCount} packets needs ${Math.ceil(bytes / 2 ** 20)} MiB; at most ${MAX_TRAIN_BYTES / 2 ** 20} MiB a train and ${MAX_TOTAL_TRAIN_BYTES / 2 ** 20} MiB in all are kept`,
      { code: 'BUSY', remedy: 'offer a lower rate or a shorter train' },
    )
  return new Train(order, crypto, pool)
}
