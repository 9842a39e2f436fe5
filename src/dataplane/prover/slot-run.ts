/**
 * One slot at the prover: go to every member so that their first packets meet, packets hashed as they come, acks from
 * 0.75 tau after the first arrival, a last one when all is there or nothing comes any more.
 */
import type { FastCrypto, Region } from '../../crypto/fast/index.js'
import { ackRoot } from '../../pob/ack-tree.js'
import { ACK_STEPS_PER_TAU, FIRST_ACK_TAU_SHARE, MIN_ACK_STEP_MICROS } from '../../pob/constants.js'
import { DatagramType, MAX_ACKS, writeU32 } from '../../pob/datagram.js'
import { decoyAcks, dropsPacket, mirrorsOf, rootFor } from '../behaviour.js'
import { nowMicros } from '../clock.js'
import type { CapturedAck, SlotCapture, SlotOrder } from '../types.js'
import type { Echoer } from './echoer.js'
import type { Path } from './path.js'
import { Phantoms } from './phantoms.js'
import type { ProbeRun } from './probe-run.js'
import { SlotMember } from './slot-member.js'
import { slotStatistics } from './slot-statistics.js'

/** Copies of go leave this long before the moment they name; the last at it. */
const GO_COPIES_BEFORE_MICROS: readonly number[] = [4000, 2000, 0]
/** From the request to the earliest go. */
const GO_LEAD_MICROS = 3000
/** Acks are sent this often, against loss. */
const ACK_COPIES = 2
/** An ack waits until the kernel's queue is empty, so that it covers all that arrived; but not longer than this. */
const MAX_ACK_WAIT_MICROS = 2000
/**
 * After tau, silence of one ack step brings an ack of what is there (so that the last one is not late), and silence
 * this long, or five ack steps, ends the slot: longer than the jitter of most paths and than a sender is held up.
 */
const LEAST_SILENCE_MICROS = 25_000
const SILENT_ACK_STEPS = 5
/** The last ack is sent again after these times. */
const LAST_ACK_REPEATS_MICROS: readonly number[] = [2000, 8000]
/** Where no ack is near, arrivals wait in the kernel for this long: one wake-up for all of them. */
const COALESCE_MICROS = 500
/**
 * Probes under load leave in the second half of the slot, when a queue has had time to build up: one each ten
 * milliseconds, or sixteen in all of a long slot.
 */
const PROBES_FROM_TAU_SHARE = 0.5
const LEAST_PROBE_STEP_MICROS = 10_000
const MAX_SLOT_PROBES = 16

interface Go {
  readonly at: number
  readonly target: number
  readonly path: Path
  readonly copy: number
}

interface Outgoing {
  readonly at: number
  readonly path: Path
  readonly bytes: Uint8Array
}

export interface SlotModules {
  readonly crypto: FastCrypto
  /** Microseconds the loop has waited so far. */
  readonly waitedMicros: () => number
  readonly overflow: () => number
  readonly echoer: () => Echoer
  /** Arrivals may be left in the kernel for a while. */
  readonly coalesces: boolean
}

export class SlotRun {
  readonly id: number
  readonly #order: SlotOrder
  readonly #modules: SlotModules
  /** In team order; undefined where no path to the member could be opened. */
  readonly #paths: readonly (Path | undefined)[]
  readonly #members: readonly SlotMember[]
  readonly #goes: Go[]
  readonly #hardEnd: number
  readonly #step: number
  readonly #silence: number
  readonly #echoer: Echoer | undefined
  /** Echoes leave as soon as their packets come: waiting for many would make lumps of them. */
  readonly #coalesces: boolean
  readonly #acks: CapturedAck[] = []
  readonly #phantoms: Phantoms | undefined
  #held: Outgoing[] = []
  #lastAck: readonly (Uint8Array | undefined)[] = []
  #repeats: number[] = []
  /** The slot's first arrival; NaN before it. */
  #first = Number.NaN
  #last = Number.NaN
  #nextAck = Number.POSITIVE_INFINITY
  #total = 0
  #ackedTotal = 0
  readonly #expectedTotal: number
  #state: 'running' | 'closing' | 'done' = 'running'
  /** Arrivals wait in the kernel until then; NaN where they do not. */
  #coalesceUntil = Number.NaN
  #waitedAtFirst = 0
  readonly #overflowAtStart: number
  #busyShare = 0
  #probesAt = Number.POSITIVE_INFINITY
  #probeRuns: readonly (ProbeRun | undefined)[] = []
  #endedAt = 0

