/** What a daemon opens, however often that takes. */
import { describe, expect, it } from 'vitest'
import { UserError } from '../../../../src/errors.js'
import { KeptTrying } from '../../../../src/node/inference/kept-trying.js'
import { type Logger, silentLogger } from '../../../../src/telemetry/logger.js'

const lines: unknown[] = []
const log: Logger = { ...silentLogger, error: (fields: unknown) => void lines.push(fields) }
const trying = () => new KeptTrying<string>({ failure: 'it is shut', log, firstPauseMs: 2 })
const never = async (): Promise<void> => {
  throw new Error('closed')
}

describe('what does not open', () => {
  it('is tried again until it does, says why meanwhile, and once in the log', async () => {
    lines.length = 0
    const door = trying()
    let tries = 0
    const seen: (string | undefined)[] = []
    const open = async (): Promise<string> => {
      seen.push(door.problem)
      if (++tries < 4) throw new UserError('the disk is full', { code: 'UNAVAILABLE', remedy: 'free some' })
      return 'open'
    }
    expect(await door.open(open, never)).toBe('open')
    const reason = 'the disk is full; free some'
    expect(seen).toEqual([undefined, reason, reason, reason])
    expect(lines).toEqual([{ reason }])
    expect(door.problem).toBeUndefined()
  })

  it('is left alone where no patience helps', async () => {
    const door = trying()
    let tries = 0
    const open = async (): Promise<string> => {
      tries++
      throw new UserError('have 1 s, need 600 s', { code: 'BAD_CONFIG' })
    }
    await expect(door.open(open, never)).rejects.toMatchObject({ code: 'BAD_CONFIG' })
    expect([tries, door.problem]).toEqual([1, 'have 1 s, need 600 s'])
    await door.stop()
  })

  it('is given up with the daemon, in a pause and while it opens: then it is closed', async () => {
    const pausing = new KeptTrying<string>({ failure: 'it is shut', log, firstPauseMs: 3_600_000 })
    const shut = pausing.open(() => Promise.reject(new Error('no')), never)
    await expect.poll(() => pausing.problem).toBe('no')
    await pausing.stop()
    expect(await shut).toBeUndefined()

    const slow = trying()
    const { promise, resolve } = Promise.withResolvers<string>()
    const closed: string[] = []
    const late = slow.open(
      () => promise,
      async (opened) => void closed.push(opened),
    )
    const stopped = slow.stop()
    resolve('late')
    await stopped
    expect([await late, closed]).toEqual([undefined, ['late']])
  })
})
