/**
 * One train of one member: computed whole before go (headers, keystream, tags), so that in the slot nothing but
 * sendmmsg runs; then paced in user space, because SO_MAX_PACING_RATE and SO_TXTIME do nothing for UDP without the
 * fq qdisc.
 */
import type { FastCrypto, Gmac, Keystream, Region } from '../../crypto/fast/index.js'
import { firstBlock, keystreamKey } from '../../crypto/keystream.js'
import {
  DatagramType,
  HEADER_BYTES,
  MAX_ACKS,
  MAX_DATAGRAM_BYTES,
  PACKET_LAYER3_BITS,
  PAYLOAD_BYTES,
  ROOT_BYTES,
  writeHeader,
} from '../../pob/datagram.js'
import { shapeTrain, type TrainShape } from '../behaviour.js'
import { nowMicros } from '../clock.js'
import { sealInPlace } from '../seal.js'
import type { Remote, Transport } from '../transport.js'
import type { ReceivedAck, TrainOrder, TrainReport } from '../types.js'
import { EchoLog, samePayload } from './echo-log.js'
import type { RegionPool } from './region-pool.js'

/**
 * A super-packet covers at most this long at the member's own rate, which is 0.6 of the bottleneck's in a team of two:
 * half of a token bucket of 120 us. A larger one would need a larger burst, and a burst reads as capacity; a smaller
 * one costs the routers on the way (at 2.5 Gbit/s through two virtual ones 60 us kept a core busy, 100 us half of it).
 */
const SUPER_PACKET_MICROS = 100
/** More gains little (0.67 against 0.43 us a packet at 44) and comes as a lump. */
const MAX_SEGMENTS = 16
/**
 * Packets are handed over in batches of at most this long: the larger one for slow trains, where the smaller holds a
 * packet or two. Short at first: the offered rate is rho = 1.2 times the claim, so after a time e the bottleneck's queue
 * holds up to 0.2 e, and pauses of a tenth of e leave it busy.
 */
const MAX_BATCH_MICROS = 500
const MAX_SLOW_BATCH_MICROS = 1000
const PACKETS_A_BATCH = 3
const BATCH_SHARE = 0.1
/** A sender that was held up catches up in lumps of at most this, so that it does not overrun every queue. */
const MAX_CATCH_UP_MICROS = 2000
const CATCH_UP_PAUSE_MICROS = 250
/** The socket's buffer is full. */
const RETRY_MICROS = 200

export type TrainState = 'preparing' | 'armed' | 'running' | 'ended'

export class Train {
  readonly order: TrainOrder
  state: TrainState = 'preparing'
  /** When waiting for go ends; meaningful while armed. */
  armedUntil = Number.POSITIVE_INFINITY
  /** When the last thing happened that a collector waits for. */
  lastEventMicros = 0
  nextPumpMicros = Number.POSITIVE_INFINITY
  readonly #shape: TrainShape
  readonly #segments: number
  #region: Region | undefined
  #keystream: Keystream | undefined
  #prepared = 0
  #next = 0
  #start = 0
  #firstSend = 0
  #lateness = 0
  #stoppedBy: TrainReport['stoppedBy'] = 'never_started'
  readonly #ackRoots: (Uint8Array | undefined)[] = []
  readonly #ackMicros = new Float64Array(MAX_ACKS)
  #conflicts = 0

  readonly #echoes: EchoLog | undefined
  readonly #pool: RegionPool

  constructor(order: TrainOrder, crypto: FastCrypto, pool: RegionPool) {
    this.order = order
    const step = (PACKET_LAYER3_BITS * 1000) / order.rateKbps
    this.#shape = shapeTrain(order.packetCount, step, order.behaviour)
    this.#segments = Math.min(MAX_SEGMENTS, Math.max(1, Math.floor(SUPER_PACKET_MICROS / step)))
    this.#pool = pool
    this.#region = pool.take(this.bytes)
    if (order.echo === true) this.#echoes = new EchoLog(order.packetCount)
    this.#keystream = crypto.createKeystream(keystreamKey(order.seed))
  }

  /** Memory it holds until it ends. */
  get bytes(): number {
    return this.#shape.items * MAX_DATAGRAM_BYTES
  }

