/**
 * Builds a laboratory network of namespaces: a star around `core`, each daemon's host at the end of a veth, the
 * provers behind one `tbf` of known rate. Several provers share it through a router of their own, `access`, or have one each.
 */
import { UserError } from '../errors.js'
import { type NetworkPlan, type PlannedHost, planNetwork, VICTIM_DEVICE } from './addresses.js'
import { detectLabCapabilities, type LabCapabilities } from './capabilities.js'
import { newLabId, sweepLeftovers } from './leftovers.js'
import {
  bufferBytesFor,
  burstBound,
  burstBytesFor,
  DATA_PACKET_LAYER3_BYTES,
  DEFAULT_BUFFER_MS,
  describeConversion,
  layer2RateMbps,
} from './link-math.js'
import { NamespaceSet } from './namespaces.js'
import {
  DEFAULT_DATA_PORT,
  type HostName,
  type LabHost,
  type LabNetwork,
  type LabNetworkOptions,
} from './network.js'
import { Relay } from './relay.js'
import { buildUserSpaceNetwork } from './user-space-bottleneck.js'

/** The link between core and the router before several provers; outside every prover's own /24. */
const ACCESS: PlannedHost = {
  name: 'access',
  address: '10.90.255.2',
  gateway: '10.90.255.1',
  device: 'to-access',
  rttMs: 0,
}

/** Nothing waits in a counting queue: a veth takes all it is given. */
const COUNTING_QUEUE_PACKETS = 10_000

/** Settings of every namespace: no IPv6 chatter in the counters, no reverse-path filter before the relay. */
const SYSCTLS = [
  'net/ipv4/ip_forward=1',
  'net/ipv4/conf/all/rp_filter=0',
  'net/ipv4/conf/default/rp_filter=0',
  'net/ipv4/conf/all/send_redirects=0',
  'net/ipv4/conf/default/send_redirects=0',
  'net/ipv6/conf/all/disable_ipv6=1',
  'net/ipv6/conf/default/disable_ipv6=1',
]

/**
 * Builds the network, in namespaces where the machine has them and in user space otherwise. Sweeps what a
 * crashed lab left. Sends nothing outside.
 *
 * @throws UserError BAD_ARGUMENT for numbers that make no network; UNAVAILABLE where this machine lacks what
 * was asked for
 */
export async function buildLabNetwork(options: LabNetworkOptions): Promise<LabNetwork> {
  const capabilities = await detectLabCapabilities()
  if (process.platform === 'linux') await sweepLeftovers()
  const mode = options.mode ?? capabilities.mode
  if (mode === 'user-space') return buildUserSpaceNetwork(options, capabilities)
  if (capabilities.mode === 'user-space')
    throw new UserError('namespaces were asked for, which this machine does not give', {
      code: 'UNAVAILABLE',
      remedy: capabilities.line,
    })
  return buildNamespaceNetwork(options, { ...capabilities, mode })
}

async function buildNamespaceNetwork(
  options: LabNetworkOptions,
  capabilities: LabCapabilities,
): Promise<LabNetwork> {
  const plan = planNetwork(options, 10)
  const needsRelay =
    options.relay === true ||
    (options.lossPct ?? 0) > 0 ||
    (options.rtt?.maxMs ?? 0) > 0 ||
    (options.payerRttMs ?? 0) > 0
  if (needsRelay && !capabilities.tun)
    throw new UserError('delay and loss need /dev/net/tun', {
      code: 'UNAVAILABLE',
      remedy: 'modprobe tun and chmod 666 /dev/net/tun, or leave out --rtt and --loss',
    })
  const id = await newLabId()
  const namespaces = new NamespaceSet({
    mode: capabilities.mode,
    labId: id,
    deathSignal: capabilities.deathSignal,
  })
  try {
    const shape = shapeOf(options)
    await wire(namespaces, plan, shape)
    const hosts = [...plan.provers, ...plan.challengers, ...plan.others].map(
      ({ name, address, rttMs }): LabHost => ({
        name,
        address,
        rttMs,
        holderPid: namespaces.holderPid(name),
      }),
    )
    const relay = needsRelay
      ? await Relay.start(namespaces, {
          hosts,
          devices: relayedDevices(plan, shape),
          forwardShare: options.forwardShare ?? 0.5,
          lossPct: options.lossPct ?? 0,
          seed: options.seed ?? 1,
          superPacketBytes: shape.burstBytes / 2,
        })
      : null
    return assemble({ options, capabilities, id, namespaces, hosts, relay, shape })
  } catch (error) {
    await namespaces.close()
    throw error
  }
}

