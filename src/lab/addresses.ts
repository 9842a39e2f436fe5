/** Who has which address: the plan of the network, before anything is built. */
import { UserError } from '../errors.js'
import { spreadRtt } from './link-math.js'
import { type HostName, type LabNetworkOptions, MAX_CHALLENGERS, MAX_PROVERS } from './network.js'

/** One host and its link to the backbone. */
export interface PlannedHost {
  readonly name: HostName
  readonly address: string
  /** The other end of its link. */
  readonly gateway: string
  /** Name of the other end's interface; the host's own is `eth0`. */
  readonly device: string
  /** RTT to the prover, ms. */
  readonly rttMs: number
}

export interface NetworkPlan {
  readonly provers: readonly PlannedHost[]
  readonly challengers: readonly PlannedHost[]
  /** Payer, beacon and, where asked for, the sender of cross traffic and the victim. */
  readonly others: readonly PlannedHost[]
}

/** Second octets; challengers have 100 + i, each its own /24 as the committee's rule demands. */
const PROVER_NET = 90
const PAYER_NET = 91
const BEACON_NET = 92
const CROSS_NET = 93
const VICTIM_NET = 94
const CHALLENGER_NET = 100

/** The core's end of the link to who takes part in nothing. */
export const VICTIM_DEVICE = 'to-victim'

/** Namespaces use 10.0.0.0/8; the user-space twin uses loopback's 127.0.0.0/8. */
export type FirstOctet = 10 | 127

function hostOn(
  first: FirstOctet,
  name: HostName,
  net: number,
  third: number,
  device: string,
  rttMs: number,
): PlannedHost {
  const prefix = `${first}.${net}.${third}`
  return { name, address: `${prefix}.2`, gateway: `${prefix}.1`, device, rttMs }
}

/**
 * Lays out the hosts.
 *
 * @throws UserError BAD_ARGUMENT where the numbers do not fit
 */
export function planNetwork(options: LabNetworkOptions, first: FirstOctet): NetworkPlan {
  checkOptions(options)
  const rtt = options.rtt ?? { minMs: 0, maxMs: 0 }
  const rtts = spreadRtt(rtt, options.challengers, options.seed ?? 1)
  const payerRttMs = options.payerRttMs ?? (rtt.minMs + rtt.maxMs) / 2
  const others = [
    hostOn(first, 'payer', PAYER_NET, 0, 'to-payer', payerRttMs),
    hostOn(first, 'beacon', BEACON_NET, 0, 'to-beacon', 0),
  ]
  if (options.crossTraffic === true) others.push(hostOn(first, 'cross', CROSS_NET, 0, 'to-cross', 0))
  if (options.victim === true) others.push(hostOn(first, 'victim', VICTIM_NET, 0, VICTIM_DEVICE, 0))
  return {
    provers: Array.from({ length: options.provers ?? 1 }, (_, i) =>
      hostOn(first, `prover-${i}`, PROVER_NET, i, `to-p${i}`, 0),
    ),
    challengers: rtts.map((rttMs, i) =>
      hostOn(first, `challenger-${i}`, CHALLENGER_NET + i, 0, `to-c${i}`, rttMs),
    ),
    others,
  }
}

/** name, value, lowest, highest: what a network can be asked for. */
function checkOptions(options: LabNetworkOptions): void {
  const bounds: readonly (readonly [string, number | undefined, number, number])[] = [
    ['challengers', options.challengers, 1, MAX_CHALLENGERS],
    ['provers', options.provers, 1, MAX_PROVERS],
    ['rate (Mbit/s)', options.rateMbps, 0.1, 100_000],
    ['uplink (Mbit/s)', options.uplinkMbps, 0.1, 100_000],
    ['buffer (ms)', options.bufferMs, 0, 10_000],
    ['loss (percent)', options.lossPct, 0, 100],
    ['forward share', options.forwardShare, 0, 1],
    ['payer RTT (ms)', options.payerRttMs, 0, 1000],
  ]
  for (const [name, value, low, high] of bounds) {
    if (value === undefined || (value >= low && value <= high)) continue
    throw new UserError(`${name} of ${value} cannot be built`, {
      code: 'BAD_ARGUMENT',
      remedy: `give ${low} to ${high}`,
      exitStatus: 2,
    })
  }
}
