/** What a person is told of recipients: once each, and again where they ask for more. */
import { expect, it } from 'vitest'
import { RecipientsTold } from '../../../src/cli/recipients-told.js'

const recipient = { provider: 'a', model: 'asr-small', units: 10, priceWei: 20_000n }

it('a recipient is told once for each price, or once at all', () => {
  const told = new RecipientsTold()
  expect([1, 2, 3].map(() => told.isNews(recipient, true))).toEqual([true, false, false])
  expect(told.isNews({ ...recipient, priceWei: 1n }, true)).toBe(true)
  expect(told.isNews({ ...recipient, provider: 'b' }, true)).toBe(true)
  const gateway = new RecipientsTold()
  expect(gateway.isNews(recipient, false)).toBe(true)
  expect(gateway.isNews({ ...recipient, priceWei: 1n }, false)).toBe(false)
})

it('a price that rises is told once for each height, whatever a job has of units', () => {
  const told = new RecipientsTold()
  expect(told.risen(recipient)).toBeUndefined()
  expect(told.risen({ ...recipient, units: 100, priceWei: 200_000n })).toBeUndefined()
  expect(told.risen({ ...recipient, provider: 'b', priceWei: 30_000n })).toEqual({
    fromWei: 2000n,
    toWei: 3000n,
  })
  expect(told.risen(recipient)).toBeUndefined()
  expect(told.risen({ ...recipient, priceWei: 30_000n })).toBeUndefined()
  expect(told.risen({ ...recipient, model: 'other', priceWei: 90_000n })).toBeUndefined()
  expect(told.risen({ ...recipient, priceWei: 40_000n })).toEqual({ fromWei: 3000n, toWei: 4000n })
})
