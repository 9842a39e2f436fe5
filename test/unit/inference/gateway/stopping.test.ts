/** A gateway that is stopped while it works. */
import { expect, it } from 'vitest'
import { Gateway } from '../../../../src/inference/gateway/index.js'
import type { JobPayment, RunOptions } from '../../../../src/inference/job.js'
import { answerOf, open, recording, tone } from './http-client.js'
import { ScriptedSource } from './scripted-source.js'

it('tells who waits that it stops, and what was paid, however long its job takes to end', async () => {
  const source = new ScriptedSource()
  const payment: JobPayment = { provider: '16Uiu2abc', priceWei: 10n, units: 1, receiptDigest: 'ab' }
  source.answer = (_, { signal, onPaid, onText }: RunOptions) =>
    new Promise((_resolve, reject) => {
      onPaid?.(payment)
      onText?.('hello')
      // What is under way with a provider is brought to its end.
      signal?.addEventListener('abort', () => setTimeout(() => reject(signal.reason), 500), { once: true })
    })
  const gateway = await Gateway.start({ host: '127.0.0.1', port: 0 }, { source })
  const ask = (more: Readonly<Record<string, string>>) => {
    const { body, ...rest } = recording(tone(0.2), more)
    const sent = open(`${gateway.url}/v1/audio/transcriptions`, rest)
    sent.end(body)
    return answerOf(sent)
  }
  const asked = ask({})
  const streamed = ask({ stream: 'true' })
  while (source.jobs.length < 2) await new Promise((tick) => setTimeout(tick, 10))
  await gateway.stop()
  const { status, error, headers } = await asked
  expect([status, error.code]).toEqual([503, 'unavailable'])
  expect(error.message).toMatch(/stopping.* was paid for 1 unit/)
  expect(headers['x-plumbline-price-wei']).toBe('10')
  expect((await streamed).text).toMatch(/delta.*hello[\s\S]*data: \{"error".*stopping.* was paid/)
})
