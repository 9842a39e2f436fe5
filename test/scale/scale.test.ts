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

  it('costs a number of messages that grows with the committee and nothing else', () => {
    const { traffic, line } = report
    expect(line.worst).toBeLessThan(0.1)
    expect(line.exponent).toBeLessThan(1.1)
    // Path, plan, arm, reveal, vote, sign and farewell: a question and an answer of each; what failed comes on top.
    for (const { mean, members, undisturbed } of traffic) {
      expect(undisturbed / members).toBeLessThan(16)
      expect(mean / members).toBeLessThan(20)
    }
  })

  it('counts what failures cost: more is asked again, and most challenges settle all the same', () => {
    const { counted, endings, slotsMean } = report.day
    expect(counted.again).toBeGreaterThan(0)
    expect(counted.unanswered).toBeGreaterThan(0)
    expect(counted.failedDials).toBeGreaterThan(0)
    expect(Object.values(endings).reduce((sum, each) => sum + each, 0)).toBe(3000)
    expect(endings.settled / 3000).toBeGreaterThan(0.9)
    // Three teams suffice where all goes well.
    expect(slotsMean).toBeGreaterThan(3)
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
    expect(report.day.endings['no committee']).toBeLessThan(30)
  })
})
