import { expect, it } from 'vitest'
import { ReceiptDates } from '../../../../src/inference/client/receipt-dates.js'
import type { SignedReceipt } from '../../../../src/inference/payment/index.js'

const SLACK_SECONDS = 60
const DAY = 86_400
const NOW = 1_900_000_000

const dates = (now = NOW) =>
  new ReceiptDates({
    name: 'a provider',
    now: () => now,
    isTimely: (issuedAt, at = now) => Math.abs(issuedAt - at) <= SLACK_SECONDS,
  })
const dated = (issuedAt: number) => ({ jobId: new Uint8Array(32), issuedAt }) as unknown as SignedReceipt
const wrong = expect.objectContaining({ code: 'WRONG_CLOCK' })

it('a receipt that comes with a settling is of the time since its job was asked for', () => {
  const askedAt = NOW - 3600
  for (const issuedAt of [askedAt - SLACK_SECONDS, askedAt, NOW - 5, NOW + SLACK_SECONDS])
    dates().requireSince(dated(issuedAt), askedAt)
  for (const issuedAt of [askedAt - SLACK_SECONDS - 1, askedAt - DAY, NOW + SLACK_SECONDS + 1])
    expect(() => dates().requireSince(dated(issuedAt), askedAt)).toThrow(wrong)
})

it('a clock that was wrong when a job was asked for closes no channel for longer than a day', () => {
  const issuedAt = NOW - 3600
  // It was an hour fast, and has been set right since.
  const askedAt = NOW
  expect(() => dates(NOW + 1).requireSince(dated(issuedAt), askedAt)).toThrow(wrong)
  expect(() => dates(NOW + DAY).requireSince(dated(issuedAt), askedAt)).toThrow(wrong)
  dates(NOW + DAY + 1).requireSince(dated(issuedAt), askedAt)
  // What is to come is believed of nobody.
  expect(() => dates(NOW + DAY + 1).requireSince(dated(NOW + 2 * DAY), askedAt)).toThrow(wrong)
})
