import { expect, it } from 'vitest'
import { Lease } from '../../../../src/inference/gateway/body.js'
import { Budget } from '../../../../src/inference/gateway/budget.js'

const busy = expect.objectContaining({ status: 429 })

it('what was paid for is taken while anything is left, and by one more at most', () => {
  const budget = new Budget(100, 'memory')
  const [waiting, paid, late] = [new Lease(budget), new Lease(budget), new Lease(budget)]
  waiting.take(99)
  expect(() => waiting.take(2)).toThrow(busy)
  paid.takePaid(50)
  expect(budget.used).toBe(149)
  expect(() => late.takePaid(1)).toThrow(busy)
  expect(() => late.take(1)).toThrow(busy)
  for (const each of [waiting, paid, late]) each.release()
  expect(budget.used).toBe(0)
  // Of a request that is over nothing is held.
  paid.takePaid(50)
  expect(budget.used).toBe(0)
})