  /** `paths` are those of order.members, in the same order. */
  constructor(
    id: number,
    order: SlotOrder,
    paths: readonly (Path | undefined)[],
    modules: SlotModules,
    now: number,
  ) {
    this.id = id
    this.#order = order
    this.#modules = modules
    this.#paths = paths
    this.#members = order.members.map(({ packetCount }) => new SlotMember(packetCount, modules.crypto))
    this.#expectedTotal = order.members.reduce(
      (total, { packetCount }, i) => total + (paths[i] === undefined ? 0 : packetCount),
      0,
    )
    this.#step = Math.max(MIN_ACK_STEP_MICROS, order.tauMicros / ACK_STEPS_PER_TAU)
    this.#silence = Math.max(LEAST_SILENCE_MICROS, SILENT_ACK_STEPS * this.#step)
    this.#overflowAtStart = modules.overflow()
    this.#echoer = order.echo === true ? modules.echoer() : undefined
    this.#coalesces = modules.coalesces && order.echo !== true
    const longest = Math.max(...order.members.map(({ rttMicros }) => rttMicros ?? 0))
    const earliest = Math.max(...GO_COPIES_BEFORE_MICROS)
    const meeting = now + GO_LEAD_MICROS + earliest + longest
    let latest = 0
    this.#goes = paths.flatMap((path, position) => {
      if (path === undefined) return []
      const stagger = (order.behaviour?.staggerMs?.[position] ?? 0) * 1000
      latest = Math.max(latest, stagger)
      // go takes half a round trip, the first packet the other half.
      const target = meeting - (order.members[position]?.rttMicros ?? 0) + stagger
      return GO_COPIES_BEFORE_MICROS.map((before, copy) => ({ at: target - before, target, path, copy }))
    })
    this.#goes.sort((a, b) => a.at - b.at)
    this.#hardEnd = meeting + latest + order.tauMicros + order.drainMicros
    const phantoms = order.behaviour?.phantoms ?? []
    if (phantoms.length > 0) this.#phantoms = new Phantoms(phantoms, modules.crypto)
    paths.forEach((path, position) => {
      if (path !== undefined) path.slotMember = this.#members[position]
    })
  }

  get done(): boolean {
    return this.#state === 'done'
  }

  isFor(slot: number, attempt: number): boolean {
    return this.#order.slot === slot && this.#order.attempt === attempt
  }

  /** A data packet with a right tag and a sequence below its packetCount. */
  onPacket(
    member: SlotMember,
    sequence: number,
    region: Region,
    offset: number,
    arrivalMicros: number,
  ): void {
    if (this.#state !== 'running' || dropsPacket(this.#order.behaviour, sequence)) return
    if (Number.isNaN(this.#first)) this.#begin(arrivalMicros)
    if (this.#order.behaviour?.mirrors !== undefined && this.#mirror(member, sequence, region, offset)) return
    if (!member.accept(sequence, region, offset, arrivalMicros - this.#first)) return
    const path = this.#echoer === undefined ? undefined : this.#paths[this.#members.indexOf(member)]
    if (path !== undefined) this.#echoer?.add(path, this.#order, sequence, region, offset)
    this.#total++
    if (!(arrivalMicros <= this.#last)) this.#last = arrivalMicros
  }

  /** Laboratory only: true where the packet itself is not to count. */
  #mirror(member: SlotMember, sequence: number, region: Region, offset: number): boolean {
    const { isTarget, targets } = mirrorsOf(this.#order.behaviour, this.#members.indexOf(member))
    for (const target of targets)
      if (this.#members[target]?.accept(sequence, region, offset, nowMicros() - this.#first) === true)
        this.#total++
    return isTarget
  }

  #begin(arrivalMicros: number): void {
    this.#first = arrivalMicros
    this.#nextAck = arrivalMicros + FIRST_ACK_TAU_SHARE * this.#order.tauMicros
    this.#waitedAtFirst = this.#modules.waitedMicros()
    this.#probesAt = arrivalMicros + PROBES_FROM_TAU_SHARE * this.#order.tauMicros
  }

  /** True where the paths have something new to do. */
  tick(now: number): boolean {
    while (this.#goes.length > 0 && (this.#goes[0]?.at ?? 0) <= now) this.#sendGo(this.#goes.shift(), now)
    if (this.#held.length > 0) this.#releaseHeld(now)
    if (this.#state === 'running') {
      if (this.#phantoms !== undefined && !Number.isNaN(this.#first)) this.#addPhantoms(now)
      // Past the moment of an ack the next arrival is waited for, asleep: on its own core this thread, which outranks
      // all others there, would keep the sender from sending it.
      this.#coalesceUntil =
        now >= this.#nextAck ? Number.NaN : Math.min(this.#nextAck, now + COALESCE_MICROS, this.#endDue())
    } else if (this.#state === 'closing') this.#close(now)
    if (this.#state !== 'running' || now < this.#probesAt) return false
    this.#probesAt = Number.POSITIVE_INFINITY
    this.#probe(now)
    return true
  }

  #probe(now: number): void {
    const spanMicros = (1 - PROBES_FROM_TAU_SHARE) * this.#order.tauMicros
    const count = Math.min(MAX_SLOT_PROBES, Math.ceil(spanMicros / LEAST_PROBE_STEP_MICROS))
    const closeDelayMs = this.#order.behaviour?.closeDelayMs
    const options = {
      count,
      intervalMs: spanMicros / count / 1000,
      ...(closeDelayMs === undefined ? {} : { behaviour: { closeDelayMs } }),
    }
    this.#probeRuns = this.#paths.map((path) => path?.probeInSlot(options, now))
  }

  /**
   * After a batch of datagrams: the moment for acks, and for the end. Silence counts only once the kernel's queue is
   * empty: a worker that was not scheduled for a while has heard nothing and missed nothing.
   */
  afterReceive(drained: boolean, now: number): void {
    if (this.#state !== 'running') return
    this.#echoer?.flush()
    const over = now >= this.#endDue() || (this.#total > 0 && this.#total >= this.#expectedTotal)
    if (over && (drained || now >= this.#hardEnd)) {
      this.#finish(now)
      return
    }
    if (Number.isNaN(this.#first) || this.#echoer !== undefined) return
    if (drained && now >= this.#tailDue()) {
      this.#sendAck(now)
      return
    }
    if (now < this.#nextAck || !(this.#last >= this.#nextAck)) return
    if (!drained && now < this.#nextAck + MAX_ACK_WAIT_MICROS) return
    this.#sendAck(now)
    while (this.#nextAck <= now) this.#nextAck += this.#step
  }

  wantsArrivals(now: number): boolean {
    if (!this.#coalesces || this.#state !== 'running' || Number.isNaN(this.#first)) return true
    return !(now < this.#coalesceUntil)
  }

  nextDueMicros(): number {
    let due = this.#goes[0]?.at ?? Number.POSITIVE_INFINITY
    for (const { at } of this.#held) due = Math.min(due, at)
    if (this.#state === 'closing') return Math.min(due, this.#repeats[0] ?? 0)
    due = Math.min(due, this.#endDue())
    if (Number.isNaN(this.#first)) return due
    due = Math.min(due, this.#tailDue(), this.#probesAt)
    if (this.#phantoms !== undefined) due = Math.min(due, this.#first + this.#phantoms.nextAfterMicros)
    return this.#coalesces && !Number.isNaN(this.#coalesceUntil) ? Math.min(due, this.#coalesceUntil) : due
  }

  /** When the slot ends unless something arrives. */
  #endDue(): number {
    if (Number.isNaN(this.#first)) return this.#hardEnd
    const silent = Math.max(this.#first + this.#order.tauMicros, this.#last + this.#silence)
    return Math.min(silent, this.#hardEnd)
  }

  /** When the arrivals so far are acknowledged although none follows. */
  #tailDue(): number {
    if (this.#echoer !== undefined || this.#ackedTotal === this.#total || this.#acks.length >= MAX_ACKS - 1)
      return Number.POSITIVE_INFINITY
    return Math.max(this.#first + this.#order.tauMicros, this.#last + this.#step)
  }

  #sendGo(go: Go | undefined, now: number): void {
    if (go === undefined) return
    const body = new Uint8Array(4)
    writeU32(body, 0, Math.max(0, Math.round(go.target - now)))
    go.path.send(DatagramType.go, go.copy, body, this.#order.slot, this.#order.attempt)
  }

  #addPhantoms(now: number): void {
    for (const phantom of this.#phantoms?.due(now - this.#first) ?? []) {
      const member = this.#members[phantom.position]
      if (member === undefined) continue
      const added = this.#phantoms?.deliver(phantom, member, now - this.#first) ?? 0
      this.#total += added
      if (added > 0) this.#last = now
    }
  }

  /** @param last the slot's last, for which one of the 256 is kept. */
  #sendAck(now: number, last = false): void {
    if (this.#acks.length >= (last ? MAX_ACKS : MAX_ACKS - 1)) return
    const counts = this.#members.map((member) => member.count)
    const digests = this.#members.map((member) => member.digest())
    const root = ackRoot(counts, digests)
    const k = this.#acks.length
    const { slot, attempt, behaviour } = this.#order
    const datagrams = this.#paths.map((path, position) =>
      path?.seal(DatagramType.ack, k, rootFor(behaviour, position, root), slot, attempt),
    )
    this.#acks.push({ counts, digests, root, sentMicros: Math.max(0, Math.round(now - this.#first)) })
    this.#ackedTotal = this.#total
    this.#lastAck = datagrams
    for (const decoy of decoyAcks(behaviour, k))
      for (const path of this.#paths) path?.send(DatagramType.ack, decoy.k, decoy.root, slot, attempt)
    this.#sendCopies(now)
  }

  #sendCopies(now: number): void {
    const hold = (this.#order.behaviour?.holdAcksMs ?? 0) * 1000
    for (let copy = 0; copy < (this.#order.behaviour?.ackFlood ?? ACK_COPIES); copy++) {
      this.#paths.forEach((path, position) => {
        const bytes = this.#lastAck[position]
        if (path === undefined || bytes === undefined) return
        if (hold > 0) this.#held.push({ at: now + hold, path, bytes })
        else path.queueSealed(bytes)
      })
    }
  }

  #releaseHeld(now: number): void {
    for (const { path, bytes } of this.#held.filter(({ at }) => at <= now)) path.queueSealed(bytes)
    this.#held = this.#held.filter(({ at }) => at > now)
  }

  /** The last ack (where the one before does not cover all), and its repeats. */
  #finish(now: number): void {
    this.#state = 'closing'
    this.#endedAt = now
    if (!Number.isNaN(this.#first)) {
      const waited = this.#modules.waitedMicros() - this.#waitedAtFirst
      this.#busyShare = 1 - waited / Math.max(1, now - this.#first)
      const isUnacked = this.#acks.length === 0 || this.#ackedTotal < this.#total
      if (isUnacked && this.#echoer === undefined) this.#sendAck(now, true)
    }
    if (this.#acks.length > 0) this.#repeats = LAST_ACK_REPEATS_MICROS.map((after) => now + after)
  }

  #close(now: number): void {
    while (this.#repeats.length > 0 && (this.#repeats[0] ?? 0) <= now) {
      this.#repeats.shift()
      this.#sendCopies(now)
    }
    if (this.#repeats.length === 0 && this.#held.length === 0) this.#state = 'done'
  }

  capture(): SlotCapture {
    return {
      acks: this.#acks,
      orders: this.#members.map((member) => member.order()),
      statistics: slotStatistics({
        members: this.#members,
        tauMicros: this.#order.tauMicros,
        loadedMicros: this.#members.map((_, i) => this.#probeRuns[i]?.soFar(this.#endedAt) ?? []),
        overflow: this.#modules.overflow() - this.#overflowAtStart,
        busyShare: this.#busyShare,
      }),
    }
  }

  /** Gives memory back and frees the paths for the next slot. */
  free(): void {
    for (const path of this.#paths) if (path !== undefined) path.slotMember = undefined
    for (const member of this.#members) member.free()
  }
}
