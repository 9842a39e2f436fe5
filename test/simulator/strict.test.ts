/** The strict profile's delta, by sampling committees: the corrupt ones play their best in every draw. */
import { describe, expect, it } from 'vitest'
import { seededRandom } from './random.js'
import { leastTeams, sampleStrict } from './strict.js'

const samples = Number(process.env.SIMULATOR_RUNS ?? 1000) * 4

describe('strict', () => {
  it.each([
    { beta: 0.1, delta: 0.05, teams: 10, teamSize: 1, registry: 1000 },
    { beta: 0.2, delta: 0.05, teams: 16, teamSize: 1, registry: 1000 },
    { beta: 0.1, delta: 0.05, teams: 12, teamSize: 2, registry: 1000 },
    { beta: 0.3, delta: 0.1, teams: 20, teamSize: 1, registry: 1000 },
    { beta: 0.1, delta: 0.05, teams: 10, teamSize: 1, registry: 60 },
    { beta: 0.1, delta: 0.05, teams: 12, teamSize: 2, registry: 60 },
  ])('violates in at most delta of the draws: $beta, $delta, $teams x $teamSize of $registry', (setting) => {
    const outcome = sampleStrict(setting, samples, seededRandom(7))
    expect(outcome.cleanTeams).toBeGreaterThan(0)
    // Three standard errors of the sample.
    const slack = 3 * Math.sqrt((setting.delta * (1 - setting.delta)) / samples)
    expect(outcome.violations / samples).toBeLessThanOrEqual(setting.delta + slack)
  })

  it.each([0.1, 0.2, 0.3])('splits delta over attempts: the best of three keeps it at beta %s', (beta) => {
    const [delta, attempts] = [0.05, 3]
    const asked = { beta, delta, attempts, teamSize: 1, registry: 1000 }
    const teams = leastTeams(asked)
    expect(teams).toBeDefined()
    const setting = { ...asked, teams: teams ?? 0 }
    const outcome = sampleStrict(setting, samples / attempts, seededRandom(7))
    expect(2 * outcome.cleanTeams).toBeGreaterThan(teams ?? 0)
    const slack = 3 * Math.sqrt((delta * (1 - delta) * attempts) / samples)
    expect(outcome.violations / outcome.samples).toBeLessThanOrEqual(delta + slack)
  })

  it('violates more often where more of the registry is corrupt than was reckoned with', () => {
    const setting = { beta: 0.1, delta: 0.05, teams: 10, teamSize: 1, registry: 1000, trueBeta: 0.4 }
    const { violations } = sampleStrict(setting, samples, seededRandom(7))
    expect(violations / samples).toBeGreaterThan(0.2)
  })
})
