/** Properties of the team rule on arbitrary measurements, against a rule written down as the document has it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { guaranteed, type RuleParameters } from '../../../../src/pob/aggregate/guaranteed.js'
import {
  subsetCount,
  type TeamAck,
  type TeamMeasurement,
  teamValue,
} from '../../../../src/pob/aggregate/team-value.js'

const numRuns = 300
const tauSeconds = 0.2
const capBps = 120e6

const ackOf = (members: number): fc.Arbitrary<TeamAck> =>
  fc.record({
    bits: fc.array(
      fc.integer({ min: 0, max: 3000 }).map((packets) => packets * 11_488),
      {
        minLength: members,
        maxLength: members,
      },
    ),
    ownSeconds: fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 150_000, max: 400_000 }).map((micros) => micros / 1e6) },
        { weight: 1, arbitrary: fc.constantFrom(1e-6, 0.16, 99) },
        { weight: 1, arbitrary: fc.constant(null) },
      ),
      { minLength: members, maxLength: members },
    ),
  })

const teamOf = (members: number, minLength = 0): fc.Arbitrary<TeamMeasurement> =>
  fc.array(ackOf(members), { minLength, maxLength: 4 }).map((acks) => ({ memberCount: members, acks }))

interface Case {
  readonly teams: readonly TeamMeasurement[]
  readonly parameters: RuleParameters
}
const anyCase: fc.Arbitrary<Case> = fc
  .record({
    members: fc.integer({ min: 1, max: 4 }),
    teams: fc.integer({ min: 1, max: 5 }),
    faulty: fc.integer({ min: 0, max: 3 }),
  })
  .chain(({ members, teams, faulty }) =>
    fc.record({
      teams: fc.array(teamOf(members), { minLength: teams, maxLength: teams }),
      parameters: fc
        .integer({ min: 0, max: teams })
        .map((cleanTeams): RuleParameters => ({ tauSeconds, capBps, faulty, cleanTeams })),
    }),
  )

/** V_g(q) by the letter of section 9: every subset, every ack. */
function valueByTheLetter(team: TeamMeasurement, q: number): number {
  const m = team.memberCount
  if (q >= m) return 0
  let least = Number.POSITIVE_INFINITY
  for (let mask = 0; mask < 2 ** m; mask++) {
    const members = Array.from({ length: m }, (_, i) => i).filter((i) => (mask >> i) & 1)
    if (members.length !== m - q) continue
    let best = 0
    for (const ack of team.acks) {
      const own = members.map((i) => ack.ownSeconds[i] ?? null)
      if (own.includes(null)) continue
      const longest = Math.max(...own.map((value) => value ?? 0))
      const bits = members.reduce((sum, i) => sum + (ack.bits[i] ?? 0), 0)
      if (longest >= 0.8 * tauSeconds) best = Math.max(best, Math.min(capBps, bits / longest))
    }
    least = Math.min(least, best)
  }
  return least
}

/** The least x, sought among all values. */
function guaranteedByTheLetter({ teams, parameters }: Case): number {
  const values = teams.map((team) =>
    Array.from({ length: team.memberCount + 1 }, (_, q) => valueByTheLetter(team, q)),
  )
  const consistent = (x: number) => {
    const needs = values.map((team) => team.findIndex((value) => value <= x))
    const above = values.filter((team) => (team[0] ?? 0) > x).length
    return (
      needs.reduce((sum, need) => sum + need, 0) <= parameters.faulty &&
      above <= teams.length - parameters.cleanTeams
    )
  }
  return Math.min(...[0, ...values.flat()].filter(consistent))
}

const bpsOf = ({ teams, parameters }: Case) => guaranteed(teams, parameters).bps

const mapAcks = (entry: Case, change: (ack: TeamAck, g: number, k: number) => TeamAck): Case => ({
  ...entry,
  teams: entry.teams.map((team, g) => ({ ...team, acks: team.acks.map((ack, k) => change(ack, g, k)) })),
})

