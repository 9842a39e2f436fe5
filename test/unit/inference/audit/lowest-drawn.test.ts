/** Which of many missing places are told: few, at least one, and the same ones whoever tells. */
import { expect, it } from 'vitest'
import { isPlaceSampled, lowestDrawn } from '../../../../src/inference/audit/sampling.js'
import { bytes32 } from '../payment/support.js'

const PLACES = Array.from({ length: 9500 }, (_, i) => i + 1)

it('of hundreds of drawn places the lowest are told, and those come first whatever else is missing', () => {
  for (let round = 1; round <= 5; round++) {
    const randomness = bytes32(round)
    const drawn = PLACES.filter((place) => isPlaceSampled(randomness, bytes32(99), place))
    expect(drawn.length).toBeGreaterThan(300)
    const told = lowestDrawn(randomness, bytes32(99), drawn, 3)
    expect(told).toHaveLength(3)
    // They are drawn under a share that draws nearly nobody: nothing but the beacon chose them.
    expect(lowestDrawn(randomness, bytes32(99), PLACES, 3)).toEqual(told)
    // An auditor to whom more is shown tells the same of what it lacks, too.
    const half = drawn.filter((place) => told.includes(place) || place % 2 === 0)
    expect(lowestDrawn(randomness, bytes32(99), half, 3)).toEqual(told)
    expect(lowestDrawn(bytes32(round + 100), bytes32(99), drawn, 3)).not.toEqual(told)
  }
})

it('one that is missing alone is told', () => {
  expect(lowestDrawn(bytes32(1), bytes32(2), [7], 3)).toEqual([7])
  expect(lowestDrawn(bytes32(1), bytes32(2), [], 3)).toEqual([])
})
