/** A made-up network of many nodes: stakes, uplinks, operators and prefixes as they cluster in life. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Address } from '../../src/crypto/address.js'
import type { RegistryEntry } from '../../src/pob/registry.js'
import type { Seat, SeatRecord, SeatRegistry } from '../../src/pob/seat-draw.js'
import type { Random } from '../simulator/random.js'

/** Seats of a node: most stake the least. */
const SEATS = [1, 1, 1, 1, 1, 1, 1, 2, 2, 4] as const
/** Mbit/s; what a node may be asked for stays below the least in these runs. */
const UPLINKS_MBPS = [100, 100, 200, 200, 500, 1000] as const
/** One node in so many belongs to an operator with nodes elsewhere, or shares its /24 with the node before it. */
const FLEET_SHARE = 0.1
const NEIGHBOUR_SHARE = 0.1
const FLEETS = 50

export interface Population {
  readonly entries: readonly RegistryEntry[]
  readonly seats: SeatRegistry
  readonly records: readonly SeatRecord[]
  readonly seatCounts: readonly number[]
  /** Record by hot key. */
  readonly indexOf: ReadonlyMap<string, number>
}

/** Long before any snapshot that is asked for. */
const SINCE = 1

export function populate(nodes: number, random: Random): Population {
  const entries: RegistryEntry[] = []
  const records: SeatRecord[] = []
  const seatCounts: number[] = []
  const seats: Seat[] = []
  let network = 0
  for (let i = 0; i < nodes; i++) {
    const publicKey = new Uint8Array(33)
    for (let at = 1; at < publicKey.length; at += 4)
      new DataView(publicKey.buffer).setUint32(at, random.integer(0, 0xffff_ffff))
    publicKey[0] = 2
    const isFleet = random.chance(FLEET_SHARE)
    const operator = isFleet ? `fleet ${random.integer(1, FLEETS)}` : `operator ${i}`
    if (!random.chance(NEIGHBOUR_SHARE)) network++
    const uplinkKbps = random.pick(UPLINKS_MBPS) * 1000
    const host = `${1 + (network >> 16)}.${(network >> 8) & 255}.${network & 255}.${1 + (i % 250)}`
    entries.push({ publicKey, operator, host, udpPort: 4022, addresses: [], uplinkKbps })
    const address = (text: string): Address =>
      `0x${bytesToHex(new TextEncoder().encode(text.padEnd(20))).slice(0, 40)}`
    records.push({
      hotKey: address(`hot ${i}`),
      owner: address(operator),
      prefix: (4n << 48n) + BigInt(network),
      uplinkKbps,
      since: SINCE,
      until: 0,
    })
    const count = random.pick(SEATS)
    seatCounts.push(count)
    for (let seat = 0; seat < count; seat++) seats.push({ record: i, since: SINCE, until: 0 })
  }
  return {
    entries,
    records,
    seatCounts,
    seats: { seats, record: (id) => records[id], countAt: () => seats.length },
    indexOf: new Map(records.map(({ hotKey }, i) => [hotKey, i])),
  }
}
