/** A chain that does not answer: whoever waits is told so. */
import { afterEach, expect, it, vi } from 'vitest'
import { ChainWait } from '../../../../src/inference/client/chain-wait.js'
import { type ClientPayments, Purse } from '../../../../src/inference/client/payments.js'

afterEach(() => {
  vi.useRealTimers()
})

it('is told every ten seconds, once for all that wait, and no more when it has answered', async () => {
  vi.useFakeTimers()
  const told: number[] = []
  const opening = Promise.withResolvers<ClientPayments>()
  const purse = new Purse(() => opening.promise, new ChainWait((ms) => told.push(Math.round(ms / 1000))))
  const waiting = [purse.open(), purse.open()]
  await vi.advanceTimersByTimeAsync(9000)
  expect(told).toEqual([])
  await vi.advanceTimersByTimeAsync(22_000)
  expect(told).toEqual([10, 20, 30])
  opening.resolve({} as ClientPayments)
  await Promise.all(waiting)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(told).toHaveLength(3)
  expect(vi.getTimerCount()).toBe(0)
})

it('is told of a channel that is made ready, too, and of the next one anew', async () => {
  vi.useFakeTimers()
  const told: number[] = []
  const wait = new ChainWait((ms) => told.push(Math.round(ms / 1000)))
  for (let round = 0; round < 2; round++) {
    const ready = Promise.withResolvers<unknown>()
    const channels = { ready: () => ready.promise }
    const contract = `0x${'00'.repeat(20)}`
    const purse = new Purse(
      async () => ({ channels, chainId: 1, contract }) as unknown as ClientPayments,
      wait,
    )
    const publicKey = new Uint8Array(
      Buffer.from(`02${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}`, 'hex'),
    )
    const offer = { publicKey, payment: { chainId: 1, contract: new Uint8Array(20) } }
    const claimed = purse.claim(offer as unknown as Parameters<Purse['claim']>[0], 1n)
    await vi.advanceTimersByTimeAsync(11_000)
    ready.reject(new Error('the node is gone'))
    await expect(claimed).rejects.toThrow('gone')
  }
  expect(told).toEqual([10, 10])
  expect(vi.getTimerCount()).toBe(0)
})