interface LinkShape {
  readonly rateMbps: number
  readonly packetBytes: number
  readonly bufferMs: number
  readonly burstBytes: number
  readonly uplinkMbps: number | null
  /** Several provers behind one bottleneck. */
  readonly isShared: boolean
}

function shapeOf(options: LabNetworkOptions): LinkShape {
  return {
    rateMbps: options.rateMbps,
    packetBytes: options.packetBytes ?? DATA_PACKET_LAYER3_BYTES,
    bufferMs: options.bufferMs ?? DEFAULT_BUFFER_MS,
    burstBytes: options.burstBytes ?? burstBytesFor(options.rateMbps),
    uplinkMbps: options.uplinkMbps ?? null,
    isShared: (options.provers ?? 1) > 1 && options.separateLinks !== true,
  }
}

/** Namespaces, links, addresses, routes, and the qdiscs. */
async function wire(namespaces: NamespaceSet, plan: NetworkPlan, shape: LinkShape): Promise<void> {
  const { isShared } = shape
  const onCore = [...(isShared ? [ACCESS] : plan.provers), ...plan.challengers, ...plan.others]
  // One after the other: the first makes the user namespace that the others live in.
  await namespaces.add('core')
  const names = [...onCore, ...(isShared ? plan.provers : [])].map(({ name }) => name)
  for (const name of names) await namespaces.add(name)
  await Promise.all(['core', ...names].map((name) => tuneSysctls(namespaces, name)))
  await connectHosts(namespaces, 'core', onCore)
  if (isShared) {
    await connectHosts(namespaces, 'access', plan.provers)
    const routes = plan.provers.map(({ address }) => `route add ${address}/32 via ${ACCESS.address}`)
    await namespaces.run('core', 'ip', ['-batch', '-'], `${routes.join('\n')}\n`)
  }
  for (const neck of isShared ? [ACCESS] : plan.provers) {
    await shapeLink(namespaces, 'core', neck.device, shape, shape)
    if (shape.uplinkMbps !== null) {
      const uplink = { rateMbps: shape.uplinkMbps, burstBytes: burstBytesFor(shape.uplinkMbps) }
      await shapeLink(namespaces, neck.name, 'eth0', uplink, shape)
    } else if (!isShared) await count(namespaces, neck.name, 'eth0')
  }
  for (const { name, device } of isShared ? plan.provers : []) {
    await count(namespaces, name, 'eth0')
    await count(namespaces, 'access', device)
  }
  if (plan.others.some(({ name }) => name === 'victim')) await count(namespaces, 'core', VICTIM_DEVICE)
}

/** A qdisc that only counts: a veth has none by itself. */
async function count(namespaces: NamespaceSet, name: HostName, device: string): Promise<void> {
  const words = `qdisc add dev ${device} root pfifo limit ${COUNTING_QUEUE_PACKETS}`
  await namespaces.run(name, 'tc', words.split(' '))
}

/** Not all kernels have all settings (IPv6 may be compiled out); none is essential. */
async function tuneSysctls(namespaces: NamespaceSet, name: string): Promise<void> {
  const lines = SYSCTLS.map((setting) => {
    const [path, value] = setting.split('=')
    return `[ -w /proc/sys/${path} ] && echo ${value} > /proc/sys/${path}`
  })
  await namespaces.run(name, 'sh', ['-c', `${lines.join('\n')}\ntrue`])
}

