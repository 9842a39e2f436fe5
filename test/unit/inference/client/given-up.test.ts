/** A client that lets jobs run and gives them up: its provider does no more of that for nothing than the client may owe. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { hexToBytes } from '@noble/hashes/utils.js'
import { expect, it } from 'vitest'
import { UserError } from '../../../../src/errors.js'
import { speechTooLong } from '../../../../src/inference/local/run-job.js'
import { encodeInput, encodeTerms, MAX_OUTPUT_BYTES } from '../../../../src/inference/network/job-codec.js'
import { JOB_MESSAGE } from '../../../../src/inference/network/messages.js'
import { CHANNEL } from '../payment/support.js'
import { MODEL, openShop, PRICE, type Shop, SOLD_JOB } from './shop.js'

const EXPOSURE_WEI = 10n * PRICE
const terms = encodeTerms({
  task: 'transcribe',
  unit: 'audio-second',
  units: 1,
  priceWeiPerUnit: PRICE,
  audit: true,
})

const askFor = (shop: Shop, giveUp = new AbortController()) =>
  shop.pipe.request(
    {} as never,
    JOB_MESSAGE,
    {
      jobId: new Uint8Array(randomBytes(32)),
      model: hexToBytes(MODEL),
      terms,
      input: encodeInput(SOLD_JOB.input),
      channelId: CHANNEL.channelId,
    },
    { signal: giveUp.signal },
  )

it('gets as many as it may owe, and is told to come again', async () => {
  const shop = await openShop(EXPOSURE_WEI)
  let begun = 0
  const answers: unknown[] = []
  for (let i = 0; i < 50; i++) {
    const giveUp = new AbortController()
    shop.work.during = async (signal) => {
      begun++
      const aborted = once(signal, 'abort')
      giveUp.abort(new Error('enough'))
      await aborted
      throw signal.reason
    }
    answers.push(await askFor(shop, giveUp).catch((error: unknown) => error))
  }
  expect(begun).toBe(10)
  expect(answers.at(-1)).toMatchObject({ kind: 'refused', code: 'BUSY', retryAfterSeconds: 60 })
  expect(shop.payee.account(CHANNEL.channelId)).toMatchObject({ running: [], owed: [], totalWei: 0n })
})

it.each([
  ['texts whose speech fits into no answer', 'BAD_ARGUMENT', () => speechTooLong(MAX_OUTPUT_BYTES)],
  ['what takes longer than any job may', 'TIMEOUT', () => new UserError('late', { code: 'TIMEOUT' })],
])('has no more done in vain either: %s', async (_, code, error) => {
  const shop = await openShop(EXPOSURE_WEI)
  let begun = 0
  shop.work.during = async () => {
    begun++
    throw error()
  }
  const answers: unknown[] = []
  for (let i = 0; i < 50; i++) answers.push(await askFor(shop))
  expect(answers[0]).toMatchObject({ kind: 'refused', code })
  expect(begun).toBe(10)
  expect(answers.at(-1)).toMatchObject({ kind: 'refused', code: 'BUSY' })
})
