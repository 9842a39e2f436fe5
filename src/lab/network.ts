/** What a laboratory network is to those who run daemons in it, whatever it is built of. */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { LabMode } from './capabilities.js'
import type { RttRange } from './link-math.js'
import type { RelayRule, RelayStats } from './relay-schedule.js'

/**
 * Who may live in a lab network. `core` is the backbone; `cross` sends and `prover-0` takes cross traffic; `victim` takes
 * part in nothing.
 */
export type HostName =
  | `prover-${number}`
  | `challenger-${number}`
  | 'payer'
  | 'beacon'
  | 'cross'
  | 'victim'
  | 'access'
  | 'core'

/** Each challenger needs a /24 of its own in 10.100.0.0 - 10.249.0.0. */
export const MAX_CHALLENGERS = 150
/** Each prover has a /24 of its own in 10.90.0.0/16. */
export const MAX_PROVERS = 64
/** UDP port that challengers are given where the caller names none. */
export const DEFAULT_DATA_PORT = 4701

export interface LabNetworkOptions {
  readonly challengers: number
  /** Provers that share the one bottleneck. Default 1. */
  readonly provers?: number
  /** Each prover behind a bottleneck of its own, with the same rate. */
  readonly separateLinks?: boolean
  /** The truth: downlink rate, Mbit/s of layer-3 bytes. */
  readonly rateMbps: number
  /** Layer-3 size the rate is converted for, bytes. Default: our data packets. */
  readonly packetBytes?: number
  /** Uplink rate, Mbit/s of layer-3 bytes. Default: unshaped. */
  readonly uplinkMbps?: number
  /** Queue of the bottleneck, ms at its rate. Default 50. */
  readonly bufferMs?: number
  /** Token-bucket depth, bytes. Default: see `burstBytesFor`. */
  readonly burstBytes?: number
  /** RTT between each challenger and the prover. Default: what the machine does, some 0.1 ms. */
  readonly rtt?: RttRange
  /** RTT between payer and prover. Default: the middle of `rtt`. */
  readonly payerRttMs?: number
  /** Share of an RTT spent on the way towards the prover, 0..1. Default 0.5. */
  readonly forwardShare?: number
  /** Random loss, percent of packets, each way, data and control alike. */
  readonly lossPct?: number
  /** Decides who has which RTT and which packets are lost. Default 1. */
  readonly seed?: number | string
  /** Puts the relay into the path even without delay or loss, so that rules can be set. */
  readonly relay?: boolean
  /** Adds the `cross` host. */
  readonly crossTraffic?: boolean
  /** Adds the `victim` host. */
  readonly victim?: boolean
  /** Somebody in it sends packets with other hosts' addresses, or listens on their way. */
  readonly rawPackets?: boolean
  /** UDP port of the challengers' data plane. */
  readonly dataPort?: number
  /** In user space, use nothing but node even on Linux. */
  readonly portable?: boolean
  /** What to build it of. Default: the best this machine can do. */
  readonly mode?: LabMode
}

export interface LabHost {
  readonly name: HostName
  /** Where its daemons bind and are reached by the control plane. */
  readonly address: string
  /** Any process inside its namespace; null where there are none. */
  readonly holderPid: number | null
  /** RTT to the prover, ms, as asked for. */
  readonly rttMs: number
}

/** Bytes and packets at the prover's end of the bottleneck since the network was built. */
export interface ProverCounters {
  readonly rxBytes: number
  readonly rxPackets: number
  readonly txBytes: number
  readonly txPackets: number
  /** Which bytes were counted: 2 with Ethernet headers, 3 from the IP header on. */
  readonly layer: 2 | 3
}

/** Packets that the bottleneck itself dropped. */
export interface BottleneckDrops {
  readonly packets: number
}

export interface DataEndpoint {
  readonly address: string
  readonly port: number
}

/** Options of `spawn` without those that the network decides. */
export type LabSpawnOptions = Omit<SpawnOptions, 'shell'>

export interface LabNetwork {
  readonly mode: LabMode
  /** Unique name of this instance, in the environment of every process it started. */
  readonly id: string
  readonly hosts: readonly LabHost[]
  /** Layer-3 truth, Mbit/s. */
  readonly rateMbps: number
  readonly uplinkMbps: number | null
  readonly bufferMs: number
  /** Token-bucket depth b, bytes (at layer 2 where the kernel shapes). */
  readonly burstBytes: number
  /** Truth, layers, burst and what it is built of, a line each. */
  readonly notes: readonly string[]
  /** @throws Error where there is no such host */
  host(name: HostName): LabHost
  /** Where challenger i binds its data socket, and what it announces (a relay's port in user space). */
  challengerData(index: number): { readonly bind: DataEndpoint; readonly announce: DataEndpoint }
  /** b / (0.8 tau), Mbit/s. */
  burstBoundMbps(tauSeconds: number): number
  /** Starts a process inside a host; it cannot outlive this process. Ended by `close`. */
  spawnIn(host: HostName, command: string, args: readonly string[], options?: LabSpawnOptions): ChildProcess
  /** At prover `index`'s interface. */
  counters(index?: number): Promise<ProverCounters>
  drops(): Promise<BottleneckDrops>
  /** Bytes of layer 2 that the victim was sent. @throws Error without one */
  victimBytes(): Promise<number>
  /** Replaces the relay's rules. @throws UserError UNAVAILABLE without a relay */
  setRelayRules(rules: readonly RelayRule[]): Promise<void>
  /** null without a relay. */
  relayStats(): Promise<RelayStats | null>
  /** Ends every process and with them the namespaces. May be called twice. */
  close(): Promise<void>
}
