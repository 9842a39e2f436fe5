/**
 * A bottleneck for machines without namespaces: everybody is on loopback, and the prover reaches challenger i
 * through port i of a relay that lets pass the rate asked for. Only the data plane goes through it.
 */
import { UserError } from '../errors.js'
import { type NetworkPlan, planNetwork } from './addresses.js'
import type { LabCapabilities } from './capabilities.js'
import { ChildCalls } from './child-calls.js'
import { ChildSet } from './child-set.js'
import { compiledEntry } from './entry.js'
import { newLabId } from './leftovers.js'
import { bufferBytesFor, burstBound, burstBytesFor, DEFAULT_BUFFER_MS } from './link-math.js'
import type { LinkScheduleOptions } from './link-schedule.js'
import {
  type DataEndpoint,
  DEFAULT_DATA_PORT,
  type HostName,
  type LabHost,
  type LabNetwork,
  type LabNetworkOptions,
  MAX_CHALLENGERS,
} from './network.js'

/** One challenger's port: where the prover sends, and where it goes on to. */
export interface UserSpacePort {
  readonly listen: DataEndpoint
  readonly target: DataEndpoint
}

export interface UserSpaceConfig {
  readonly ports: readonly UserSpacePort[]
  /** What challengers see as the prover's side. */
  readonly upstreamAddress: string
  readonly down: LinkScheduleOptions
  readonly up: LinkScheduleOptions
  /** Use `node:dgram` even where the C library could be called. */
  readonly isPortable: boolean
}

/** At the prover's end, layer 3; `dropped` by the downlink's full buffer. */
export interface UserSpaceStats {
  readonly rxBytes: number
  readonly rxPackets: number
  readonly txBytes: number
  readonly txPackets: number
  readonly dropped: number
}

/** IPv4 and UDP header: rates and counters are of layer 3. */
export const HEADERS_BYTES = 28
/** Default buffers of 208 KiB lose 13 % of a fast train. The kernel gives what it allows. */
export const SOCKET_BUFFER_BYTES = 4 * 2 ** 20
/** Clients of one port at a time; the longest idle gives way. */
export const MAX_CLIENTS = 64

/** Only Linux answers on all of 127.0.0.0/8 without configuration. */
const LONE_LOOPBACK = '127.0.0.1'

/**
 * Builds the twin of a namespace network on loopback.
 *
 * @throws UserError UNAVAILABLE for delay, loss, relay rules or cross traffic; BUSY where a port is taken
 */
export async function buildUserSpaceNetwork(
  options: LabNetworkOptions,
  capabilities: LabCapabilities,
): Promise<LabNetwork> {
  refuseWhatNeedsNamespaces(options, capabilities)
  const plan = planNetwork(options, 127)
  const hasPrefixes = process.platform === 'linux'
  const id = await newLabId()
  const children = new ChildSet({ labId: id, deathSignal: capabilities.deathSignal })
  const entry = compiledEntry(import.meta.url, 'user-space-child.js')
  const child = children.spawn([], process.execPath, [entry], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
  })
  const calls = new ChildCalls(child, 'user-space bottleneck')
  const config = configOf(options, plan, hasPrefixes)
  try {
    await calls.call('start', config)
  } catch (error) {
    await children.close()
    const reason = error instanceof Error ? error.message : String(error)
    if (!reason.includes('EADDRINUSE')) throw error
    throw new UserError(`the lab's UDP port is taken (${reason})`, {
      code: 'BUSY',
      remedy: 'wait for the other lab to end',
      cause: error,
    })
  }
  return assemble({ options, capabilities, id, plan, hasPrefixes, children, calls, config })
}

function refuseWhatNeedsNamespaces(options: LabNetworkOptions, capabilities: LabCapabilities): void {
  const wanted = [
    ['--rtt', (options.rtt?.maxMs ?? 0) > 0 || (options.payerRttMs ?? 0) > 0],
    ['--loss', (options.lossPct ?? 0) > 0],
    ['the relay', options.relay === true],
    ['--cross-traffic', options.crossTraffic === true],
    ['several provers', (options.provers ?? 1) > 1],
    ['packets with other addresses', options.rawPackets === true || options.victim === true],
  ].flatMap(([name, isWanted]) => (isWanted === true ? [name] : []))
  if (wanted.length === 0) return
  throw new UserError(`${wanted.join(' and ')} cannot be had in user space`, {
    code: 'UNAVAILABLE',
    remedy: capabilities.missing.map(({ remedy }) => remedy).join('; ') || 'build the lab in namespaces',
  })
}