describe('the team rule', () => {
  it('is what the document says', () => {
    fc.assert(
      fc.property(anyCase, (entry) => {
        expect(bpsOf(entry)).toBe(guaranteedByTheLetter(entry))
      }),
      { numRuns },
    )
  })

  it('never exceeds the cap', () => {
    fc.assert(
      fc.property(anyCase, (entry) => {
        const bps = bpsOf(entry)
        expect(bps).toBeGreaterThanOrEqual(0)
        expect(bps).toBeLessThanOrEqual(capBps)
      }),
      { numRuns },
    )
  })

  it('never falls when more bits are counted', () => {
    fc.assert(
      fc.property(
        anyCase,
        fc.nat(4),
        fc.nat(3),
        fc.nat(3),
        fc.integer({ min: 0, max: 1e7 }),
        (entry, g, k, i, more) => {
          const raised = mapAcks(entry, (ack, gAt, kAt) =>
            gAt === g && kAt === k
              ? { ...ack, bits: ack.bits.map((bits, at) => (at === i ? bits + more : bits)) }
              : ack,
          )
          expect(bpsOf(raised)).toBeGreaterThanOrEqual(bpsOf(entry))
        },
      ),
      { numRuns },
    )
  })

  it('never rises when own times past 0.8 tau grow', () => {
    fc.assert(
      fc.property(
        anyCase,
        fc.nat(4),
        fc.nat(3),
        fc.nat(3),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (entry, g, k, i, more) => {
          // Below 0.8 tau an ack does not count at all; growing past it makes it count, which is as it should be.
          const late = mapAcks(entry, (ack) => ({
            ...ack,
            ownSeconds: ack.ownSeconds.map((own) => (own === null ? null : Math.max(own, 0.8 * tauSeconds))),
          }))
          const slower = mapAcks(late, (ack, gAt, kAt) =>
            gAt === g && kAt === k
              ? {
                  ...ack,
                  ownSeconds: ack.ownSeconds.map((own, at) => (at === i && own !== null ? own + more : own)),
                }
              : ack,
          )
          expect(bpsOf(slower)).toBeLessThanOrEqual(bpsOf(late))
        },
      ),
      { numRuns },
    )
  })

  it('never rises when acks are left out or did not arrive', () => {
    fc.assert(
      fc.property(anyCase, fc.nat(4), fc.nat(3), fc.nat(3), (entry, g, k, i) => {
        const without = {
          ...entry,
          teams: entry.teams.map((team, at) =>
            at === g ? { ...team, acks: team.acks.filter((_, index) => index !== k) } : team,
          ),
        }
        expect(bpsOf(without)).toBeLessThanOrEqual(bpsOf(entry))
        const missed = mapAcks(entry, (ack, gAt, kAt) =>
          gAt === g && kAt === k
            ? { ...ack, ownSeconds: ack.ownSeconds.map((own, at) => (at === i ? null : own)) }
            : ack,
        )
        expect(bpsOf(missed)).toBeLessThanOrEqual(bpsOf(entry))
      }),
      { numRuns },
    )
  })

  it('does not mind the order of teams, members or acks', () => {
    fc.assert(
      fc.property(anyCase, fc.infiniteStream(fc.nat()), (entry, numbers) => {
        const shuffle = <T>(items: readonly T[]): T[] =>
          items
            .map((item) => ({ item, key: Number(numbers.next().value) }))
            .sort((a, b) => a.key - b.key)
            .map(({ item }) => item)
        const members = shuffle(Array.from({ length: entry.teams[0]?.memberCount ?? 0 }, (_, i) => i))
        const shuffled = shuffle(
          entry.teams.map((team) => ({
            ...team,
            acks: shuffle(team.acks).map((ack) => ({
              bits: members.map((i) => ack.bits[i] ?? 0),
              ownSeconds: members.map((i) => ack.ownSeconds[i] ?? null),
            })),
          })),
        )
        expect(guaranteed(shuffled, entry.parameters).bps).toBe(bpsOf(entry))
      }),
      { numRuns },
    )
  })

  it('falls or stays with more faults tolerated, and rises or stays with more clean teams', () => {
    fc.assert(
      fc.property(anyCase, ({ teams, parameters }) => {
        const at = (change: Partial<RuleParameters>) => guaranteed(teams, { ...parameters, ...change }).bps
        expect(at({ faulty: parameters.faulty + 1 })).toBeLessThanOrEqual(at({}))
        const cleanTeams = Math.min(teams.length, parameters.cleanTeams + 1)
        expect(at({ cleanTeams })).toBeGreaterThanOrEqual(at({}))
      }),
      { numRuns },
    )
  })

  it('gives nothing where nothing was measured', () => {
    const parameters = { tauSeconds, capBps, faulty: 0, cleanTeams: 0 }
    expect(guaranteed([], parameters).bps).toBe(0)
    expect(guaranteed([{ memberCount: 2, acks: [] }], parameters).bps).toBe(0)
  })
})

