/** When the relay lets a packet go: each host's share of its RTT, random loss, and rules an adversary sets. */
import type { HostName } from './network.js'
import { type Random, seededRandom } from './random.js'

/**
 * Something done to some packets: what it names must all hold, what it leaves out matches everything. The
 * effects of all rules that match add up.
 */
export interface RelayRule {
  readonly from?: readonly HostName[]
  readonly to?: readonly HostName[]
  readonly protocol?: 'udp' | 'tcp'
  /** Layer-3 length of the packet (of one segment), bytes, inclusive. */
  readonly minBytes?: number
  readonly maxBytes?: number
  readonly addDelayMs?: number
  readonly dropPct?: number
}

/** One host as the relay sees it. */
export interface RelayHost {
  readonly name: HostName
  /** Dotted IPv4. */
  readonly address: string
  /** Delay of what it sends and of what it is sent, ms. */
  readonly outMs: number
  readonly inMs: number
}

export interface RelayConfig {
  /** Name of the TUN interface to make. */
  readonly device: string
  readonly hosts: readonly RelayHost[]
  readonly lossPct: number
  readonly seed: number | string
  /** Largest super-packet to make of datagrams that leave together; 0 makes none. */
  readonly superPacketBytes: number
}

export interface RelayStats {
  /** What went through, packets as the kernel hands them over: a GSO super-packet counts once. */
  readonly packets: number
  readonly bytes: number
  /** Dropped because the relay's memory was full. */
  readonly overflowed: number
  /** Dropped by chance or by a rule. */
  readonly lost: number
  /** Refused by the kernel on the way out. */
  readonly refused: number
  /** Most packets that ever waited at a time. */
  readonly maxWaiting: number
  /** How late packets left after their due time, microseconds (negative: early). */
  readonly lateUs: { readonly median: number; readonly p99: number; readonly max: number }
  /** CPU time of the relay, ms. */
  readonly cpuMs: number
}

/** What {@link RelaySchedule.delayUs} gives for a packet that is to be dropped. */
export const DROP = -1

const IPV4 = 4
const IP_LENGTH_OFFSET = 2
const IP_PROTOCOL_OFFSET = 9
const IP_SOURCE_OFFSET = 12
const IP_DESTINATION_OFFSET = 16
const PROTOCOLS = { tcp: 6, udp: 17 } as const

interface Compiled {
  readonly from: ReadonlySet<number> | null
  readonly to: ReadonlySet<number> | null
  readonly protocol: number | null
  readonly minBytes: number
  readonly maxBytes: number
  readonly addUs: number
  readonly dropShare: number
}

/** A dotted address as a number. */
export function addressNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

export class RelaySchedule {
  readonly #outUs = new Map<number, number>()
  readonly #inUs = new Map<number, number>()
  readonly #byName = new Map<HostName, number>()
  readonly #lossShare: number
  readonly #random: Random
  #rules: readonly Compiled[] = []

  constructor(config: Pick<RelayConfig, 'hosts' | 'lossPct' | 'seed'>) {
    this.#lossShare = config.lossPct / 100
    this.#random = seededRandom(config.seed, 'loss')
    for (const host of config.hosts) {
      const address = addressNumber(host.address)
      this.#byName.set(host.name, address)
      this.#outUs.set(address, host.outMs * 1000)
      this.#inUs.set(address, host.inMs * 1000)
    }
  }

  /** Replaces the rules. @throws Error where one names a host that is not here */
  setRules(rules: readonly RelayRule[]): void {
    this.#rules = rules.map((rule) => ({
      from: this.#addresses(rule.from),
      to: this.#addresses(rule.to),
      protocol: rule.protocol === undefined ? null : PROTOCOLS[rule.protocol],
      minBytes: rule.minBytes ?? 0,
      maxBytes: rule.maxBytes ?? Number.POSITIVE_INFINITY,
      addUs: (rule.addDelayMs ?? 0) * 1000,
      dropShare: (rule.dropPct ?? 0) / 100,
    }))
  }

  /** Must packets come one by one? A super-packet lost as a whole would be a burst of losses. */
  get dropsSinglePackets(): boolean {
    return this.#lossShare > 0 || this.#rules.some(({ dropShare }) => dropShare > 0)
  }

  /**
   * Microseconds to hold the IPv4 packet at `offset`, or {@link DROP}.
   *
   * @param segmentBytes layer-3 length of one segment of a super-packet; 0 for a plain packet
   */
  delayUs(packet: Buffer, offset: number, segmentBytes: number): number {
    if ((packet[offset] ?? 0) >> 4 !== IPV4) return DROP
    if (this.#lossShare > 0 && this.#random() < this.#lossShare) return DROP
    const source = packet.readUInt32BE(offset + IP_SOURCE_OFFSET)
    const destination = packet.readUInt32BE(offset + IP_DESTINATION_OFFSET)
    let delay = (this.#outUs.get(source) ?? 0) + (this.#inUs.get(destination) ?? 0)
    if (this.#rules.length === 0) return delay
    const protocol = packet[offset + IP_PROTOCOL_OFFSET] ?? 0
    const bytes = segmentBytes > 0 ? segmentBytes : packet.readUInt16BE(offset + IP_LENGTH_OFFSET)
    for (const rule of this.#rules) {
      if (rule.from !== null && !rule.from.has(source)) continue
      if (rule.to !== null && !rule.to.has(destination)) continue
      if (rule.protocol !== null && rule.protocol !== protocol) continue
      if (bytes < rule.minBytes || bytes > rule.maxBytes) continue
      if (rule.dropShare > 0 && this.#random() < rule.dropShare) return DROP
      delay += rule.addUs
    }
    return delay
  }

  #addresses(names: readonly HostName[] | undefined): ReadonlySet<number> | null {
    if (names === undefined) return null
    return new Set(
      names.map((name) => {
        const address = this.#byName.get(name)
        if (address === undefined) throw new Error(`a relay rule names ${name}, which is not in the network`)
        return address
      }),
    )
  }
}