function endpoints(
  plan: NetworkPlan,
  options: LabNetworkOptions,
  hasPrefixes: boolean,
): { readonly bind: DataEndpoint; readonly announce: DataEndpoint }[] {
  const port = options.dataPort ?? DEFAULT_DATA_PORT
  return plan.challengers.map(({ address, gateway }, i) =>
    hasPrefixes
      ? { bind: { address, port }, announce: { address: gateway, port } }
      : {
          bind: { address: LONE_LOOPBACK, port: port + i },
          announce: { address: LONE_LOOPBACK, port: port + MAX_CHALLENGERS + i },
        },
  )
}

function configOf(options: LabNetworkOptions, plan: NetworkPlan, hasPrefixes: boolean): UserSpaceConfig {
  const bufferMs = options.bufferMs ?? DEFAULT_BUFFER_MS
  const shape = (rateMbps: number, burstBytes?: number): LinkScheduleOptions => ({
    rateMbps,
    burstBytes: burstBytes ?? burstBytesFor(rateMbps),
    bufferBytes: bufferBytesFor(rateMbps, bufferMs),
  })
  return {
    ports: endpoints(plan, options, hasPrefixes).map(({ bind, announce }) => ({
      listen: announce,
      target: bind,
    })),
    isPortable: options.portable === true,
    upstreamAddress: hasPrefixes ? (plan.provers[0]?.gateway ?? LONE_LOOPBACK) : LONE_LOOPBACK,
    down: shape(options.rateMbps, options.burstBytes),
    up:
      options.uplinkMbps === undefined
        ? { rateMbps: null, burstBytes: 0, bufferBytes: 0 }
        : shape(options.uplinkMbps),
  }
}

interface Parts {
  readonly options: LabNetworkOptions
  readonly capabilities: LabCapabilities
  readonly id: string
  readonly plan: NetworkPlan
  readonly hasPrefixes: boolean
  readonly children: ChildSet
  readonly calls: ChildCalls
  readonly config: UserSpaceConfig
}

function assemble({
  options,
  capabilities,
  id,
  plan,
  hasPrefixes,
  children,
  calls,
  config,
}: Parts): LabNetwork {
  const hosts = [...plan.provers, ...plan.challengers, ...plan.others].map(
    ({ name, address }): LabHost => ({
      name,
      address: hasPrefixes ? address : LONE_LOOPBACK,
      holderPid: null,
      rttMs: 0,
    }),
  )
  const data = endpoints(plan, options, hasPrefixes)
  const { burstBytes } = config.down
  const bufferMs = options.bufferMs ?? DEFAULT_BUFFER_MS
  const stats = (): Promise<UserSpaceStats> => calls.call('stats')
  return {
    mode: 'user-space',
    id,
    hosts,
    rateMbps: options.rateMbps,
    uplinkMbps: options.uplinkMbps ?? null,
    bufferMs,
    burstBytes,
    notes: [
      `${options.rateMbps} Mbit/s of layer 3, counted there: nothing to convert`,
      `token bucket of ${burstBytes} B, queue of ${bufferMs} ms`,
      capabilities.line,
    ],
    host: (name: HostName) => {
      const found = hosts.find((candidate) => candidate.name === name)
      if (found === undefined) throw new Error(`no host ${name} in this laboratory`)
      return found
    },
    challengerData: (index) => {
      const found = data[index]
      if (found === undefined) throw new Error(`no challenger ${index} in this laboratory`)
      return found
    },
    burstBoundMbps: (tauSeconds) => burstBound(burstBytes, tauSeconds),
    spawnIn: (_host, command, args, spawnOptions) => children.spawn([], command, args, spawnOptions),
    counters: async () => {
      const { rxBytes, rxPackets, txBytes, txPackets } = await stats()
      return { rxBytes, rxPackets, txBytes, txPackets, layer: 3 }
    },
    drops: async () => ({ packets: (await stats()).dropped }),
    victimBytes: async () => {
      throw new Error('there is no victim in user space')
    },
    setRelayRules: async () => {
      throw new UserError('there is no relay in user space', {
        code: 'UNAVAILABLE',
        remedy: 'build the lab in namespaces',
      })
    },
    relayStats: async () => null,
    close: () => children.close(),
  }
}