describe('the bound for too many subsets', () => {
  it('counts subsets', () => {
    expect([subsetCount(10, 2), subsetCount(5, 0), subsetCount(5, 5), subsetCount(20, 10)]).toEqual([
      45,
      1,
      1,
      Number.POSITIVE_INFINITY,
    ])
    expect(subsetCount(64, 32)).toBe(Number.POSITIVE_INFINITY)
  })

  it('is never above the exact value', () => {
    // Idle members make the subsets too many without making them different.
    fc.assert(
      fc.property(teamOf(6, 1), fc.integer({ min: 1, max: 5 }), (team, distrusted) => {
        const padded = padTo(team, 24)
        const bound = teamValue(padded, distrusted + 10, { tauSeconds, capBps })
        expect(bound.bounded).toBe(true)
        const exact = exactOfPadded(team, distrusted + 10)
        expect(bound.bps).toBeLessThanOrEqual(exact * (1 + 1e-12))
      }),
      { numRuns: 200 },
    )
  })

  it('is exact where there is one ack', () => {
    fc.assert(
      fc.property(ackOf(6), fc.integer({ min: 0, max: 5 }), (ack, distrusted) => {
        const team: TeamMeasurement = { memberCount: 6, acks: [ack] }
        const bound = teamValue(padTo(team, 24), distrusted + 10, { tauSeconds, capBps })
        const exact = exactOfPadded(team, distrusted + 10)
        expect(Math.abs(bound.bps - exact)).toBeLessThanOrEqual(1e-9 * Math.max(1, exact))
      }),
      { numRuns: 200 },
    )
  })

  it('takes a moment for the largest teams', () => {
    const members = Array.from({ length: 64 }, (_, i) => i)
    const acks = Array.from({ length: 256 }, (_, k) => ({
      bits: members.map((i) => (i + 1) * (k + 1) * 1000),
      ownSeconds: members.map((i) => 0.2 + i / 1000 + k / 1000),
    }))
    const team = { memberCount: 64, acks }
    const result = guaranteed([team], { tauSeconds, capBps, faulty: 31, cleanTeams: 0 })
    expect(result.bounded).toBe(true)
    expect(result.bps).toBeGreaterThan(0)
  })
})

/** The same team with members of no bits that had every ack at 0.8 tau, up to `size`: too many subsets to try. */
function padTo(team: TeamMeasurement, size: number): TeamMeasurement {
  const idle = size - team.memberCount
  return {
    memberCount: size,
    acks: team.acks.map((ack) => ({
      bits: [...ack.bits, ...Array.from({ length: idle }, () => 0)],
      ownSeconds: [...ack.ownSeconds, ...Array.from({ length: idle }, () => 0.8 * tauSeconds)],
    })),
  }
}

/** V(q) of a padded team of 24: the padding counts as s of the members, for every s that is possible. */
function exactOfPadded(team: TeamMeasurement, distrusted: number): number {
  const size = 24 - distrusted
  const m = team.memberCount
  let least = Number.POSITIVE_INFINITY
  for (let mask = 0; mask < 2 ** m; mask++) {
    const members = Array.from({ length: m }, (_, i) => i).filter((i) => (mask >> i) & 1)
    const idle = size - members.length
    if (idle < 0 || idle > 24 - m) continue
    let best = 0
    for (const ack of team.acks) {
      const own = members.map((i) => ack.ownSeconds[i] ?? null)
      if (own.includes(null)) continue
      const longest = Math.max(idle > 0 ? 0.8 * tauSeconds : 0, ...own.map((value) => value ?? 0))
      const bits = members.reduce((sum, i) => sum + (ack.bits[i] ?? 0), 0)
      if (longest >= 0.8 * tauSeconds) best = Math.max(best, Math.min(capBps, bits / longest))
    }
    least = Math.min(least, best)
  }
  return least
}
