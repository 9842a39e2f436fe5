/** All trains of a member's plane: computed in slices, armed, paced, reported; with caps on memory and bytes. */
import { UserError } from '../../errors.js'
import { MAX_DATAGRAM_BYTES, PACKET_LAYER3_BYTES } from '../../pob/datagram.js'
import { nowMicros } from '../clock.js'
import type { Counters } from '../counters.js'
import type { EngineModules } from '../transport.js'
import type { TrainOrder } from '../types.js'
import { RegionPool } from './region-pool.js'
import type { Session } from './session.js'
import { Train } from './train.js'

/** 256 MiB is 1 s at 1.5 Gbit/s, 200 ms at 7.7 Gbit/s. */
export const MAX_TRAIN_BYTES = 256 * 2 ** 20
export const MAX_TOTAL_TRAIN_BYTES = 512 * 2 ** 20
const MIB = 2 ** 20
/** Reports kept a session: 65 slots of three attempts, and some. */
const MAX_TRAINS_A_SESSION = 256
/** A train is computed in slices, so that others keep their pace; in shorter ones while a train runs. */
const PREPARE_SLICE_MICROS = 500
const PREPARE_SLICE_BESIDE_MICROS = 100
/** An ended train is collected after this long without another ack. */
const LINGER_MICROS = 50_000

/** The buffer of a slow uplink, the drain of the slot, and the coordinator's way. */
const ECHO_PATIENCE_MICROS = 5_000_000

interface Job {
  /** Of the request that waits. */
  readonly id: number
  readonly train: Train
}

export interface TrainYardModules extends EngineModules {
  readonly counters: Counters
}

export class TrainYard {
  readonly #modules: TrainYardModules
  readonly #pool: RegionPool
  /** Trains that are computed, wait for go or run, each with its session. */
  readonly #active = new Map<Train, Session>()
  #preparations: Job[] = []
  #collectors: Job[] = []

  constructor(modules: TrainYardModules) {
    this.#modules = modules
    this.#pool = new RegionPool((length) => modules.transport.allocate(length))
  }

  /**
   * Answers once the train is armed.
   * @throws UserError EXISTS, RATE_LIMITED, BUSY (memory), DENIED (bytes).
   */
  prepare(id: number, session: Session, order: TrainOrder): void {
    const key = trainKey(order.slot, order.attempt)
    if (session.usedTrains.has(key))
      throw new UserError(`slot ${order.slot}, attempt ${order.attempt} was armed before`, { code: 'EXISTS' })
    if (session.trains.size >= MAX_TRAINS_A_SESSION)
      throw new UserError('this session had too many trains', { code: 'RATE_LIMITED' })
    this.#checkMemory(order)
    const left = session.maxBytes - session.sentBytes
    const needed = order.packetCount * PACKET_LAYER3_BYTES
    if (needed > left && order.behaviour === undefined)
      throw new UserError(`the train has ${needed} bytes, the session has ${Math.max(0, left)} left`, {
        code: 'DENIED',
        remedy: 'grant the session more bytes',
      })
    const train = new Train(order, this.#modules.crypto, this.#pool)
    session.usedTrains.add(key)
    session.trains.set(key, train)
    this.#active.set(train, session)
    this.#preparations.push({ id, train })
  }

  #checkMemory(order: TrainOrder): void {
    const copies = Math.max(1, Math.floor(order.behaviour?.copies ?? 1))
    const bytes = order.packetCount * copies * MAX_DATAGRAM_BYTES
    let held = 0
    for (const train of this.#active.keys()) held += train.bytes
    if (bytes <= MAX_TRAIN_BYTES && held + bytes <= MAX_TOTAL_TRAIN_BYTES) return
    throw new UserError(
      `a train of ${order.packetCount} packets needs ${Math.ceil(bytes / MIB)} MiB; at most ` +
        `${MAX_TRAIN_BYTES / MIB} MiB a train and ${MAX_TOTAL_TRAIN_BYTES / MIB} MiB in all are kept`,
      { code: 'BUSY', remedy: 'offer a lower rate or a shorter train' },
    )
  }

  /** Answers with the report once the train has ended and no ack came for a while. */
  collect(id: number, train: Train): void {
    this.#collectors.push({ id, train })
  }

  tick(now: number): void {
    let running = false
    for (const [train, session] of this.#active) {
      if (train.state === 'running') {
        running = true
        this.#pump(train, session, now)
      } else if (train.state === 'armed' && now >= train.armedUntil) train.stop('never_started', now)
      if (train.state !== 'ended') continue
      // Whoever does not ask for its echoes within a while does not keep the memory.
      if (now >= train.lastEventMicros + ECHO_PATIENCE_MICROS) train.release(now)
      if (train.isReleased) this.#active.delete(train)
    }
    if (this.#preparations.length > 0) this.#prepareSome(now, running)
    if (this.#collectors.length > 0) this.#report(now)
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
    const sent = train.pump(now, remote, this.#modules.transport, allowed)
    session.sentBytes += sent * PACKET_LAYER3_BYTES
    this.#modules.counters.sentBytes += sent * PACKET_LAYER3_BYTES
  }

  #prepareSome(now: number, running: boolean): void {
    const job = this.#preparations[0]
    if (job === undefined) return
    const session = this.#active.get(job.train)
    if (session === undefined || job.train.state !== 'preparing') {
      this.#preparations.shift()
      this.#modules.outbox.fail(job.id, new UserError('the session ended', { code: 'UNAVAILABLE' }))
      return
    }
    const slice = running ? PREPARE_SLICE_BESIDE_MICROS : PREPARE_SLICE_MICROS
    if (!job.train.prepare(session.gmac, now + slice)) return
    this.#preparations.shift()
    if (!running) this.#modules.collector.minor()
    job.train.arm(nowMicros())
    this.#modules.outbox.reply(job.id, undefined)
  }

  #report(now: number): void {
    this.#collectors = this.#collectors.filter(({ id, train }) => {
      if (train.state !== 'ended' || now < train.lastEventMicros + LINGER_MICROS) return true
      this.#modules.outbox.reply(id, train.report())
      train.release(now)
      return false
    })
  }

  nextDueMicros(): number {
    if (this.#preparations.length > 0) return 0
    let due = Number.POSITIVE_INFINITY
    for (const train of this.#active.keys()) {
      if (train.state === 'running') due = Math.min(due, train.nextPumpMicros)
      else if (train.state === 'armed') due = Math.min(due, train.armedUntil)
      else if (train.state === 'ended') due = Math.min(due, train.lastEventMicros + ECHO_PATIENCE_MICROS)
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

  /** The session ends, its trains with it; who waits for their reports still gets them. */
  drop(session: Session, now: number): void {
    for (const train of session.trains.values()) {
      train.stop('stop', now)
      train.release(now)
    }
    for (const [train, owner] of this.#active) if (owner === session) this.#active.delete(train)
  }

  /** Gives unused memory back; true while some is kept. */
  trim(now: number): boolean {
    this.#pool.trim(now)
    return !this.#pool.isEmpty
  }
}

/** Names a train within its session. */
export function trainKey(slot: number, attempt: number): number {
  return slot * 256 + attempt
}
