import { describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import {
  bufferBytesFor,
  burstBound,
  burstBytesFor,
  describeConversion,
  drawRate,
  layer2RateMbps,
  parseRtt,
  spreadRtt,
} from '../../../src/lab/link-math.js'

describe('the bottleneck in numbers', () => {
  it('adds 14 bytes a packet for layer 2', () => {
    expect(layer2RateMbps(1436)).toBeCloseTo(1450, 9)
    expect(layer2RateMbps(100, 86)).toBeCloseTo((100 * 100) / 86, 9)
    expect(describeConversion(100)).toContain('100.9749 Mbit/s of layer 2')
  })

  it('keeps the burst bound at tau = 200 ms within 2 % of the truth at 10 Mbit/s and 1 % from 50 up', () => {
    expect(burstBound(burstBytesFor(10), 0.2)).toBeLessThanOrEqual(0.02 * 10)
    for (const rate of [50, 100, 250, 500, 1000, 2500, 10_000])
      expect(burstBound(burstBytesFor(rate), 0.2)).toBeLessThanOrEqual(0.01 * rate)
  })

  it('lets two full packets into bucket and buffer at any rate', () => {
    for (const rate of [0.1, 1, 10, 2500]) {
      expect(burstBytesFor(rate)).toBeGreaterThanOrEqual(2 * 1450)
      expect(bufferBytesFor(rate, 0)).toBeGreaterThanOrEqual(2 * 1450)
    }
    expect(bufferBytesFor(100, 50)).toBe(625_000)
  })
})

describe('--rate random', () => {
  it('draws log-uniformly from 10 to 2500, and the same from the same seed', () => {
    const rates = Array.from({ length: 400 }, (_, seed) => drawRate(seed))
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(10)
    expect(Math.max(...rates)).toBeLessThanOrEqual(2500)
    expect(drawRate(7)).toBe(rates[7])
    // Half of the draws lie below the geometric mean; 5 standard deviations of Bin(400, 0.5) are 50.
    const below = rates.filter((rate) => rate < Math.sqrt(10 * 2500)).length
    expect(Math.abs(below - 200)).toBeLessThan(50)
    expect(drawRate()).toBeGreaterThanOrEqual(10)
  })
})

describe('--rtt', () => {
  it('reads one time and a range', () => {
    expect(parseRtt('20')).toEqual({ minMs: 20, maxMs: 20 })
    expect(parseRtt(' 5-40 ')).toEqual({ minMs: 5, maxMs: 40 })
    expect(parseRtt('0.5-2.5')).toEqual({ minMs: 0.5, maxMs: 2.5 })
  })

  it.each(['', 'fast', '-5', '40-5', '5-', '5-40-80', '2000', '1e3'])('refuses %j kindly', (text) => {
    expect(() => parseRtt(text)).toThrow(UserError)
  })

  it('spreads evenly over the challengers, in an order that the seed decides', () => {
    const spread = spreadRtt({ minMs: 5, maxMs: 40 }, 8, 1)
    expect([...spread].sort((a, b) => a - b)).toEqual([5, 10, 15, 20, 25, 30, 35, 40])
    expect(spreadRtt({ minMs: 5, maxMs: 40 }, 8, 1)).toEqual(spread)
    expect(spreadRtt({ minMs: 5, maxMs: 40 }, 8, 2)).not.toEqual(spread)
    expect(spreadRtt({ minMs: 20, maxMs: 20 }, 3, 1)).toEqual([20, 20, 20])
    expect(spreadRtt({ minMs: 5, maxMs: 40 }, 1, 1)).toEqual([5])
  })
})
