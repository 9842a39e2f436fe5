/**
 * The relay process: reads packets from a TUN interface, holds each for its time, writes it back. Started by
 * `relay.ts`; runs in slices between which it answers calls.
 */
import { serveCalls } from './child-calls.js'
import { DelayLine, FULL } from './delay-line.js'
import { becomeRealTime, Poller, pinned, read, sharpenTimers } from './libc.js'
import { DROP, type RelayConfig, type RelayRule, RelaySchedule, type RelayStats } from './relay-schedule.js'
import { RelayWriter } from './relay-writer.js'
import { MAX_TUN_READ_BYTES, openTun, segmentBytesAt, setOffload, VNET_HEADER_BYTES } from './tun.js'

/** 100 ms one way at 5 Gbit/s; beyond it packets are dropped and counted. */
const RING_BYTES = 64 * 2 ** 20
/** The ring full of packets of 512 B. */
const RING_PACKETS = 2 ** 17
/** Calls wait at most this long, and an idle relay wakes this seldom. */
const SLICE_US = 20_000
/** Reads at a time before due packets are looked at again. */
const BATCH = 64
/** A sleep ends some 25 to 50 us late; what falls due in that time goes early instead. */
const EARLY_US = 30
/** Waking an idle processor takes longer still: that much is spent spinning instead. */
const WAKE_AHEAD_US = 40
/** At this many packets in one {@link BUSY_WINDOW_US} a wake-up for each would cost more than it gains. */
const BUSY_PACKETS = 10
const BUSY_WINDOW_US = 1000
/** Length of a sleep when busy: a delay is then off by at most about as much. */
const BUSY_NAP_US = 100
/** Lateness is kept in classes of 10 us from -1 ms to 20 ms. */
const LATE_CLASS_US = 10
const LATE_FLOOR_US = -1000
const LATE_CLASSES = 2100

class Relay {
  readonly #fd: number
  readonly #ring = pinned(RING_BYTES)
  readonly #overflow = pinned(MAX_TUN_READ_BYTES)
  readonly #line = new DelayLine({ bytes: RING_BYTES, packets: RING_PACKETS })
  readonly #schedule: RelaySchedule
  readonly #writer: RelayWriter
  readonly #poller: Poller
  readonly #lateClasses = new Float64Array(LATE_CLASSES)
  readonly #count = { packets: 0, bytes: 0, overflowed: 0, lost: 0, maxWaiting: 0, maxLate: 0 }
  #unseenUs = 0
  #windowStart = 0
  #windowPackets = 0
  #isBusy = false

  constructor(config: RelayConfig) {
    this.#schedule = new RelaySchedule(config)
    this.#fd = openTun(config.device)
    // A kernel that cannot hand over UDP super-packets cannot take them either.
    const hasUdpGso = setOffload(this.#fd, true)
    setOffload(this.#fd, !this.#schedule.dropsSinglePackets)
    const superPacketBytes = hasUdpGso ? config.superPacketBytes : 0
    this.#writer = new RelayWriter({ fd: this.#fd, ring: this.#ring, superPacketBytes })
    this.#poller = new Poller([this.#fd])
    sharpenTimers()
    // The relay is part of the network: waiting behind the daemons it serves costs 2 ms at the 99th percentile.
    becomeRealTime()
  }

  run(): void {
    const end = nowUs() + SLICE_US
    for (;;) {
      const taken = this.#take()
      this.#give()
      const now = nowUs()
      if (now >= end) break
      if (taken === BATCH) continue
      const wait = Math.min(this.#line.nextDue - EARLY_US, end) - now
      if (wait <= 0) continue
      if (this.#isBusy) this.#poller.sleep(Math.min(wait, BUSY_NAP_US))
      else if (wait > WAKE_AHEAD_US) this.#poller.wait(wait - WAKE_AHEAD_US)
      // While napping, packets came at any time: half a nap ago is right on average.
      this.#unseenUs = this.#isBusy ? Math.min(nowUs() - now, BUSY_NAP_US) / 2 : 0
    }
    setImmediate(() => this.run())
  }

  setRules(rules: readonly RelayRule[]): void {
    this.#schedule.setRules(rules)
    setOffload(this.#fd, !this.#schedule.dropsSinglePackets)
  }

  stats(): RelayStats {
    const { maxLate, ...counts } = this.#count
    const cpu = process.cpuUsage()
    return {
      ...counts,
      refused: this.#writer.refused,
      lateUs: { median: this.#lateQuantile(0.5), p99: this.#lateQuantile(0.99), max: Math.round(maxLate) },
      cpuMs: (cpu.user + cpu.system) / 1000,
    }
  }

  /** Reads what has come, at most a batch. */
  #take(): number {
    let taken = 0
    while (taken < BATCH) {
      const offset = this.#line.reserve(MAX_TUN_READ_BYTES)
      const isFull = offset === FULL
      const target = isFull ? this.#overflow.address : this.#ring.address + offset
      const bytes = read(this.#fd, target, MAX_TUN_READ_BYTES)
      if (bytes < 0) break
      taken += 1
      if (isFull) {
        this.#count.overflowed += 1
        continue
      }
      const segment = segmentBytesAt(this.#ring.view, offset)
      const delay = this.#schedule.delayUs(this.#ring.buffer, offset + VNET_HEADER_BYTES, segment)
      if (delay === DROP) this.#count.lost += 1
      else this.#line.commit(offset, bytes, nowUs() - this.#unseenUs + delay)
    }
    if (this.#line.size > this.#count.maxWaiting) this.#count.maxWaiting = this.#line.size
    this.#noteLoad(taken)
    return taken
  }

  /** Writes what is due. */
  #give(): void {
    let now = nowUs()
    while (this.#line.nextDue <= now + EARLY_US) {
      const late = now - this.#line.nextDue
      const record = this.#line.first()
      const bytes = this.#line.lengthOf(record)
      this.#writer.put(this.#line.offsetOf(record), bytes)
      this.#line.release()
      this.#count.packets += 1
      this.#count.bytes += bytes - VNET_HEADER_BYTES
      if (late > this.#count.maxLate) this.#count.maxLate = late
      const lateClass = Math.floor((late - LATE_FLOOR_US) / LATE_CLASS_US)
      const clamped = Math.min(LATE_CLASSES - 1, Math.max(0, lateClass))
      this.#lateClasses[clamped] = (this.#lateClasses[clamped] ?? 0) + 1
      now = nowUs()
    }
    // What was released above is still there: nothing is read before the next call.
    this.#writer.flush()
  }

  #noteLoad(taken: number): void {
    const now = nowUs()
    this.#windowPackets += taken
    if (now - this.#windowStart < BUSY_WINDOW_US) return
    this.#isBusy = this.#windowPackets >= BUSY_PACKETS
    this.#windowStart = now
    this.#windowPackets = 0
  }

  #lateQuantile(share: number): number {
    const total = this.#lateClasses.reduce((sum, count) => sum + count, 0)
    let seen = 0
    for (const [index, count] of this.#lateClasses.entries()) {
      seen += count
      if (total > 0 && seen >= share * total) return LATE_FLOOR_US + (index + 0.5) * LATE_CLASS_US
    }
    return 0
  }
}

function nowUs(): number {
  return performance.now() * 1000
}

let relay: Relay | null = null

serveCalls({
  start: (config: RelayConfig) => {
    relay = new Relay(config)
    setImmediate(() => relay?.run())
  },
  rules: (rules: readonly RelayRule[]) => relay?.setRules(rules),
  stats: () => relay?.stats() ?? null,
})
