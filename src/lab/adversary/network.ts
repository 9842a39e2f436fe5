/** A network that is the adversary: rules of the relay that change by a schedule while a challenge runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { HostName, LabNetwork } from '../network.js'
import { type Random, seededRandom, shuffled } from '../random.js'
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

/** Cuts of one schedule, before it begins again. */
const CUTS = 12
const CUT_MS = { least: 1000, most: 4000 }
const WHOLE_MS = { least: 2000, most: 6000 }

/** Now one, now two are cut off, in both directions or in one; who, when and for how long is drawn. */
function partitions(all: readonly HostName[], random: Random): readonly Phase[] {
  const between = ({ least, most }: { readonly least: number; readonly most: number }) =>
    Math.round(least + random() * (most - least))
  let left: HostName[] = []
  return Array.from({ length: CUTS }, (): Phase[] => {
    // Everybody's turn comes before anybody's second.
    if (left.length < 2) left = shuffled(all, random)
    const cut = left.splice(0, random() < 0.5 ? 1 : 2)
    const ways = Math.floor(random() * 3)
    const rules: RelayRule[] = [
      ...(ways === 1 ? [] : [{ from: cut, dropPct: 100 }]),
      ...(ways === 2 ? [] : [{ to: cut, dropPct: 100 }]),
    ]
    return [
      { rules, ms: between(CUT_MS) },
      { rules: [], ms: between(WHOLE_MS) },
    ]
  }).flat()
}

/** The phases of one attack, on a network of `challengers`; the seed draws what is left to chance in them. */
export function phasesOf(attack: NetworkAttack, challengers: number, seed = 0): readonly Phase[] {
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
      return partitions(all, seededRandom(seed, 'partition'))
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
    readonly seed = 0,
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
    const phases = phasesOf(attack, this.challengers, this.seed)
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
