/** Cross traffic: somebody else's UDP through the bottleneck, from the `cross` host to a prover's host. */
import { UserError } from '../errors.js'
import { ChildCalls } from './child-calls.js'
import { compiledEntry } from './entry.js'
import type { HostName, LabNetwork } from './network.js'

/** Nobody else in the lab listens here (the discard service's number, moved out of the privileged range). */
const SINK_PORT = 9009
/** Layer-3 bytes of a cross packet. */
const PACKET_BYTES = 1436

export interface CrossSendConfig {
  readonly address: string
  readonly port: number
  readonly rateMbps: number
  /** Largest GSO super-packet to send. */
  readonly superPacketBytes: number
}

export interface CrossSent {
  readonly packets: number
  /** Layer 3. */
  readonly bytes: number
  /** Refused by the sender's own kernel. */
  readonly refused: number
}

export interface CrossTrafficStats {
  readonly offered: CrossSent
  /** What came through the bottleneck, layer 3. */
  readonly delivered: { readonly packets: number; readonly bytes: number }
}

export interface CrossTraffic {
  /** Changes the rate, Mbit/s of layer 3; 0 pauses. */
  setRate(rateMbps: number): Promise<void>
  stats(): Promise<CrossTrafficStats>
  stop(): void
}

/**
 * Starts sending at `rateMbps` of layer 3.
 *
 * @param options `prover`: index of the prover that is sent to, default 0
 * @throws UserError UNAVAILABLE where the network was built without `crossTraffic`
 */
export async function startCrossTraffic(
  network: LabNetwork,
  options: { readonly rateMbps: number; readonly prover?: number },
): Promise<CrossTraffic> {
  if (network.mode === 'user-space' || !network.hosts.some(({ name }) => name === 'cross'))
    throw new UserError('this network has no host for cross traffic', {
      code: 'UNAVAILABLE',
      remedy: 'build it with crossTraffic: true, in namespaces',
    })
  const target: HostName = `prover-${options.prover ?? 0}`
  const { address } = network.host(target)
  const entry = compiledEntry(import.meta.url, 'cross-traffic-child.js')
  const startIn = (name: HostName): ChildCalls => {
    const child = network.spawnIn(name, process.execPath, [entry], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    })
    return new ChildCalls(child, `cross traffic in ${name}`)
  }
  const sink = startIn(target)
  const sender = startIn('cross')
  // A super-packet above the burst is cut by the qdisc, at several times the cost.
  const superPacketBytes = network.burstBytes / 2
  const setRate = (rateMbps: number): Promise<void> =>
    sender.call('send', { address, port: SINK_PORT, rateMbps, superPacketBytes } satisfies CrossSendConfig)
  const stop = (): void => {
    sender.process.kill()
    sink.process.kill()
  }
  try {
    await sink.call('sink', { address, port: SINK_PORT })
    await setRate(options.rateMbps)
  } catch (error) {
    stop()
    throw error
  }
  return {
    setRate,
    stop,
    stats: async () => {
      const [offered, packets] = await Promise.all([
        sender.call<CrossSent>('sent'),
        sink.call<number>('arrived', SINK_PORT),
      ])
      return { offered, delivered: { packets, bytes: packets * PACKET_BYTES } }
    },
  }
}
