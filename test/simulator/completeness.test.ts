/** Completeness: an honest prover gets its due, whatever any f griefers do (RTT 5 to 30 ms, tau 200 ms). */
import { describe, expect, it } from 'vitest'
import { allOnRange, evaluateOnce, evaluatePublishedOnce, teamsRange } from './campaign.js'

const runs = Math.ceil(Number(process.env.SIMULATOR_RUNS ?? 1000) / 10)
const firstSeed = Number(process.env.SIMULATOR_SEED ?? 1)
const seeds = Array.from({ length: runs }, (_, i) => firstSeed + i)
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const timeoutMs = 60_000 + runs * 200

describe.each([1, 2, 3])('teams, f = %i', (faulty) => {
  it('guarantees at least 0.89 theta on average among honest parties, and estimates within 5 %', () => {
    const results = seeds.map((seed) => evaluateOnce(seed, teamsRange(faulty), 'honest'))
    expect(mean(results.map(({ guaranteed }) => guaranteed))).toBeGreaterThan(0.89)
    expect(Math.abs(mean(results.map(({ estimate }) => estimate)) - 1)).toBeLessThan(0.05)
  })

  it(
    'guarantees at least 0.85 theta with any f griefers',
    () => {
      for (const seed of seeds) {
        const { guaranteed } = evaluateOnce(seed, teamsRange(faulty), 'grief')
        expect(guaranteed, `repeat with SIMULATOR_SEED=${seed}`).toBeGreaterThan(0.85)
      }
    },
    timeoutMs,
  )
})

describe('what the other rules give, f = 2', () => {
  it('all-on: at most 1 - f / n of theta', () => {
    const results = seeds.slice(0, 50).map((seed) => evaluateOnce(seed, allOnRange(2), 'honest').guaranteed)
    expect(mean(results)).toBeGreaterThan(0.65)
    expect(Math.max(...results)).toBeLessThan(0.82)
  })

  it('published: (n - 2f) / (n - f) of theta among honest parties', () => {
    const results = seeds.slice(0, 50).map((seed) => evaluatePublishedOnce(seed, 2, 'honest'))
    expect(Math.abs(mean(results) - 0.75)).toBeLessThan(0.06)
  })
})
