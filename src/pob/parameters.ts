/**
 * Parameters of the strict profile from (beta, delta, G, m), in exact rationals: a committee sampled from a
 * registry of which a fraction beta is corrupt (docs/protocol.md section 4).
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

function power(base: bigint, exponent: number): bigint {
  return base ** BigInt(exponent)
}

function binomialCoefficient(n: number, k: number): bigint {
  let value = 1n
  for (let i = 1; i <= k; i++) value = (value * BigInt(n - i + 1)) / BigInt(i)
  return value
}

/** Numerator of P(Bin(n, p) = k) over p.denominator^n. */
function term(n: number, k: number, p: Rational): bigint {
  return binomialCoefficient(n, k) * power(p.numerator, k) * power(p.denominator - p.numerator, n - k)
}

/** a <= delta / 2, where a = numerator / denominator. */
function atMostHalf(numerator: bigint, denominator: bigint, delta: Rational): boolean {
  return numerator * 2n * delta.denominator <= delta.numerator * denominator
}

/** max{j : P(Bin(G, (1 - beta)^m) < j) <= delta / 2}: clean teams to count on. */
export function cleanTeams(beta: Rational, delta: Rational, teams: number, teamSize: number): number {
  const clean: Rational = {
    numerator: power(beta.denominator - beta.numerator, teamSize),
    denominator: power(beta.denominator, teamSize),
  }
  const denominator = power(clean.denominator, teams)
  let below = 0n
  let j = 0
  while (j < teams) {
    below += term(teams, j, clean)
    if (!atMostHalf(below, denominator, delta)) break
    j++
  }
  return j
}

/** Least f with P(Bin(mG, beta) > f) <= delta / 2: corrupt members to reckon with. */
export function faultyMembers(beta: Rational, delta: Rational, members: number): number {
  const denominator = power(beta.denominator, members)
  let atMost = 0n
  for (let f = 0; f < members; f++) {
    atMost += term(members, f, beta)
    if (atMostHalf(denominator - atMost, denominator, delta)) return f
  }
  return members
}
