import { UnknownRpcError } from 'viem'
import { expect, it } from 'vitest'
import { UserError } from '../../../../src/errors.js'
import { KeptFigures } from '../../../../src/node/chain/kept-figures.js'

const unreachable = () =>
  new UnknownRpcError(
    new UserError('no RPC server of the chain answers (x: timeout)', { code: 'UNREACHABLE' }),
  )

it('keeps the last figures and says since when there are no others, whatever viem calls it', async () => {
  let answer: () => Promise<number> = async () => 1
  let now = Date.parse('2030-01-01T00:00:00Z')
  const figures = new KeptFigures({ read: () => answer(), patienceMs: 20, now: () => now })
  expect(await figures.get()).toEqual({ last: 1, problem: undefined })

  now += 60_000
  const silent = { last: 1, problem: 'no RPC server of the chain answers since 2030-01-01T00:01:00.000Z' }
  answer = () => Promise.reject(unreachable())
  expect(await figures.get()).toEqual(silent)
  now += 60_000
  // It hangs, where it refused before: it is the same absence.
  let giveUp = (_: Error): void => undefined
  answer = () => new Promise((_, reject) => (giveUp = reject))
  expect(await figures.get()).toEqual(silent)
  giveUp(unreachable())

  answer = () => Promise.reject(new UnknownRpcError(new Error('header not found')))
  await expect.poll(() => figures.get()).toEqual({ last: 1, problem: 'header not found' })
  answer = async () => 2
  expect(await figures.get()).toEqual({ last: 2, problem: undefined })
})

it('says before the first answer that there is none', async () => {
  const figures = new KeptFigures({ read: () => new Promise<number>(() => undefined), patienceMs: 5 })
  expect(await figures.get()).toEqual({
    last: undefined,
    problem: expect.stringMatching(/^no RPC server of the chain answers since /),
  })
})
