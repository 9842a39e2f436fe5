/** A network that is the adversary: rules of the relay that change by a schedule while a challenge runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { HostName, LabNetwork } from '../network.js'
import type { RelayRule } from '../relay-schedule.js'
import type { NetworkAttack } from './attack.js'

/** Layer-3 lengths: probes and their closes have 40 bytes of UDP payload, acks 64, data 1408. */
const PROBE_BYTES = 68
const ACK_BYTES = 92
const LEAST_DATA_BYTES = 1000
const PROVER: readonly HostName[] = ['prover-0']

export interface Phase {
  readonly rules: readonly RelayRule[]
  /** How long it lasts; the first follows the last. Infinity: for good. */
  readonly ms: number
}

const challenger = (index: number): HostName => `challenger-${index}`

/** The phases of one attack, on a network of `challengers`. */
export function phasesOf(attack: NetworkAttack, challengers: number): readonly Phase[] {
  const all = Array.from({ length: challengers }, (_, i) => challenger(i))
  const forGood = (...rules: RelayRule[]): readonly Phase[] => [{ rules, ms: Number.POSITIVE_INFINITY }]
  switch (attack) {
    case 'rtt-inflate':
      return forGood({ from: PROVER, protocol: 'udp', maxBytes: PROBE_BYTES, addDelayMs: 50 })
    case 'hold-acks':
      return forGood({
        from: PROVER,
        protocol: 'udp',
        minBytes: ACK_BYTES,
        maxBytes: ACK_BYTES,
        addDelayMs: 20,
      })
    case 'stagger':
      return forGood({ from: all.filter((_, i) => i % 2 === 0), protocol: 'udp', addDelayMs: 40 })
    case 'drop':
      return [
        { rules: [{ to: PROVER, protocol: 'udp', minBytes: LEAST_DATA_BYTES, dropPct: 10 }], ms: 150 },
        { rules: [{ from: PROVER, protocol: 'udp', maxBytes: ACK_BYTES, dropPct: 33 }], ms: 150 },
      ]
    case 'delay':
      return [10, 50, 20, 40, 30].map((addDelayMs, phase) => {
        const held = all.filter((_, i) => (i + phase) % 3 === 0)
        return {
          rules: [
            { from: held, addDelayMs },
            { to: held, addDelayMs },
          ],
          ms: 100,
        }
      })
    case 'partition':
      return Array.from({ length: Math.ceil(challengers / 2) }, (_, pair) => {
        const cut = all.slice(2 * pair, 2 * pair + 2)
        return [
          {
            rules: [
              { from: cut, dropPct: 100 },
              { to: cut, dropPct: 100 },
            ],
            ms: 3000,
          },
          { rules: [], ms: 5000 },
        ]
      }).flat()
  }
}

/** Keeps the schedules of several attacks running together until it is stopped. */
export class NetworkAdversary {
  readonly #stop = new AbortController()
  readonly #rules = new Map<NetworkAttack, readonly RelayRule[]>()

  constructor(
    readonly network: Pick<LabNetwork, 'setRelayRules'>,
    readonly attacks: readonly NetworkAttack[],
    readonly challengers: number,
  ) {}

  start(): void {
    for (const attack of this.attacks) void this.#run(attack)
  }

  /** The network is honest again. */
  async stop(): Promise<void> {
    this.#stop.abort()
    if (this.attacks.length > 0) await this.network.setRelayRules([]).catch(() => undefined)
  }

  async #run(attack: NetworkAttack): Promise<void> {
    const phases = phasesOf(attack, this.challengers)
    const { signal } = this.#stop
    for (let turn = 0; !signal.aborted; turn++) {
      const phase = phases[turn % phases.length]
      if (phase === undefined) return
      this.#rules.set(attack, phase.rules)
      // The relay goes with the network, perhaps in the middle of a call.
      await this.network.setRelayRules([...this.#rules.values()].flat()).catch(() => this.#stop.abort())
      if (phase.ms === Number.POSITIVE_INFINITY) return
      await sleep(phase.ms, undefined, { signal }).catch(() => undefined)
    }
  }
}
