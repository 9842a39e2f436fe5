import { expect, it } from 'vitest'
import type { Address } from '../../../../src/crypto/address.js'
import { GivenUpWork } from '../../../../src/inference/provider/given-up.js'

const [ONE, OTHER] = ['0x01' as Address, '0x02' as Address]

it('lets a client give up as much as it may owe, and more as it is forgotten', () => {
  let nowMs = 0
  const givenUp = new GivenUpWork(1000n, () => nowMs)
  for (let i = 0; i < 9; i++) {
    givenUp.requireRoom(ONE, 100n)
    givenUp.add(ONE, 100n)
  }
  givenUp.requireRoom(ONE, 100n)
  givenUp.add(ONE, 100n)
  expect(() => givenUp.requireRoom(ONE, 100n)).toThrow(
    expect.objectContaining({ code: 'BUSY', details: { retryAfterSeconds: 60 } }),
  )
  givenUp.requireRoom(OTHER, 1000n)
  nowMs = 60_000
  givenUp.requireRoom(ONE, 100n)
  expect(givenUp.of(ONE)).toBe(900n)
  nowMs = 600_000
  expect(givenUp.of(ONE)).toBe(0n)
  // What nothing was given up of is the limit's own to refuse.
  givenUp.requireRoom(ONE, 5000n)
})
