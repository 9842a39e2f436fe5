/** Campaigns of many seeded runs: what the tests assert and the benchmark prints. */
import { simulateChallenge, simulatePublished } from './challenge.js'
import { type Random, seededRandom } from './random.js'
import { boundBps, drawScene, type Scene, type SceneRange } from './scene.js'
import { drawColluders, drawGriefers, honestStrategy } from './strategy.js'

/** Room for rounding in the last places, nothing else. */
export const TOLERANCE = 1e-9
/** What a prover adds to the round trips that the published rule subtracts. */
const PING_DELAYS_SECONDS = [0.01, 0.03, 0.05, 0.08, 0.1, 0.15] as const

/** Anything the protocol allows: teams of 1 to 3, f of 0 to 4, all G from f + 1 to 2 f + 1, or one team of all. */
export function drawAnyRange(random: Random): SceneRange {
  const faulty = random.integer(0, 4)
  const allOn = random.chance(0.2)
  return {
    tauSeconds: random.pick([0.1, 0.2, 0.2, 0.3]),
    faulty,
    teamSize: allOn ? random.integer(faulty + 1, 10) : random.integer(1, 3),
    teams: allOn ? 1 : random.integer(faulty + 1, 2 * faulty + 1),
    rttSeconds: random.pick([
      [0.0005, 0.002],
      [0.005, 0.04],
      [0.005, 0.04],
    ]),
    claim: random.pick([
      [0.5, 1],
      [0.9, 1.2],
      [1.5, 5],
    ]),
    burst: random.pick([
      [0, 0],
      [0, 0.05],
      [0, 0.5],
    ]),
    bufferSeconds: [0.005, 0.2],
  }
}

export interface Excess {
  readonly seed: number
  /** guaranteed over theta + b / (0.8 tau). */
  readonly ratio: number
}

export interface Campaign {
  readonly runs: number
  readonly violations: readonly Excess[]
  /** The largest guaranteed over its bound. */
  readonly worst: Excess
}

/** One colluding coalition of up to f + `beyond` members against a random scene. */
export function attackOnce(seed: number, beyond: number): number {
  const random = seededRandom(seed)
  const range = drawAnyRange(random)
  const scene = drawScene(range, random)
  const members = scene.paths.length
  const count =
    beyond > 0
      ? Math.min(members, scene.faulty + beyond)
      : random.chance(0.7)
        ? scene.faulty
        : random.integer(0, scene.faulty)
  const { guaranteedBps } = simulateChallenge(scene, drawColluders(scene, count, random), random)
  return Math.max(...guaranteedBps) / boundBps(scene)
}

export function attack(firstSeed: number, runs: number, beyond = 0): Campaign {
  const violations: Excess[] = []
  let worst: Excess = { seed: firstSeed, ratio: 0 }
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const ratio = attackOnce(seed, beyond)
    if (ratio > worst.ratio) worst = { seed, ratio }
    if (ratio > 1 + TOLERANCE) violations.push({ seed, ratio })
  }
  return { runs, violations, worst }
}

/** The published rule against one griefed ping: guaranteed over theta. */
export function attackPublishedOnce(seed: number, faulty: number): number {
  const random = seededRandom(seed)
  const scene = drawScene(publishedRange(faulty), random)
  return publishedUnderAttack(scene, random)
}

/** Delays the pings of any members, honest ones too, and credits the corrupt ones with everything. */
export function publishedUnderAttack(scene: Scene, random: Random): number {
  const strategy = drawColluders(scene, scene.faulty, random)
  const delay = random.pick(PING_DELAYS_SECONDS)
  const share = random.pick([0.2, 0.4, 0.6, 1])
  const pingDelaySeconds = scene.paths.map(() => (random.chance(share) ? random.between(0.5, 1) * delay : 0))
  return simulatePublished(scene, { strategy, pingDelaySeconds }, random) / scene.link.thetaBps
}

/**
 * The published rule with a committee drawn from a registry of which a fraction beta is corrupt, f = floor(beta n) as it has it:
 * whether "guaranteed" exceeds the truth. No ping is delayed here: the sample alone does it.
 */
export function samplePublishedOnce(seed: number, beta: number): boolean {
  const random = seededRandom(seed)
  const scene = drawScene(publishedRange(Math.floor(beta * MEMBERS + 1e-9)), random)
  const corrupt = scene.paths.filter(() => random.chance(beta)).length
  const strategy = drawColluders(scene, corrupt, random)
  const bps = simulatePublished(scene, { strategy }, random)
  return bps / (scene.link.thetaBps + scene.link.burstBits / scene.tauSeconds) > 1 + TOLERANCE
}

export const MEMBERS = 10
const EVALUATED_RTT_SECONDS = [0.005, 0.03] as const
const COMMON = {
  rttSeconds: EVALUATED_RTT_SECONDS,
  burst: [0, 0.01],
  bufferSeconds: [0.03, 0.1],
} as const

export function publishedRange(faulty: number): SceneRange {
  return { ...COMMON, tauSeconds: 0.1, faulty, teamSize: MEMBERS, teams: 1, claim: [0.95, 1.05] }
}

export function allOnRange(faulty: number): SceneRange {
  return { ...COMMON, tauSeconds: 0.5, faulty, teamSize: MEMBERS, teams: 1, claim: [1, 1.2] }
}

export function teamsRange(faulty: number, tauSeconds = 0.2): SceneRange {
  const teams = 2 * faulty + 1
  return { ...COMMON, tauSeconds, faulty, teamSize: Math.floor(MEMBERS / teams), teams, claim: [1, 1.2] }
}

export interface Relative {
  readonly guaranteed: number
  readonly estimate: number
}

/** One run, relative to theta. */
export function evaluateOnce(
  seed: number,
  range: SceneRange,
  conduct: 'honest' | 'grief' | 'collude',
): Relative {
  const random = seededRandom(seed)
  const scene = drawScene(range, random)
  const strategy =
    conduct === 'honest'
      ? honestStrategy()
      : conduct === 'grief'
        ? drawGriefers(scene, scene.faulty, random)
        : drawColluders(scene, scene.faulty, random)
  const { guaranteedBps, finalBps, estimateBps } = simulateChallenge(scene, strategy, random)
  const reported = conduct === 'collude' ? Math.max(...guaranteedBps) : finalBps
  return { guaranteed: reported / scene.link.thetaBps, estimate: estimateBps / scene.link.thetaBps }
}

export function evaluatePublishedOnce(
  seed: number,
  faulty: number,
  conduct: 'honest' | 'grief' | 'collude',
): number {
  const random = seededRandom(seed)
  const scene = drawScene(publishedRange(faulty), random)
  if (conduct === 'collude') return publishedUnderAttack(scene, random)
  const strategy = conduct === 'honest' ? honestStrategy() : drawGriefers(scene, scene.faulty, random)
  return simulatePublished(scene, { strategy }, random) / scene.link.thetaBps
}
