/**
 * The bottleneck: a token bucket (rate theta, depth b, full at first) before a drop-tail buffer, packet by packet,
 * as `tbf` of Linux does it. Whatever enters, at most theta t + b bits leave it in any time t.
 */
import { PACKET_BITS } from '../../src/pob/constants.js'

export interface Link {
  readonly thetaBps: number
  /** b; at least one packet. */
  readonly burstBits: number
  readonly bufferBits: number
}

/** The packets of one sender as they reach the bottleneck, equally spaced. */
export interface Train {
  readonly firstSeconds: number
  readonly intervalSeconds: number
  readonly packets: number
  /** True for a packet that never gets there. */
  readonly dropped?: (sequence: number) => boolean
}

/** What came through, by train: leaving times in seconds, ascending, and the packets' numbers beside them. */
export interface Delivery {
  readonly seconds: readonly number[]
  readonly sequences: readonly number[]
}

export function carry(link: Link, trains: readonly Train[]): Delivery[] {
  const { thetaBps, burstBits, bufferBits } = link
  const seconds: number[][] = trains.map(() => [])
  const sequences: number[][] = trains.map(() => [])
  const sent = trains.map(() => 0)
  /** Leaving times of packets that may still be in the buffer. */
  const leaving: number[] = []
  let oldest = 0
  let tokens = burstBits
  let tokensAt = Number.NEGATIVE_INFINITY
  let lastLeft = Number.NEGATIVE_INFINITY
  for (;;) {
    let who = -1
    let at = Number.POSITIVE_INFINITY
    trains.forEach((train, i) => {
      const number = sent[i] ?? 0
      const due = train.firstSeconds + number * train.intervalSeconds
      if (number < train.packets && due < at) {
        who = i
        at = due
      }
    })
    const train = trains[who]
    if (train === undefined) break
    const sequence = sent[who] ?? 0
    sent[who] = sequence + 1
    if (train.dropped?.(sequence)) continue
    while (oldest < leaving.length && (leaving[oldest] ?? 0) <= at) oldest++
    if ((leaving.length - oldest + 1) * PACKET_BITS > bufferBits) continue
    const from = Math.max(at, lastLeft)
    const full =
      tokensAt === Number.NEGATIVE_INFINITY
        ? burstBits
        : Math.min(burstBits, tokens + (from - tokensAt) * thetaBps)
    const left = from + Math.max(0, PACKET_BITS - full) / thetaBps
    tokens = Math.max(0, full - PACKET_BITS)
    tokensAt = left
    lastLeft = left
    leaving.push(left)
    seconds[who]?.push(left)
    sequences[who]?.push(sequence)
  }
  return seconds.map((times, i) => ({ seconds: times, sequences: sequences[i] ?? [] }))
}

/** Packets of a delivery that had left by `at`. */
export function deliveredBy({ seconds }: Delivery, at: number): number {
  let low = 0
  let high = seconds.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((seconds[middle] ?? 0) <= at) low = middle + 1
    else high = middle
  }
  return low
}