  /** Computes packets until `deadline`; true once all are there. */
  prepare(gmac: Gmac, deadline: number): boolean {
    const region = this.#region
    const keystream = this.#keystream
    if (region === undefined || keystream === undefined) return true
    const { slot, attempt, sessionId } = this.order
    const shape = this.#shape
    const header = { type: DatagramType.data, slot, attempt, sessionId, sequence: 0 }
    let expected = -1
    while (this.#prepared < shape.items) {
      if ((this.#prepared & 15) === 0 && nowMicros() >= deadline) return false
      const sequence = shape.sequenceOf(this.#prepared)
      const offset = this.#prepared * MAX_DATAGRAM_BYTES
      header.sequence = sequence
      writeHeader(region.bytes, offset, header)
      if (sequence !== expected) keystream.seek(firstBlock(sequence))
      keystream.write(region, offset + HEADER_BYTES, PAYLOAD_BYTES)
      expected = sequence + 1
      if (shape.garbage) region.bytes[offset + HEADER_BYTES] = (region.bytes[offset + HEADER_BYTES] ?? 0) ^ 1
      sealInPlace(gmac, region, offset, MAX_DATAGRAM_BYTES)
      this.#prepared++
    }
    keystream.free()
    this.#keystream = undefined
    return true
  }

  arm(now: number): void {
    this.state = 'armed'
    this.armedUntil = now + this.order.armedForMs * 1000
  }

  /** The first go: packet n is due at `start` + n steps. */
  go(start: number): void {
    this.state = 'running'
    this.#start = start + this.#shape.startDelayMicros
    this.nextPumpMicros = this.#start
  }

  /**
   * Sends what is due, at most `allowedPackets`. Returns how many packets were handed over; the train ends itself when
   * all were.
   */
  pump(now: number, remote: Remote, transport: Transport, allowedPackets: number): number {
    const region = this.#region
    if (region === undefined || this.state !== 'running' || now < this.nextPumpMicros) return 0
    const { stepMicros, items } = this.#shape
    // A super-packet goes when its first packet is due.
    const due = Math.min(items, Math.floor((now - this.#start) / stepMicros) + 1)
    const whole = this.#next + Math.ceil((due - this.#next) / this.#segments) * this.#segments
    const limit = Math.max(this.#segments, Math.ceil(MAX_CATCH_UP_MICROS / stepMicros))
    const end = Math.min(items, whole, this.#next + limit)
    const count = Math.min(end - this.#next, allowedPackets)
    if (count <= 0) {
      // A train of nothing would be due for ever.
      if (items === 0) this.stop('done', now)
      else if (allowedPackets <= 0) this.stop('cap', now)
      return 0
    }
    const before = nowMicros()
    if (this.#next === 0) this.#firstSend = before
    const sent = transport.sendTrain(remote, region, this.#next, count, this.#segments)
    const after = nowMicros()
    if (sent > 0) {
      const firstDue = this.#start + this.#next * stepMicros
      const lastDue = this.#start + (this.#next + sent - 1) * stepMicros
      this.#lateness = Math.max(this.#lateness, before - firstDue, after - lastDue)
      this.#next += sent
    }
    if (this.#next >= items) this.stop('done', after)
    else if (sent < count) this.nextPumpMicros = after + RETRY_MICROS
    else {
      const nextDue = this.#start + this.#next * stepMicros
      const longest = Math.min(
        MAX_SLOW_BATCH_MICROS,
        Math.max(MAX_BATCH_MICROS, PACKETS_A_BATCH * stepMicros),
      )
      const batch = Math.max(
        transport.granularityMicros,
        Math.min(longest, (now - this.#start) * BATCH_SHARE),
      )
      this.nextPumpMicros = Math.max(nextDue, nextDue <= after ? after + CATCH_UP_PAUSE_MICROS : now + batch)
    }
    return sent
  }

  /** Ends it; what was sent stays reported. */
  stop(reason: TrainReport['stoppedBy'], now: number): void {
    if (this.state === 'ended') return
    this.#stoppedBy = this.#next > 0 || reason !== 'done' ? reason : 'never_started'
    this.state = 'ended'
    this.nextPumpMicros = Number.POSITIVE_INFINITY
    this.lastEventMicros = now
    // Echoes are still compared with what was sent.
    if (reason !== 'done' || this.#echoes === undefined) this.release(now)
    this.#keystream?.free()
    this.#keystream = undefined
  }

  /** Gives its memory back; later echoes count no more. */
  release(now: number): void {
    if (this.#region !== undefined) this.#pool.give(this.#region, now)
    this.#region = undefined
  }

  get isReleased(): boolean {
    return this.#region === undefined
  }

  /** An echo with a right tag, its keystream at `offset`. True where it is what was sent, and new. */
  onEcho(sequence: number, bytes: Uint8Array, offset: number, arrivalMicros: number): boolean {
    const region = this.#region
    if (this.#echoes === undefined || region === undefined || sequence >= this.#next) return false
    const sentAt = sequence * MAX_DATAGRAM_BYTES + HEADER_BYTES
    // All of it: whoever has seen less than the whole packet cannot send it back.
    if (!samePayload(region.bytes, sentAt, bytes, offset)) return false
    if (!this.#echoes.note(sequence, arrivalMicros - this.#firstSend)) return false
    this.lastEventMicros = arrivalMicros
    return true
  }

  /** An ack with a right tag, its root of 32 bytes at `offset`. True where it is the first with this k. */
  onAck(k: number, bytes: Uint8Array, offset: number, arrivalMicros: number): boolean {
    if (this.#next === 0 || k >= MAX_ACKS) return false
    const known = this.#ackRoots[k]
    if (known === undefined) {
      this.#ackRoots[k] = bytes.slice(offset, offset + ROOT_BYTES)
      this.#ackMicros[k] = Math.max(1, Math.ceil(arrivalMicros - this.#firstSend))
      this.lastEventMicros = arrivalMicros
      return true
    }
    for (let i = 0; i < ROOT_BYTES; i++) {
      if (known[i] === bytes[offset + i]) continue
      this.#conflicts++
      return false
    }
    return false
  }

  report(): TrainReport {
    const tauMicros = this.#shape.items * this.#shape.stepMicros
    const acks: ReceivedAck[] = []
    this.#ackRoots.forEach((root, k) => {
      if (root !== undefined) acks.push({ k, root, ownMicros: this.#ackMicros[k] ?? 1 })
    })
    return {
      started: this.#next > 0,
      sentPackets: this.#next,
      firstSendMicros: Math.floor(this.#firstSend),
      latenessMicros: Math.max(0, Math.ceil(this.#lateness)),
      acks,
      conflictingAcks: this.#conflicts,
      ...(this.#echoes === undefined ? {} : { echoes: this.#echoes.marks(tauMicros) }),
      stoppedBy: this.#stoppedBy,
    }
  }
}
