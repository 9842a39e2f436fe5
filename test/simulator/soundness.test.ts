/**
 * Soundness by attack: no coalition of a corrupt prover and at most f corrupt members pushes the guarantee above
 * theta + b / (0.8 tau). SIMULATOR_RUNS=100000 for a long run, SIMULATOR_SEED for another or a single one.
 */
import { describe, expect, it } from 'vitest'
import { attack, attackPublishedOnce, TOLERANCE } from './campaign.js'

const runs = Number(process.env.SIMULATOR_RUNS ?? 1000)
const firstSeed = Number(process.env.SIMULATOR_SEED ?? 1)
/** Each run costs about 1.5 ms. */
const timeoutMs = 60_000 + runs * 20

describe('simulated attacks', () => {
  it(
    `finds no violation with at most f corrupt in ${runs} random strategies`,
    () => {
      const { violations, worst } = attack(firstSeed, runs)
      const seeds = violations.map(({ seed, ratio }) => `seed ${seed}: ${ratio}`)
      expect(seeds, `repeat with SIMULATOR_SEED=<seed> SIMULATOR_RUNS=1`).toEqual([])
      // An attack that never comes near the bound would prove nothing about it.
      if (runs >= 1000) expect(worst.ratio).toBeGreaterThan(0.95)
    },
    timeoutMs,
  )

  it('finds violations with f + 1 corrupt: the attack is strong enough to fail the test', () => {
    const { violations, worst } = attack(firstSeed, 300, 1)
    expect(violations.length).toBeGreaterThan(30)
    expect(worst.ratio).toBeGreaterThan(2)
  })

  it('finds violations of the published rule with f corrupt', () => {
    const ratios = Array.from({ length: 100 }, (_, i) => attackPublishedOnce(firstSeed + i, 2))
    expect(ratios.filter((ratio) => ratio > 1.05 + TOLERANCE).length).toBeGreaterThan(20)
    expect(Math.max(...ratios)).toBeGreaterThan(2)
  })
})