async function connectHosts(
  namespaces: NamespaceSet,
  hub: 'core' | 'access',
  hosts: readonly PlannedHost[],
): Promise<void> {
  const hubLines = hosts.flatMap(({ name, gateway, device }) => [
    `link add ${device} type veth peer name eth0 netns ${namespaces.holderPid(name)}`,
    `address add ${gateway}/24 dev ${device}`,
    `link set ${device} up`,
  ])
  await namespaces.run(hub, 'ip', ['-batch', '-'], `${hubLines.join('\n')}\n`)
  for (const { name, address, gateway } of hosts) {
    const lines = [
      'link set lo up',
      `address add ${address}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${gateway}`,
    ]
    await namespaces.run(name, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`)
  }
}

async function shapeLink(
  namespaces: NamespaceSet,
  name: HostName,
  device: string,
  rate: { readonly rateMbps: number; readonly burstBytes: number },
  shape: LinkShape,
): Promise<void> {
  const bits = Math.round(layer2RateMbps(rate.rateMbps, shape.packetBytes) * 1e6)
  const limit = bufferBytesFor(rate.rateMbps, shape.bufferMs)
  const words = `qdisc add dev ${device} root tbf rate ${bits}bit burst ${rate.burstBytes} limit ${limit}`
  await namespaces.run(name, 'tc', words.split(' '))
}

/** Cross traffic goes straight to the bottleneck: it has no RTT to keep. */
function relayedDevices(plan: NetworkPlan, { isShared }: LinkShape): string[] {
  return [...(isShared ? [ACCESS] : plan.provers), ...plan.challengers, ...plan.others]
    .filter(({ name }) => name !== 'cross')
    .map(({ device }) => device)
}

interface Parts {
  readonly options: LabNetworkOptions
  readonly capabilities: LabCapabilities
  readonly id: string
  readonly namespaces: NamespaceSet
  readonly hosts: readonly LabHost[]
  readonly relay: Relay | null
  readonly shape: LinkShape
}

function assemble({ options, capabilities, id, namespaces, hosts, relay, shape }: Parts): LabNetwork {
  const host = (name: HostName): LabHost => {
    const found = hosts.find((candidate) => candidate.name === name)
    if (found === undefined) throw new Error(`no host ${name} in this laboratory`)
    return found
  }
  const { isShared } = shape
  const necks = isShared
    ? [ACCESS.device]
    : Array.from({ length: options.provers ?? 1 }, (_, i) => `to-p${i}`)
  return {
    mode: capabilities.mode,
    id,
    hosts,
    rateMbps: shape.rateMbps,
    uplinkMbps: shape.uplinkMbps,
    bufferMs: shape.bufferMs,
    burstBytes: shape.burstBytes,
    notes: [
      describeConversion(shape.rateMbps, shape.packetBytes),
      `token bucket of ${shape.burstBytes} B, queue of ${shape.bufferMs} ms`,
      capabilities.line,
    ],
    host,
    challengerData: (index) => {
      const { address } = host(`challenger-${index}`)
      const endpoint = { address, port: options.dataPort ?? DEFAULT_DATA_PORT }
      return { bind: endpoint, announce: endpoint }
    },
    burstBoundMbps: (tauSeconds) => burstBound(shape.burstBytes, tauSeconds),
    spawnIn: (name, command, args, spawnOptions) => namespaces.spawn(name, command, args, spawnOptions),
    counters: async (index = 0) => {
      const name: HostName = `prover-${index}`
      const [rx, tx] = await Promise.all([
        namespaces.passed(isShared ? 'access' : 'core', `to-p${index}`),
        namespaces.passed(name, 'eth0'),
      ])
      return { rxBytes: rx.bytes, rxPackets: rx.packets, txBytes: tx.bytes, txPackets: tx.packets, layer: 2 }
    },
    drops: async () => {
      const passed = await Promise.all(necks.map((device) => namespaces.passed('core', device)))
      return { packets: passed.reduce((sum, { dropped }) => sum + dropped, 0) }
    },
    victimBytes: async () => (await namespaces.passed('core', VICTIM_DEVICE)).bytes,
    setRelayRules: async (rules) => {
      if (relay !== null) return relay.setRules(rules)
      throw new UserError('there is no relay to set rules on', {
        code: 'UNAVAILABLE',
        remedy: 'build the network with relay: true',
      })
    },
    relayStats: async () => (relay === null ? null : relay.stats()),
    close: () => namespaces.close(),
  }
}
