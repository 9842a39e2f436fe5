/** Latency, reordering and delay variation: against plain definitions of the standards, on random trains. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeOrder, encodeOrder } from '../../../../src/pob/arrival-order.js'
import { delayVariation } from '../../../../src/pob/telemetry/delay-variation.js'
import {
  bufferbloatGrade,
  roundTrips,
  trimmedMean,
  workingLatency,
} from '../../../../src/pob/telemetry/latency.js'
import { reorderingOf } from '../../../../src/pob/telemetry/reordering.js'

/** Sequences below 60 in any order, some missing. */
const arrivals = fc.uniqueArray(fc.nat(59), { maxLength: 60 }).chain((some) =>
  fc.constantFrom(
    some,
    [...some].sort((a, b) => a - b),
  ),
)
const runsOf = (sequences: readonly number[]) => decodeOrder(encodeOrder(sequences), 60)

describe('reordering', () => {
  it('is that of RFC 4737, sections 3.3 and 4.2, for any train', () => {
    fc.assert(
      fc.property(arrivals, (sequences) => {
        let nextExpected = 0
        let reordered = 0
        let maxExtent = 0
        sequences.forEach((sequence, i) => {
          if (sequence >= nextExpected) nextExpected = sequence + 1
          else {
            reordered++
            maxExtent = Math.max(maxExtent, i - sequences.findIndex((other) => other > sequence))
          }
        })
        expect(reorderingOf(runsOf(sequences))).toEqual({ packets: sequences.length, reordered, maxExtent })
      }),
      { numRuns: 500 },
    )
  })
})

describe('delay variation', () => {
  it('compares packets that were sent one after the other, whatever the order of arrival and the clocks', () => {
    fc.assert(
      fc.property(arrivals, fc.array(fc.nat(5000), { minLength: 60, maxLength: 60 }), (sequences, delays) => {
        const step = 100
        const offset = 12_345
        const at = (sequence: number) => offset + sequence * step + (delays[sequence] ?? 0)
        const stamps = Float32Array.from(sequences.map(at))
        const differences = Array.from({ length: 59 }, (_, i) => i + 1)
          .filter((sequence) => sequences.includes(sequence) && sequences.includes(sequence - 1))
          .map((sequence) => Math.abs((delays[sequence] ?? 0) - (delays[sequence - 1] ?? 0)))
          .sort((a, b) => a - b)
        const found = delayVariation(runsOf(sequences), stamps, 60, step)
        const rank = (share: number) => differences[Math.floor(share * (differences.length - 1))] ?? 0
        expect(found.medianMicros).toBeCloseTo(rank(0.5), 1)
        expect(found.p95Micros).toBeCloseTo(rank(0.95), 1)
      }),
    )
  })

  it('sees a queue that grows, and none that stands', () => {
    const all = Array.from({ length: 60 }, (_, i) => i)
    const growing = Float32Array.from(all.map((i) => i * 120))
    // 20 us a packet; from the middle of the first tenth to that of the last are 54 packets.
    expect(delayVariation(runsOf(all), growing, 60, 100).growthMicros).toBeCloseTo(54 * 20, 3)
    const standing = Float32Array.from(all.map((i) => 7000 + i * 100))
    expect(delayVariation(runsOf(all), standing, 60, 100).growthMicros).toBe(0)
    expect(delayVariation([], new Float32Array(0), 60, 100)).toEqual({
      medianMicros: 0,
      p95Micros: 0,
      growthMicros: 0,
    })
  })
})

describe('working latency', () => {
  it('leaves the worst twentieth out of the mean behind the RPM', () => {
    const values = [...Array.from({ length: 19 }, () => 40_000), 4_000_000]
    expect(trimmedMean(values)).toBe(40_000)
    expect(workingLatency([{ idleMicros: [], loadedMicros: [values] }]).rpm).toBe(1500)
  })

  it('compares each member with itself, and grades the difference', () => {
    const near = { idleMicros: [5000, 5000, 5000], loadedMicros: [[45_000, 0], [45_000]] }
    const far = { idleMicros: [80_000, 80_000], loadedMicros: [[121_000]] }
    const idleOnly = { idleMicros: [9000], loadedMicros: [] }
    const found = workingLatency([near, far, idleOnly])
    expect(found).toMatchObject({ increaseMs: 41, grade: 'B' })
    expect(found.loaded).toMatchObject({ samples: 3, lossPct: 25 })
    expect(found.idle).toMatchObject({ samples: 6, lossPct: 0, minMs: 5 })
  })

  it('says nothing where nothing came back', () => {
    expect(workingLatency([{ idleMicros: [0, 0], loadedMicros: [] }])).toEqual({
      idle: null,
      loaded: null,
      increaseMs: null,
      grade: null,
      rpm: null,
      isStillRising: null,
    })
  })

  it('varies between neighbours of one member only', () => {
    expect(roundTrips([[3000, 1000, 0, 9000], [50_000]])).toEqual({
      samples: 4,
      lossPct: 20,
      minMs: 1,
      medianMs: 9,
      p95Ms: 50,
      variationMs: 2,
    })
  })

  it.each([
    [0, 'A+'],
    [5, 'A'],
    [30, 'B'],
    [60, 'C'],
    [200, 'D'],
    [400, 'F'],
  ] as const)('%d ms more is %s', (increase, grade) => expect(bufferbloatGrade(increase)).toBe(grade))
})
