/** What an honest prover records of one slot over a simulated link: arrival orders, acks, the members' own times. */
import { PACKET_BITS } from '../../src/pob/constants.js'
import { carry, deliveredBy, type Link } from '../simulator/link.js'
import type { Random } from '../simulator/random.js'
import { honestAckTimes } from '../simulator/slot.js'

export interface Recording {
  /** By member: sequences in the order of arrival. */
  readonly orders: readonly (readonly number[])[]
  /** By ack and member: arrivals covered. */
  readonly counts: readonly (readonly number[])[]
  /** By member and ack. */
  readonly ownMicros: readonly (readonly number[])[]
}

export interface RecordingOptions {
  readonly link: Link
  readonly tauMicros: number
  readonly memberRateKbps: number
  readonly packetCount: number
  /** By member of the team. */
  readonly rttMicros: readonly number[]
  /** Members that send nothing. */
  readonly silent?: ReadonlySet<number>
}

const START_NOISE_SECONDS = 0.0005

export function recordSlot(options: RecordingOptions, random: Random): Recording {
  const { link, tauMicros, memberRateKbps, packetCount, rttMicros, silent } = options
  const intervalSeconds = PACKET_BITS / (memberRateKbps * 1000)
  const latest = Math.max(...rttMicros) / 1e6
  // Half of the round trip each way; starts are such that first packets meet at the prover.
  const starts = rttMicros.map((rtt) => latest - rtt / 2e6 + random.between(0, START_NOISE_SECONDS))
  const deliveries = carry(
    link,
    rttMicros.map((rtt, i) => ({
      firstSeconds: (starts[i] ?? 0) + rtt / 2e6,
      intervalSeconds,
      packets: silent?.has(i) ? 0 : packetCount,
    })),
  )
  const times = honestAckTimes(deliveries, tauMicros / 1e6)
  return {
    orders: deliveries.map(({ sequences }) => sequences),
    counts: times.map((at) => deliveries.map((delivery) => deliveredBy(delivery, at))),
    ownMicros: rttMicros.map((rtt, i) =>
      times.map((at) => Math.ceil((at + rtt / 2e6 - (starts[i] ?? 0)) * 1e6)),
    ),
  }
}
