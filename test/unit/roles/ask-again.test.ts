/** What is asked again, and what is not. */
import { describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import { askAgain } from '../../../src/roles/ask-again.js'

const brokenOff = () => new UserError('the stream broke off', { code: 'UNREACHABLE' })

/** Fails `failures` times, then answers; counts its calls. */
function flaky(failures: number, error: () => Error) {
  let calls = 0
  return {
    ask: async () => {
      if (++calls <= failures) throw error()
      return 'answer'
    },
    calls: () => calls,
  }
}

describe('asking again', () => {
  it('gets the answer where a stream broke off once or twice', async () => {
    for (const failures of [0, 1, 2]) {
      const { ask, calls } = flaky(failures, brokenOff)
      expect(await askAgain(ask)).toBe('answer')
      expect(calls()).toBe(failures + 1)
    }
  })

  it('gives up after three tries', async () => {
    const { ask, calls } = flaky(9, brokenOff)
    await expect(askAgain(ask)).rejects.toThrow('broke off')
    expect(calls()).toBe(3)
  })

  it('takes a refusal and a bug for an answer', async () => {
    for (const error of [() => new UserError('no', { code: 'DENIED' }), () => new Error('bug')]) {
      const { ask, calls } = flaky(1, error)
      await expect(askAgain(ask)).rejects.toThrow()
      expect(calls()).toBe(1)
    }
  })

  it('does not wait a second time for a peer that hung up after a long while', async () => {
    let clock = 0
    const slow = flaky(9, brokenOff)
    const waitingAsk = () => {
      clock += 5000
      return slow.ask()
    }
    await expect(askAgain(waitingAsk, undefined, () => clock)).rejects.toThrow('broke off')
    expect(slow.calls()).toBe(1)
  })

  it('stops when it is told to', async () => {
    const { ask, calls } = flaky(9, brokenOff)
    await expect(askAgain(ask, AbortSignal.abort())).rejects.toThrow()
    expect(calls()).toBe(1)
  })
})
