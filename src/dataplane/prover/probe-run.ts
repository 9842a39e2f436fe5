/** One run of probes: pacing, round-trip times, and the closes that give the member its own. */
import type { ProbeOptions } from '../messages.js'
import type { ProbeResult } from '../types.js'

/** Waiting for the last replies: four times the longest round trip seen, within these bounds. */
const LEAST_WAIT_MICROS = 200_000
const MOST_WAIT_MICROS = 1_000_000
const WAIT_FACTOR = 4
/** In the middle of a run a probe counts as lost only after this long, and after the longest round trip seen. */
const LEAST_PATIENCE_MICROS = 30_000

interface Close {
  readonly at: number
  readonly sequence: number
  readonly body: Uint8Array
}

export class ProbeRun {
  readonly #options: ProbeOptions
  readonly #first: number
  readonly #sentAt: Float64Array
  /** Round-trip times by probe; 0 for none. */
  readonly #rtts: Float64Array
  #sent = 0
  #received = 0
  #nextSend: number
  #lastSend: number
  #closes: Close[] = []

  /**
   * @param first sequence of its first probe.
   * @param onEnd told once, when all were answered or nothing is waited for any more.
   */
  constructor(
    options: ProbeOptions,
    first: number,
    now: number,
    readonly onEnd: (result: ProbeResult) => void,
  ) {
    this.#options = options
    this.#first = first
    this.#sentAt = new Float64Array(options.count)
    this.#rtts = new Float64Array(options.count)
    this.#nextSend = now
    this.#lastSend = now
  }

  sendDue(now: number): boolean {
    return this.#sent < this.#options.count && now >= this.#nextSend
  }

  nextSequence(): number {
    return this.#first + this.#sent
  }

  sent(now: number): void {
    this.#sentAt[this.#sent++] = now
    this.#lastSend = now
    this.#nextSend = now + this.#options.intervalMs * 1000
  }

  onReply(sequence: number, body: Uint8Array, arrivalMicros: number, now: number): void {
    const index = sequence - this.#first
    if (index < 0 || index >= this.#sent || this.#rtts[index] !== 0) return
    this.#rtts[index] = Math.max(1, arrivalMicros - (this.#sentAt[index] ?? 0))
    this.#received++
    const at = now + (this.#options.behaviour?.closeDelayMs ?? 0) * 1000
    this.#closes.push({ at, sequence, body })
  }

  /** Closes to send now; each is returned once. */
  dueCloses(now: number): readonly Close[] {
    if (this.#closes.length === 0) return this.#closes
    const due = this.#closes.filter((close) => close.at <= now)
    this.#closes = this.#closes.filter((close) => close.at > now)
    return due
  }

  isOver(now: number): boolean {
    if (this.#sent < this.#options.count || this.#closes.length > 0) return false
    return this.#received === this.#sent || now >= this.#giveUp()
  }

  nextDueMicros(): number {
    let due = this.#sent < this.#options.count ? this.#nextSend : this.#giveUp()
    if (this.#sent === this.#options.count && this.#received === this.#sent) due = 0
    for (const close of this.#closes) due = Math.min(due, close.at)
    return due
  }

  #giveUp(): number {
    let longest = 0
    for (const rtt of this.#rtts) longest = Math.max(longest, rtt)
    const wait = longest === 0 ? MOST_WAIT_MICROS : WAIT_FACTOR * longest
    return this.#lastSend + Math.min(MOST_WAIT_MICROS, Math.max(LEAST_WAIT_MICROS, wait))
  }

  /** Round trips so far, in the order of sending; 0 for what is lost. Those that may yet be answered are left out. */
  soFar(now: number): number[] {
    const sent = [...this.#rtts.subarray(0, this.#sent)]
    const patience = sent.reduce((longest, rtt) => Math.max(longest, rtt), LEAST_PATIENCE_MICROS)
    return sent.filter((rtt, i) => rtt > 0 || now - (this.#sentAt[i] ?? 0) > patience).map(Math.ceil)
  }

  result(): ProbeResult {
    const rtts = [...this.#rtts].filter((rtt) => rtt > 0)
    const sorted = [...rtts].sort((a, b) => a - b)
    let variation = 0
    for (let i = 1; i < rtts.length; i++) variation += Math.abs((rtts[i] ?? 0) - (rtts[i - 1] ?? 0))
    return {
      sent: this.#sent,
      received: this.#received,
      rttMinMicros: Math.ceil(sorted[0] ?? 0),
      rttMedianMicros: Math.ceil(sorted[sorted.length >>> 1] ?? 0),
      jitterMicros: Math.round(variation / Math.max(1, rtts.length - 1)),
      rttMicros: [...this.#rtts.subarray(0, this.#sent)].map(Math.ceil),
    }
  }
}
