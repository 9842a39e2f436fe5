/** What a strict challenge asks for, from (beta, delta) and the pool. */
import { describe, expect, it } from 'vitest'
import { cleanTeams, millionths } from '../../../src/pob/parameters.js'
import { chooseStrict, fewerCleanTeams } from '../../../src/pob/strict-choice.js'
import { seededRandom } from '../../simulator/random.js'
import { sampleStrict } from '../../simulator/strict.js'

const pool = (size: number, uplinkKbps: number) => Array.from({ length: size }, () => uplinkKbps)
const ASKED = { betaMillionths: 100_000, deltaMillionths: 10_000, claimKbps: 100_000 }

/** Every way to draw, counted: tiny pools only. */
function byEnumeration(least: number, sampling: Parameters<typeof fewerCleanTeams>[1]): number {
  const { corrupt, teams, teamSize } = sampling
  let [all, below] = [0, 0]
  const go = (drawn: number[]): void => {
    if (drawn.length === teams * teamSize) {
      all++
      const isClean = (team: number) =>
        drawn.slice(team * teamSize, (team + 1) * teamSize).every((member) => member >= corrupt)
      if (Array.from({ length: teams }, (_, team) => isClean(team)).filter(Boolean).length < least) below++
      return
    }
    for (let member = 0; member < sampling.pool; member++) if (!drawn.includes(member)) go([...drawn, member])
  }
  go([])
  return below / all
}

describe('the probability of too few clean teams', () => {
  it.each([
    [1, { pool: 6, corrupt: 2, teams: 3, teamSize: 1 }],
    [2, { pool: 6, corrupt: 2, teams: 3, teamSize: 1 }],
    [1, { pool: 7, corrupt: 3, teams: 2, teamSize: 2 }],
    [2, { pool: 7, corrupt: 2, teams: 3, teamSize: 2 }],
    [1, { pool: 6, corrupt: 6, teams: 2, teamSize: 2 }],
    [1, { pool: 6, corrupt: 0, teams: 2, teamSize: 3 }],
  ])('is what counting gives: fewer than %s of %o', (least, sampling) => {
    expect(fewerCleanTeams(least, sampling)).toBeCloseTo(byEnumeration(least, sampling), 12)
  })

  it('is at most half of delta where the rule counts on that many, whatever the pool', () => {
    for (const beta of [100_000, 200_000, 300_000])
      for (const teamSize of [1, 2, 3])
        for (const teams of [5, 9, 15])
          for (const size of [60, 200, 1000]) {
            const least = cleanTeams(millionths(beta), millionths(20_000), teams, teamSize)
            const corrupt = Math.floor((size * beta) / 1e6)
            expect(fewerCleanTeams(least, { pool: size, corrupt, teams, teamSize })).toBeLessThanOrEqual(0.01)
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
    expect(chooseStrict({ ...ASKED, uplinksKbps: pool(5, 1_000_000) })).toBeUndefined()
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
