/** What an auditor tells in an hour: whatever one provider does, others' failures are told. */
import { expect, it } from 'vitest'
import type { Finding } from '../../../../src/inference/audit/finding.js'
import { MOST_AN_HOUR, Telling } from '../../../../src/inference/audit/telling.js'
import { bytes32 } from '../payment/support.js'

const NOW = 1_900_000_000_000
const provider = (n: number): Uint8Array => Uint8Array.from([2, n >> 8, n & 255, ...bytes32(7).slice(2)])

it('a provider that is blamed thousands of times, or found good, leaves all but a few to others', () => {
  const telling = new Telling()
  const told = (n: number, verdict: Finding['verdict'], times: number): number =>
    Array.from({ length: times }).filter(() => telling.isTold({ provider: provider(n), verdict }, NOW)).length
  expect(told(1, 'good', 5000)).toBe(20)
  // Who was found good, and then not, is told of all the same.
  expect(told(1, 'missing', 5000)).toBe(5)
  expect(told(2, 'bad', 1)).toBe(1)
  // Nor do good ones keep back what takes them from its record.
  expect(told(1, 'undecided', 5000)).toBe(20)
  let good = 40
  for (let n = 100; n < 1100; n++) good += told(n, 'good', 20)
  let again = 0
  for (let n = 0; n < 5000; n++) if (telling.isToldAgain(NOW)) again++
  expect(good).toBe(MOST_AN_HOUR / 2 - 200)
  expect(again).toBe(MOST_AN_HOUR / 4)
  // What is passed on of it leaves a quarter for blames.
  let blames = 6
  for (let n = 2000; n < 2098; n++) blames += told(n, 'missing', 100)
  expect(blames).toBe(496)
  // What acquits a receipt that somebody blames has a share of its own, however much was told of its provider.
  for (let n = 0; n < 5000; n++)
    if (telling.isTold({ provider: provider(1), verdict: 'good' }, NOW, true)) good++
  expect(good).toBe(MOST_AN_HOUR / 2)
  expect(good + again + blames).toBeLessThan(MOST_AN_HOUR)
  // In the next hour all of it begins anew.
  expect(telling.isTold({ provider: provider(1), verdict: 'bad' }, NOW + 3600_000)).toBe(true)
  expect(telling.isToldAgain(NOW + 3600_000)).toBe(true)
})
