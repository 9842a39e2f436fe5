/** Whole challenges under the three rules that the simulator compares. */
import { estimate } from '../../src/pob/aggregate/estimate.js'
import { guaranteed, type RuleParameters } from '../../src/pob/aggregate/guaranteed.js'
import { publishedRule } from '../../src/pob/aggregate/published.js'
import { type TeamMeasurement, teamValue } from '../../src/pob/aggregate/team-value.js'
import { MAX_ATTEMPTS, PACKET_BITS, RHO } from '../../src/pob/constants.js'
import { carry, type Delivery, deliveredBy, type Train } from './link.js'
import type { Random } from './random.js'
import { memberRateBps, packetsOf, rttOf, type Scene } from './scene.js'
import { simulateSlot } from './slot.js'
import type { Strategy } from './strategy.js'

export function ruleParameters(scene: Scene, teams: number): RuleParameters {
  return {
    tauSeconds: scene.tauSeconds,
    capBps: RHO * scene.claimBps,
    faulty: scene.faulty,
    cleanTeams: scene.teams === 1 ? 0 : Math.max(0, teams - scene.faulty),
    allOn: scene.teams === 1,
  }
}

/** Colluders may call a slot dirty and keep the attempt they like best. */
export function simulateTeams(scene: Scene, strategy: Strategy, random: Random): TeamMeasurement[] {
  const parameters = ruleParameters(scene, scene.teams)
  return Array.from({ length: scene.teams }, (_, g) => {
    const attempts = strategy.collusion?.repeats ? MAX_ATTEMPTS : 1
    const ran = Array.from({ length: attempts }, () => {
      const team = simulateSlot(scene, g, strategy, random)
      return { team, bps: attempts > 1 ? teamValue(team, 0, parameters).bps : 0 }
    })
    return ran.reduce((best, next) => (next.bps > best.bps ? next : best)).team
  })
}

export interface Outcome {
  /** bit/s at every point at which the challenge may stop: after f + 1 teams, f + 2, ... G. */
  readonly guaranteedBps: readonly number[]
  readonly finalBps: number
  readonly estimateBps: number
}

export function simulateChallenge(scene: Scene, strategy: Strategy, random: Random): Outcome {
  const teams = simulateTeams(scene, strategy, random)
  const first = Math.min(scene.teams, scene.faulty + 1)
  const guaranteedBps: number[] = []
  for (let ran = first; ran <= scene.teams; ran++)
    guaranteedBps.push(guaranteed(teams.slice(0, ran), ruleParameters(scene, ran)).bps)
  const rttMicros = teams.map((_, g) =>
    scene.paths.slice(g * scene.teamSize, (g + 1) * scene.teamSize).map((path) => rttOf(path) * 1e6),
  )
  return {
    guaranteedBps,
    finalBps: guaranteedBps.at(-1) ?? 0,
    estimateBps: estimate(teams, ruleParameters(scene, scene.teams), rttMicros).bps,
  }
}

/**
 * The published rule (arXiv:2210.11546 section 5) with starts at T0 - RTT / 2, as printed there.
 * @param pingDelaySeconds by member, what the prover adds to the round trip it lets them measure
 */
export function simulatePublished(
  scene: Scene,
  options: {
    readonly pingDelaySeconds?: readonly number[]
    readonly strategy: Strategy
  },
  random: Random,
): number {
  const { strategy } = options
  const measured = scene.paths.map((path, i) => rttOf(path) + (options.pingDelaySeconds?.[i] ?? 0))
  const latest = Math.max(...measured)
  const starts = measured.map((rtt) => latest - rtt / 2)
  const packets = packetsOf(scene)
  const trains = scene.paths.map(({ forwardSeconds }, i): Train => {
    const sending = strategy.griefs.get(i)?.sending ?? strategy.collusion?.sending
    const rate = strategy.corrupt.has(i) && sending !== undefined ? sending.rate : 1
    return {
      firstSeconds: (starts[i] ?? 0) + forwardSeconds,
      intervalSeconds: PACKET_BITS / memberRateBps(scene) / Math.max(rate, 1e-3),
      packets: rate === 0 ? 0 : packets,
    }
  })
  const deliveries = carry(scene.link, trains)
  const wanted = scene.claimBps * scene.tauSeconds
  const credited = (delivery: Delivery | undefined, member: number, at: number) =>
    strategy.collusion !== undefined && strategy.corrupt.has(member)
      ? packets
      : delivery === undefined
        ? 0
        : deliveredBy(delivery, at)
  const bitsAt = (at: number) => scene.paths.map((_, i) => credited(deliveries[i], i, at) * PACKET_BITS)
  const arrivals = deliveries.flatMap(({ seconds }) => seconds).sort((a, b) => a - b)
  const total = (bits: readonly number[]) => bits.reduce((sum, value) => sum + value, 0)
  let low = 0
  let high = arrivals.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (total(bitsAt(arrivals[middle] ?? 0)) >= wanted) high = middle
    else low = middle + 1
  }
  const at = arrivals[low] ?? 0
  const own = scene.paths.map(({ returnSeconds }, i) => {
    const honest = at + returnSeconds - (starts[i] ?? 0)
    if (!strategy.corrupt.has(i)) return honest
    const claim = strategy.griefs.get(i)?.own ?? strategy.collusion?.own
    if (claim === undefined || claim.kind === 'true') return honest
    return claim.kind === 'absent'
      ? null
      : claim.kind === 'random'
        ? random.next() * claim.value
        : claim.value
  })
  return publishedRule(
    { memberCount: scene.paths.length, acks: [{ bits: bitsAt(at), ownSeconds: own }] },
    {
      claimBps: scene.claimBps,
      faulty: scene.faulty,
      roundTripMicros: measured.map((rtt) => rtt * 1e6),
    },
  ).guaranteedBps
}
