/**
 * Parameters of the strict profile from (beta, delta, G, m), in exact rationals: a committee sampled from a
 * registry of which a fraction beta is corrupt (docs/protocol.md section 4). With a pool of known size the
 * draw is one without putting back; without it, each member is corrupt with probability beta for itself, which is
 * what the other falls to as the pool grows.
 */

/** A non-negative fraction. */
export interface Rational {
  readonly numerator: bigint
  readonly denominator: bigint
}

export const MILLIONTHS = 1_000_000n

export function millionths(value: number): Rational {
  return { numerator: BigInt(value), denominator: MILLIONTHS }
}

/** Members drawn one after the other from `pool`, of which `corrupt` are. */
export interface PoolDraw {
  readonly pool: number
  readonly corrupt: number
}

/**
 * floor(beta N) of a pool of N; one where that is none and beta is not: a rounding is no reason to trust everybody.
 */
export function corruptOf(beta: Rational, pool: number): number {
  const whole = Number((beta.numerator * BigInt(pool)) / beta.denominator)
  return Math.min(pool, beta.numerator === 0n ? 0 : Math.max(1, whole))
}

function power(base: bigint, exponent: number): bigint {
  return base ** BigInt(exponent)
}

/** base (base - 1) ... , so many factors; 0 where there are not so many. */
function falling(base: number, factors: number): bigint {
  let value = 1n
  for (let i = 0; i < factors; i++) value *= BigInt(Math.max(0, base - i))
  return value
}

function binomialCoefficient(n: number, k: number): bigint {
  let value = 1n
  for (let i = 1; i <= k; i++) value = (value * BigInt(n - i + 1)) / BigInt(i)
  return value
}

/** Probabilities of 0, 1, ... of something, over one denominator. */
interface Distribution {
  readonly weights: readonly bigint[]
  readonly denominator: bigint
}

const upTo = <T>(most: number, each: (count: number) => T): T[] =>
  Array.from({ length: most + 1 }, (_, count) => each(count))

/** Bin(n, p). */
function independent(n: number, p: Rational): Distribution {
  const rest = p.denominator - p.numerator
  return {
    weights: upTo(n, (k) => binomialCoefficient(n, k) * power(p.numerator, k) * power(rest, n - k)),
    denominator: power(p.denominator, n),
  }
}

/** For each k: the probability, over pool (pool - 1) ..., that k given ones of the n drawn are corrupt and no others. */
function inGivenPlaces({ pool, corrupt }: PoolDraw, n: number): bigint[] {
  return upTo(n, (k) => falling(corrupt, k) * falling(pool - corrupt, n - k))
}

/** Corrupt members among the n drawn. */
function corruptAmong(draw: PoolDraw, n: number): Distribution {
  const places = inGivenPlaces(draw, n)
  return {
    weights: places.map((weight, k) => binomialCoefficient(n, k) * weight),
    denominator: falling(draw.pool, n),
  }
}

/** Coefficients of a (1 + x)^m - 1: a team with so many corrupt members, at least one, in every way there is. */
function spoiledTimes(a: readonly bigint[], teamSize: number): bigint[] {
  const product = Array.from({ length: a.length + teamSize }, () => 0n)
  for (let hits = 1; hits <= teamSize; hits++) {
    const ways = binomialCoefficient(teamSize, hits)
    a.forEach((value, k) => {
      product[k + hits] = (product[k + hits] ?? 0n) + value * ways
    })
  }
  return product
}

/** Teams without a corrupt member, of `teams` of `teamSize` drawn one after the other. */
export function cleanAmong(draw: PoolDraw, teams: number, teamSize: number): Distribution {
  const members = teams * teamSize
  const places = inGivenPlaces(draw, members)
  const weights = Array.from({ length: teams + 1 }, () => 0n)
  let ways: readonly bigint[] = [1n]
  for (let spoiled = 0; spoiled <= teams; spoiled++) {
    const sum = ways.reduce((total, value, k) => total + value * (places[k] ?? 0n), 0n)
    weights[teams - spoiled] = binomialCoefficient(teams, spoiled) * sum
    ways = spoiledTimes(ways, teamSize)
  }
  return { weights, denominator: falling(draw.pool, members) }
}

/** a <= delta / 2, where a = numerator / denominator. */
function atMostHalf(numerator: bigint, denominator: bigint, delta: Rational): boolean {
  return numerator * 2n * delta.denominator <= delta.numerator * denominator
}

/**
 * max{j : P(fewer than j of the teams are clean) <= delta / 2}: clean teams to count on. Clean is Bin(G, (1 - beta)^m), or,
 * with a pool of so many, of which corruptOf(beta, pool) are corrupt, as they are drawn from it.
 */
export function cleanTeams(
  beta: Rational,
  delta: Rational,
  teams: number,
  teamSize: number,
  pool?: number,
): number {
  if (pool !== undefined && teams * teamSize > pool) return 0
  const { weights, denominator } =
    pool === undefined
      ? independent(teams, {
          numerator: power(beta.denominator - beta.numerator, teamSize),
          denominator: power(beta.denominator, teamSize),
        })
      : cleanAmong({ pool, corrupt: corruptOf(beta, pool) }, teams, teamSize)
  let below = 0n
  let j = 0
  while (j < teams) {
    below += weights[j] ?? 0n
    if (!atMostHalf(below, denominator, delta)) break
    j++
  }
  return j
}

/** Least f with P(more than f of the members are corrupt) <= delta / 2: corrupt members to reckon with. */
export function faultyMembers(beta: Rational, delta: Rational, members: number, pool?: number): number {
  const { weights, denominator } =
    pool === undefined
      ? independent(members, beta)
      : corruptAmong({ pool, corrupt: corruptOf(beta, pool) }, members)
  let atMost = 0n
  for (let f = 0; f < members; f++) {
    atMost += weights[f] ?? 0n
    if (atMostHalf(denominator - atMost, denominator, delta)) return f
  }
  return members
}
