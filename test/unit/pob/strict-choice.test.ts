/** What a strict challenge asks for, from (beta, delta) and the pool. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleanTeams, corruptOf, faultyMembers, MILLIONTHS, millionths } from '../../../src/pob/parameters.js'
import { chooseStrict, fewerCleanTeams, leastTeams, mostTeams } from '../../../src/pob/strict-choice.js'
import { seededRandom } from '../../simulator/random.js'
import { sampleStrict } from '../../simulator/strict.js'

const pool = (size: number, uplinkKbps: number) => Array.from({ length: size }, () => uplinkKbps)
const ASKED = { betaMillionths: 100_000, deltaMillionths: 10_000, claimKbps: 100_000 }

/** Every set of so many of 0 .. pool - 1, by the lexical rule. */
function* choices(pool: number, count: number, from = 0): Generator<number[]> {
  if (count === 0) yield []
  for (let first = from; count > 0 && first <= pool - count; first++)
    for (const rest of choices(pool, count - 1, first + 1)) yield [first, ...rest]
}

interface Counted {
  /** Draws by how many of their teams are clean, and by how many of their members are corrupt. */
  readonly byClean: readonly number[]
  readonly byCorrupt: readonly number[]
  readonly draws: number
}

/**
 * Counted instead of reckoned: a draw is fixed, and who is corrupt runs through all sets of that size, which is the same as
 * a fixed set and all draws.
 */
