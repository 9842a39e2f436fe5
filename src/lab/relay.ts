/**
 * The delay relay between the hosts and the bottleneck: a process in the core namespace with a TUN interface.
 * What comes in from a host is routed into the TUN; what the relay writes back comes from the TUN and takes the
 * ordinary routes. Used whatever the kernel: not every one has netem, and netem cannot follow an adversary.
 */
import { ChildCalls } from './child-calls.js'
import { compiledEntry } from './entry.js'
import type { NamespaceSet } from './namespaces.js'
import type { LabHost } from './network.js'
import type { RelayConfig, RelayRule, RelayStats } from './relay-schedule.js'

const DEVICE = 'relay'
const TABLE = 200
const RULE_PREFERENCE = 100
/** Packets the interface may hold while the relay is off the processor; 100 ms at 1 Gbit/s. */
const DEVICE_QUEUE_PACKETS = 8192
export interface RelayOptions {
  readonly hosts: readonly LabHost[]
  /** Core interfaces whose incoming packets go through the relay. */
  readonly devices: readonly string[]
  readonly forwardShare: number
  readonly lossPct: number
  readonly seed: number | string
  /** Half of the bottleneck's burst. */
  readonly superPacketBytes: number
}

export class Relay {
  readonly #calls: ChildCalls

  private constructor(calls: ChildCalls) {
    this.#calls = calls
  }

  /** Starts the process and bends the routes. @throws Error where the TUN cannot be made */
  static async start(namespaces: NamespaceSet, options: RelayOptions): Promise<Relay> {
    const entry = compiledEntry(import.meta.url, 'relay-child.js')
    const child = namespaces.spawn('core', process.execPath, [entry], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    })
    const calls = new ChildCalls(child, 'relay')
    const config: RelayConfig = {
      device: DEVICE,
      lossPct: options.lossPct,
      seed: options.seed,
      superPacketBytes: options.superPacketBytes,
      hosts: options.hosts.map(({ name, address, rttMs }) => ({
        name,
        address,
        outMs: rttMs * options.forwardShare,
        inMs: rttMs * (1 - options.forwardShare),
      })),
    }
    await calls.call('start', config)
    await namespaces.run('core', 'ip', ['-batch', '-'], routes(options.devices))
    return new Relay(calls)
  }

  setRules(rules: readonly RelayRule[]): Promise<void> {
    return this.#calls.call('rules', rules)
  }

  stats(): Promise<RelayStats> {
    return this.#calls.call('stats')
  }
}

function routes(devices: readonly string[]): string {
  return [
    `link set ${DEVICE} txqueuelen ${DEVICE_QUEUE_PACKETS} up`,
    `route add default dev ${DEVICE} table ${TABLE}`,
    ...devices.map((device) => `rule add iif ${device} lookup ${TABLE} pref ${RULE_PREFERENCE}`),
    '',
  ].join('\n')
}
