/** How many control messages a challenge takes, by the committee's size: simulated with failures, and a line through it. */
import type { Random } from '../simulator/random.js'
import { NOTHING_FAILS, type Rates } from './conduct.js'
import { simulateDay } from './day.js'
import type { Population } from './population.js'

export interface ControlTraffic {
  readonly members: number
  /** Questions and answers of a challenge, counted where they were sent. */
  readonly mean: number
  readonly p99: number
  readonly most: number
  /** Where nothing fails. */
  readonly undisturbed: number
  /** Of the mean, what was asked again. */
  readonly again: number
  readonly bytes: number
}

export interface Line {
  readonly base: number
  readonly perMember: number
  /** Largest distance from the line, as a share of the value there. */
  readonly worst: number
  /** Of a power law through the same points: 1 is linear. */
  readonly exponent: number
}

export function controlTraffic(
  population: Population,
  { members, challenges, beta, rates }: { members: number; challenges: number; beta: number; rates: Rates },
  random: Random,
): ControlTraffic {
  const day = simulateDay(population, { challenges, members, beta, rates }, random)
  const calm = simulateDay(population, { challenges: 20, members, beta, rates: NOTHING_FAILS }, random)
  const { messages, counted } = day
  const had = Math.max(1, messages.length)
  return {
    members,
    mean: messages.reduce((sum, each) => sum + each, 0) / had,
    p99: messages[Math.floor(0.99 * messages.length)] ?? 0,
    most: messages.at(-1) ?? 0,
    undisturbed: calm.messages.at(-1) ?? 0,
    again: counted.again / had,
    bytes: counted.bytes / had,
  }
}

/** Least squares of messages over members. */
export function lineThrough(points: readonly Pick<ControlTraffic, 'members' | 'mean'>[]): Line {
  const leastSquares = (x: readonly number[], y: readonly number[]) => {
    const [meanX, meanY] = [x, y].map((values) => values.reduce((sum, each) => sum + each, 0) / values.length)
    const [aboveX, aboveY] = [x.map((each) => each - (meanX ?? 0)), y.map((each) => each - (meanY ?? 0))]
    const slope =
      aboveX.reduce((sum, each, i) => sum + each * (aboveY[i] ?? 0), 0) /
      aboveX.reduce((sum, each) => sum + each ** 2, 0)
    return { slope, base: (meanY ?? 0) - slope * (meanX ?? 0) }
  }
  const [members, means] = [points.map((point) => point.members), points.map((point) => point.mean)]
  const { slope, base } = leastSquares(members, means)
  return {
    base,
    perMember: slope,
    worst: Math.max(...points.map(({ members: n, mean }) => Math.abs(base + slope * n - mean) / mean)),
    exponent: leastSquares(members.map(Math.log), means.map(Math.log)).slope,
  }
}
