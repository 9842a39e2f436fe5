/** A slice of `npm run bench -- scale`: the real draw and aggregation among some thousands of nodes. */
import { describe, expect, it } from 'vitest'
import { scaleReport } from './report.js'

describe('a day among 3,000 nodes', () => {
  const report = scaleReport({
    nodes: 3000,
    challenges: 3000,
    draws: 5,
    committees: [6, 10, 18],
    beta: 0.2,
    seed: 1,
  })

  it('costs a number of exchanges that grows with the committee and nothing else', () => {
    const [small, middle, large] = report.traffic.map(({ exchanges, members }) => exchanges / members)
    expect(small).toBeLessThan(9)
    expect(middle).toBeLessThan(9)
    expect(large).toBeLessThan(9)
  })

  it('gives work by seats, and by nothing else than chance beside them', () => {
    // One of an owner and of a prefix a committee: nodes with more seats get a little less for each.
    expect(report.fairness.spread).toBeLessThan(1.15)
    expect(report.fairness.dispersion).toBeGreaterThan(0.7)
    expect(report.fairness.dispersion).toBeLessThan(1.3)
  })

  it('finds a cheater that corrupted a fifth of the nodes in days', () => {
    // P(Bin(10, .2) > 2) = 0.322 is the most that committees of ten can be fooled with f = 2.
    expect(report.detection.fooledShare).toBeGreaterThan(0.05)
    expect(report.detection.fooledShare).toBeLessThan(0.36)
    expect(report.detection.days99).toBeLessThanOrEqual(5)
    expect(report.admission.voidShare).toBeLessThan(0.01)
  })
})