function byEnumeration({ pool, corrupt, teams, teamSize }: Parameters<typeof fewerCleanTeams>[1]): Counted {
  const byClean = Array.from({ length: teams + 1 }, () => 0)
  const byCorrupt = Array.from({ length: teams * teamSize + 1 }, () => 0)
  let draws = 0
  for (const bad of choices(pool, corrupt)) {
    const among = bad.filter((member) => member < teams * teamSize)
    const clean = teams - new Set(among.map((member) => Math.floor(member / teamSize))).size
    byClean[clean] = (byClean[clean] ?? 0) + 1
    byCorrupt[among.length] = (byCorrupt[among.length] ?? 0) + 1
    draws++
  }
  return { byClean, byCorrupt, draws }
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** Pools small enough to count, and what is drawn of them. */
const smallPools = fc
  .record({
    pool: fc.integer({ min: 1, max: 13 }),
    beta: fc.integer({ min: 1, max: 999_999 }),
    delta: fc.integer({ min: 1, max: 999_999 }),
    teamSize: fc.integer({ min: 1, max: 4 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .filter(({ pool, teamSize }) => teamSize <= pool)
  .map(({ share, ...rest }) => {
    const most = Math.floor(rest.pool / rest.teamSize)
    return { ...rest, teams: 1 + Math.floor(share * (most - 1)) }
  })

describe('j and f of a pool', () => {
  it('are those of the definition, by counting every draw of a small pool', () => {
    fc.assert(
      fc.property(smallPools, ({ pool: size, beta, delta, teams, teamSize }) => {
        const corrupt = corruptOf(millionths(beta), size)
        const { byClean, byCorrupt, draws } = byEnumeration({ pool: size, corrupt, teams, teamSize })
        const isKept = (count: number) => BigInt(count) * 2n * MILLIONTHS <= BigInt(delta) * BigInt(draws)
        let clean = 0
        while (clean < teams && isKept(sum(byClean.slice(0, clean + 1)))) clean++
        let faulty = 0
        while (!isKept(sum(byCorrupt.slice(faulty + 1)))) faulty++
        expect(cleanTeams(millionths(beta), millionths(delta), teams, teamSize, size)).toBe(clean)
        expect(faultyMembers(millionths(beta), millionths(delta), teams * teamSize, size)).toBe(faulty)
        expect(fewerCleanTeams(clean, { pool: size, corrupt, teams, teamSize })).toBeCloseTo(
          sum(byClean.slice(0, clean)) / draws,
          15,
        )
      }),
      { numRuns: 300 },
    )
  })

  it('count floor(beta N) as corrupt, and never nobody', () => {
    const counts = [1, 3, 9, 10, 19, 20, 1000].map((size) => corruptOf(millionths(100_000), size))
    expect(counts).toEqual([1, 1, 1, 1, 1, 2, 100])
    expect(corruptOf(millionths(999_999), 1)).toBe(1)
    expect(corruptOf(millionths(0), 50)).toBe(0)
    // A third of ten thousand is not rounded up to itself.
    expect(corruptOf({ numerator: 1n, denominator: 3n }, 10_000)).toBe(3333)
  })

  it('promise nothing of more members than there are', () => {
    expect(cleanTeams(millionths(100_000), millionths(900_000), 3, 2, 5)).toBe(0)
  })

  it('count on no fewer teams with a larger delta or a smaller beta, and reckon with no more corrupt ones', () => {
    const asked = fc.record({
      size: fc.integer({ min: 20, max: 5000 }),
      teams: fc.integer({ min: 1, max: 10 }),
      teamSize: fc.integer({ min: 1, max: 2 }),
      betas: fc.tuple(fc.integer({ min: 1, max: 499_999 }), fc.integer({ min: 1, max: 499_999 })),
      deltas: fc.tuple(fc.integer({ min: 1, max: 999_999 }), fc.integer({ min: 1, max: 999_999 })),
    })
    fc.assert(
      fc.property(asked, ({ size, teams, teamSize, betas, deltas }) => {
        const [low, high] = betas.toSorted((a, b) => a - b).map(millionths)
        const [least, most] = deltas.toSorted((a, b) => a - b).map(millionths)
        if (low === undefined || high === undefined || least === undefined || most === undefined) return
        const [clean, bearing] = [cleanTeams, faultyMembers]
        const j = clean(high, least, teams, teamSize, size)
        expect(clean(low, least, teams, teamSize, size)).toBeGreaterThanOrEqual(j)
        expect(clean(high, most, teams, teamSize, size)).toBeGreaterThanOrEqual(j)
        const f = bearing(high, least, teams * teamSize, size)
        expect(bearing(low, least, teams * teamSize, size)).toBeLessThanOrEqual(f)
        expect(bearing(high, most, teams * teamSize, size)).toBeLessThanOrEqual(f)
        const limits = { teamSize, most: Math.min(20, size), pool: size }
        const needed = leastTeams(high, least, limits) ?? Number.POSITIVE_INFINITY
        expect(leastTeams(low, least, limits) ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(needed)
        expect(leastTeams(high, most, limits) ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(needed)
      }),
      { numRuns: 60 },
    )
  })

  it('fall to those of independent draws as the pool grows, from the better side', () => {
    for (const beta of [100_000, 200_000, 300_000].map(millionths))
      for (const delta of [1000, 10_000, 50_000].map(millionths))
        for (const teamSize of [1, 2, 3]) {
          const needed = [20, 30, 100, 1000].map((pool) =>
            leastTeams(beta, delta, { teamSize, most: Math.min(64, pool), pool }),
          )
          const limit = leastTeams(beta, delta, { teamSize, most: 64 })
          for (const each of needed)
            if (each !== undefined && limit !== undefined) expect(each).toBeLessThanOrEqual(limit)
          expect(leastTeams(beta, delta, { teamSize, most: 64, pool: 10_000_000 })).toBe(limit)
          for (const teams of [5, 9, 15]) {
            const draws = [beta, delta, teams, teamSize] as const
            expect(cleanTeams(...draws, 10_000_000)).toBe(cleanTeams(...draws))
            expect(cleanTeams(...draws, 60)).toBeGreaterThanOrEqual(cleanTeams(...draws))
            const members = teams * teamSize
            expect(faultyMembers(beta, delta, members, 10_000_000)).toBe(faultyMembers(beta, delta, members))
            expect(faultyMembers(beta, delta, members, 60)).toBeLessThanOrEqual(
              faultyMembers(beta, delta, members),
            )
          }
        }
    // By how much: beta = .2, delta = .05.
    const teamsOf = (pool?: number) =>
      leastTeams(millionths(200_000), millionths(50_000), { teamSize: 1, most: 20, pool })
    expect([teamsOf(10), teamsOf(20), teamsOf(100), teamsOf()]).toEqual([5, 7, 9, 9])
  })

  it('need no more teams than the bound that holds for every pool', () => {
    const asked = fc.record({
      size: fc.integer({ min: 1, max: 3000 }),
      beta: fc.integer({ min: 1, max: 450_000 }),
      delta: fc.integer({ min: 100, max: 999_999 }),
      teamSize: fc.integer({ min: 1, max: 3 }),
    })
    fc.assert(
      fc.property(asked, ({ size, beta, delta, teamSize }) => {
        const limit = leastTeams(millionths(beta), millionths(delta), { teamSize, most: 64 })
        if (limit === undefined) return
        const limits = { teamSize, most: Math.min(64, size), pool: size }
        const teams = leastTeams(millionths(beta), millionths(delta), limits) ?? 1
        expect(teams).toBeLessThanOrEqual(mostTeams(beta, delta))
      }),
      { numRuns: 100 },
    )
  })
})

describe('the probability of too few clean teams', () => {
  it.each([
    [1, { pool: 6, corrupt: 2, teams: 3, teamSize: 1 }],
    [2, { pool: 6, corrupt: 2, teams: 3, teamSize: 1 }],
    [1, { pool: 7, corrupt: 3, teams: 2, teamSize: 2 }],
    [2, { pool: 7, corrupt: 2, teams: 3, teamSize: 2 }],
    [1, { pool: 6, corrupt: 6, teams: 2, teamSize: 2 }],
    [1, { pool: 6, corrupt: 0, teams: 2, teamSize: 3 }],
  ])('is what counting gives: fewer than %s of %o', (least, sampling) => {
    const { byClean, draws } = byEnumeration(sampling)
    expect(fewerCleanTeams(least, sampling)).toBeCloseTo(sum(byClean.slice(0, least)) / draws, 15)
  })

  it('is at most half of delta where the rule counts on that many, with the pool or whatever the pool', () => {
    for (const beta of [100_000, 200_000, 300_000])
      for (const teamSize of [1, 2, 3])
        for (const teams of [5, 9, 15])
          for (const size of [60, 200, 1000])
            for (const known of [size, undefined]) {
              const least = cleanTeams(millionths(beta), millionths(20_000), teams, teamSize, known)
              const corrupt = corruptOf(millionths(beta), size)
              const risk = fewerCleanTeams(least, { pool: size, corrupt, teams, teamSize })
              expect(risk).toBeLessThanOrEqual(0.01)
            }
  })
})

describe('a choice', () => {
  it('takes teams of one where everybody can carry the offer, and as few as more than half may be counted on', () => {
    const choice = chooseStrict({ ...ASKED, uplinksKbps: pool(200, 1_000_000) })
    expect(choice).toMatchObject({
      teamSize: 1,
      teams: 7,
      committeeSize: 7,
      cleanTeams: 4,
      ableProbability: 1,
    })
    expect(choice?.violationProbability).toBeLessThanOrEqual(0.005)
  })

  it('takes fewer of a small pool, of which as many cannot be drawn', () => {
    const asked = { ...ASKED, betaMillionths: 200_000, deltaMillionths: 50_000 }
    expect(chooseStrict({ ...asked, uplinksKbps: pool(20, 1_000_000) })).toMatchObject({
      teams: 7,
      cleanTeams: 4,
      faulty: 3,
    })
    expect(chooseStrict({ ...asked, uplinksKbps: pool(20, 1_000_000), independent: true })).toMatchObject({
      teams: 9,
      cleanTeams: 5,
      faulty: 4,
    })
  })

  it('takes larger teams where uplinks are weak, and more of them', () => {
    const choice = chooseStrict({ ...ASKED, uplinksKbps: pool(200, 60_000) })
    expect(choice?.teamSize).toBe(2)
    expect(choice?.committeeSize).toBe(2 * (choice?.teams ?? 0))
    expect(2 * (choice?.cleanTeams ?? 0)).toBeGreaterThan(choice?.teams ?? 0)
    expect(chooseStrict({ ...ASKED, single: true, uplinksKbps: pool(200, 60_000) })?.ableProbability).toBe(0)
  })

  it('does not let one liar with a false declaration choose the teams', () => {
    const uplinksKbps = [...pool(199, 1_000_000), 1]
    expect(chooseStrict({ ...ASKED, uplinksKbps })).toMatchObject({ teamSize: 1 })
  })

  it('is none where the pool is too small, or nothing can be promised', () => {
    expect(chooseStrict({ ...ASKED, uplinksKbps: pool(2, 1_000_000) })).toBeUndefined()
    expect(chooseStrict({ ...ASKED, uplinksKbps: pool(5, 1_000_000), independent: true })).toBeUndefined()
    expect(
      chooseStrict({ ...ASKED, betaMillionths: 500_000, uplinksKbps: pool(1000, 1_000_000) }),
    ).toBeUndefined()
  })

  it.each([0.1, 0.2, 0.3])('keeps delta in sampled committees at beta %s', (beta) => {
    const delta = 0.05
    const asked = { betaMillionths: beta * 1e6, deltaMillionths: delta * 1e6, claimKbps: 100_000 }
    const choice = chooseStrict({ ...asked, uplinksKbps: pool(300, 1_000_000) })
    const { teams = 0, teamSize = 0 } = choice ?? {}
    const outcome = sampleStrict({ beta, delta, teams, teamSize, registry: 300 }, 3000, seededRandom(3))
    expect(outcome.cleanTeams).toBe(choice?.cleanTeams)
    expect(outcome.violations / outcome.samples).toBeLessThanOrEqual(delta)
  })
})
