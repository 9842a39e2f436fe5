/** Arithmetic of the bottleneck: layers, bucket, buffer, and the rates and round-trip times a lab may draw. */
import { randomInt } from 'node:crypto'
import { UserError } from '../errors.js'
import { seededRandom, shuffled } from './random.js'

/** A data packet as layer 3 sees it: 1,408 B of UDP payload + 8 B UDP + 20 B IPv4. */
export const DATA_PACKET_LAYER3_BYTES = 1436
/** What `tbf` counts beyond layer 3 on a veth: the Ethernet header (no preamble, no checksum, no gap). */
export const ETHERNET_HEADER_BYTES = 14

/** Two full packets: with less, a bucket cannot pass one packet while the next is being earned. */
const MIN_BURST_BYTES = 3200
/**
 * Time the kernel's bucket may fill unused. The qdisc's timer fires tens of microseconds late, more on a busy
 * machine; tokens beyond the burst are lost then, and with them rate (1,600 B at 250 Mbit/s cost 16 %). A
 * larger burst reads as capacity: 250 us add 0.16 % of the truth at tau = 200 ms.
 */
const BURST_SECONDS = 250e-6
/** Share of tau after which the first acknowledgement may count (the team rule). */
const FIRST_COUNTED_SHARE = 0.8

/** What an operator's line queues before it drops, a middling home router. */
export const DEFAULT_BUFFER_MS = 50

/** Bounds of `--rate random`, Mbit/s: the range the protocol claims to measure. */
const RANDOM_RATE_MIN_MBPS = 10
const RANDOM_RATE_MAX_MBPS = 2500

/**
 * Rate that layer 2 must be given so that packets of one size flow at `rateMbps` of layer-3 bytes.
 *
 * @param packetBytes size at layer 3; other sizes see a slightly different rate, by (size + 14) / size
 */
export function layer2RateMbps(rateMbps: number, packetBytes = DATA_PACKET_LAYER3_BYTES): number {
  return (rateMbps * (packetBytes + ETHERNET_HEADER_BYTES)) / packetBytes
}

/** Token-bucket burst for a rate, bytes: at most 1 % of the truth from 16 Mbit/s up, 1.6 % at 10. */
export function burstBytesFor(rateMbps: number): number {
  return Math.max(MIN_BURST_BYTES, Math.round((rateMbps * 1e6 * BURST_SECONDS) / 8))
}

/** Queue of the bottleneck, bytes: `bufferMs` of the rate, never less than two full packets. */
export function bufferBytesFor(rateMbps: number, bufferMs: number): number {
  return Math.max(MIN_BURST_BYTES, Math.round((rateMbps * 1e3 * bufferMs) / 8))
}

/** b / (0.8 tau), Mbit/s: by how much a guarantee may exceed the truth on a link with burst b. */
export function burstBound(burstBytes: number, tauSeconds: number): number {
  return (burstBytes * 8) / (FIRST_COUNTED_SHARE * tauSeconds) / 1e6
}

/** The conversion in words, for the head of a lab's report. */
export function describeConversion(rateMbps: number, packetBytes = DATA_PACKET_LAYER3_BYTES): string {
  const layer2 = layer2RateMbps(rateMbps, packetBytes)
  return (
    `${rateMbps} Mbit/s of layer 3 = ${Number(layer2.toFixed(4))} Mbit/s of layer 2 ` +
    `(x ${packetBytes + ETHERNET_HEADER_BYTES}/${packetBytes}, packets of ${packetBytes} B)`
  )
}

/**
 * A rate for `--rate random`: log-uniform over 10..2500 Mbit/s, to 0.01.
 *
 * @param seed the same seed draws the same rate; without one it is drawn from the system's randomness
 */
export function drawRate(seed?: number | string): number {
  const unit = seed === undefined ? randomInt(2 ** 32) / 2 ** 32 : seededRandom(seed, 'rate')()
  const rate = RANDOM_RATE_MIN_MBPS * (RANDOM_RATE_MAX_MBPS / RANDOM_RATE_MIN_MBPS) ** unit
  return Math.round(rate * 100) / 100
}

/** Round-trip times of the challengers, ms; equal bounds mean one RTT for all. */
export interface RttRange {
  readonly minMs: number
  readonly maxMs: number
}

/** Longest RTT the relay's memory is sized for. */
const MAX_RTT_MS = 1000

/**
 * Reads `20` or `5-40`.
 *
 * @throws UserError BAD_ARGUMENT
 */
export function parseRtt(text: string): RttRange {
  const match = /^(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?$/.exec(text.trim())
  const minMs = Number(match?.[1])
  const maxMs = match?.[2] === undefined ? minMs : Number(match[2])
  if (match === null || maxMs < minMs || maxMs > MAX_RTT_MS)
    throw new UserError(`"${text}" is no round-trip time`, {
      code: 'BAD_ARGUMENT',
      remedy: `give milliseconds as 20 or 5-40, at most ${MAX_RTT_MS}`,
      exitStatus: 2,
    })
  return { minMs, maxMs }
}

/** One RTT a challenger, evenly spread over the range, dealt out in an order that the seed decides. */
export function spreadRtt(range: RttRange, count: number, seed: number | string): number[] {
  const step = count > 1 ? (range.maxMs - range.minMs) / (count - 1) : 0
  const even = Array.from({ length: count }, (_, i) => range.minMs + i * step)
  return shuffled(even, seededRandom(seed, 'rtt'))
}
