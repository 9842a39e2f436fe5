/** A prover's side: paths to the members of one challenge, one slot at a time. See transport.ts for who drives it. */
import type { FastCrypto, Region } from '../../crypto/fast/index.js'
import { UserError } from '../../errors.js'
import { DatagramType, readU32, SEQUENCE_OFFSET, SESSION_ID_OFFSET } from '../../pob/datagram.js'
import { nowMicros } from '../clock.js'
import type { Collector } from '../collector.js'
import { Counters } from '../counters.js'
import type { CommonRequest, ProverRequest } from '../messages.js'
import { openInPlace } from '../seal.js'
import { SessionTable } from '../session-table.js'
import type { Engine, EngineModules, LoopMeter, Outbox, Source, Transport } from '../transport.js'
import type { SlotOrder } from '../types.js'
import { Echoer } from './echoer.js'
import { Path, type PathModules } from './path.js'
import { SlotRun } from './slot-run.js'

/** The largest committee, docs/protocol.md section 2. */
const MAX_PATHS = 64

export interface ProverModules extends EngineModules {
  readonly meter: LoopMeter
}

export class ProverEngine implements Engine {
  readonly #transport: Transport
  readonly #crypto: FastCrypto
  readonly #outbox: Outbox
  readonly #meter: LoopMeter
  readonly #collector: Collector
  readonly #counters = new Counters()
  readonly #paths = new SessionTable<Path>(MAX_PATHS)
  readonly #pathModules: PathModules
  #slot: SlotRun | undefined
  /**
   * The slot before, until the next one has ended: what the compiler has learnt of a slot's objects holds on to their
   * layouts weakly, and a collection that finds none of them alive throws the compiled packet loop away.
   */
  #slotBefore: SlotRun | undefined
  /** When a path has something to do. */
  #nextPath = Number.POSITIVE_INFINITY

  constructor({ transport, crypto, outbox, meter, collector }: ProverModules) {
    this.#transport = transport
    this.#crypto = crypto
    this.#outbox = outbox
    this.#meter = meter
    this.#collector = collector
    this.#pathModules = { transport, outbox, counters: this.#counters, scratch: crypto.allocate(2048) }
  }

  onRequest(id: number, request: unknown): void {
    try {
      this.#request(id, request as ProverRequest | CommonRequest)
    } catch (error) {
      this.#outbox.fail(id, error)
    }
    this.#schedulePaths()
    this.#transport.flush()
  }

  #request(id: number, request: ProverRequest | CommonRequest): void {
    const now = nowMicros()
    switch (request.op) {
      case 'addPath': {
        const { sessionId, key, remote } = request.path
        const to = this.#transport.resolve(remote)
        this.#paths.add(new Path(sessionId, key, to, this.#crypto, this.#pathModules))
        this.#outbox.reply(id, undefined)
        return
      }
      case 'hello':
        this.#paths.get(request.sessionId).hello(id, now, request.deadlineMs)
        return
      case 'consent':
        this.#paths.get(request.sessionId).consent(id, request.consent, now, request.deadlineMs)
        return
      case 'probe':
        this.#paths.get(request.sessionId).probe(id, request.options, now)
        return
      case 'runSlot':
        this.#runSlot(id, request.order)
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

  #runSlot(id: number, order: SlotOrder): void {
    if (this.#slot !== undefined) throw new UserError('a slot is running', { code: 'BUSY' })
    const paths = order.members.map(({ sessionId }) =>
      sessionId === undefined ? undefined : this.#paths.get(sessionId),
    )
    const present = paths.filter((path) => path !== undefined)
    if (new Set(present).size !== present.length)
      throw new UserError('a member is twice in the slot', { code: 'BAD_ARGUMENT' })
    const key = order.slot * 256 + order.attempt
    // go and acks of a (slot, attempt) use each nonce once.
    if (present.some((path) => path.usedSlots.has(key)))
      throw new UserError(`slot ${order.slot}, attempt ${order.attempt} ran before`, { code: 'EXISTS' })
    for (const path of present) path.usedSlots.add(key)
    const modules = {
      crypto: this.#crypto,
      waitedMicros: () => this.#meter.waitedMicros(),
      overflow: () => this.#transport.overflow,
      echoer: () => new Echoer(this.#transport, this.#counters),
      coalesces: this.#transport.info.name === 'native',
    }
    this.#collector.full()
    this.#slot = new SlotRun(id, order, paths, modules, nowMicros())
  }

  tick(now: number): void {
    const slot = this.#slot
    if (slot !== undefined) {
      if (slot.tick(now)) this.#schedulePaths()
      if (slot.done) {
        this.#outbox.reply(slot.id, slot.capture())
        this.#endSlot()
      }
    }
    if (now >= this.#nextPath) {
      for (const path of this.#paths.values()) path.tick(now)
      this.#schedulePaths()
    }
    this.#transport.flush()
  }

  afterReceive(drained: boolean): void {
    this.#slot?.afterReceive(drained, nowMicros())
    this.#transport.flush()
  }

  nextDueMicros(): number {
    return Math.min(this.#nextPath, this.#slot?.nextDueMicros() ?? Number.POSITIVE_INFINITY)
  }

  wantsArrivals(): boolean {
    return this.#slot?.wantsArrivals(nowMicros()) ?? true
  }

  urgent(): boolean {
    return this.#slot !== undefined
  }

  /** Runs for every packet of a train: no allocation, the cheap checks first. */
  onDatagram(region: Region, offset: number, length: number, arrivalMicros: number, _source: Source): void {
    const counters = this.#counters
    const { bytes } = region
    if (!counters.takes(bytes, offset, length)) return
    const path = this.#paths.find(bytes, offset + SESSION_ID_OFFSET)
    if (path === undefined) {
      counters.unknownSession++
      return
    }
    const type = bytes[offset] ?? 0
    const sequence = readU32(bytes, offset + SEQUENCE_OFFSET)
    if (type === DatagramType.data) {
      const slot = this.#slot
      const member = path.slotMember
      // Packets of an earlier slot that come late.
      if (slot === undefined || member === undefined) return
      if (!slot.isFor(bytes[offset + 2] ?? 0, bytes[offset + 3] ?? 0)) return
      if (sequence >= member.packetCount) {
        counters.badFormat++
        return
      }
      if (!openInPlace(path.gmac, region, offset, length)) {
        counters.badTag++
        member.badTag++
        return
      }
      slot.onPacket(member, sequence, region, offset, arrivalMicros)
      return
    }
    if (!openInPlace(path.gmac, region, offset, length)) {
      counters.badTag++
      return
    }
    path.onDatagram(type, sequence, bytes, offset, arrivalMicros, nowMicros())
    this.#schedulePaths()
  }

  #schedulePaths(): void {
    let due = Number.POSITIVE_INFINITY
    for (const path of this.#paths.values()) due = Math.min(due, path.nextDueMicros())
    this.#nextPath = due
  }

  close(): void {
    for (const path of this.#paths.values()) path.close()
    this.#transport.flush()
    this.#endSlot()
    for (const path of [...this.#paths.values()]) {
      this.#paths.delete(path.sessionId)
      path.free()
    }
  }

  #endSlot(): void {
    this.#slot?.free()
    this.#slotBefore = this.#slot ?? this.#slotBefore
    this.#slot = undefined
  }
}
