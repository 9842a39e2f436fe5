/** A long recording bought piece by piece: where it is cut, what leaves when, and what it costs. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../../../src/errors.js'
import { cutSound } from '../../../../src/inference/client/pieces.js'
import { piecesOf, runPiecewise } from '../../../../src/inference/client/piecewise.js'
import type { Job, JobAnswer, RunOptions, SoundInput } from '../../../../src/inference/job.js'
import { MAX_INPUT_BYTES } from '../../../../src/inference/network/job-codec.js'

const RATE = 1000

/** Loud, but for pauses of a third of a second around these times. */
function sound(seconds: number, pauses: readonly number[] = [], sampleRate = RATE): SoundInput {
  const samples = new Int16Array(Math.round(seconds * sampleRate))
  for (let i = 0; i < samples.length; i++) {
    const isQuiet = pauses.some((at) => Math.abs(i / sampleRate - at) < 1 / 6)
    samples[i] = (isQuiet ? 10 : 10_000) * (i % 2 === 0 ? 1 : -1)
  }
  return { kind: 'sound', sampleRate, pcm16: new Uint8Array(samples.buffer) }
}
const jobOf = (input: SoundInput): Job => ({
  task: 'transcribe',
  model: 'ab'.repeat(32),
  input,
  parameters: {},
})

describe('a recording is cut', () => {
  it('where it is quiet', () => {
    const starts = cutSound(sound(75, [20, 29, 50, 74]), 30).map(({ startSeconds }) => startSeconds)
    // As late as may be, so that there are few.
    expect(starts).toEqual([0, expect.closeTo(29, 0), expect.closeTo(50, 0)])
    expect(Math.abs((cutSound(sound(45, [19.5]), 30)[1]?.startSeconds ?? 0) - 19.5)).toBeLessThan(0.15)
  })

  it('into pieces that make it up, none too long and none too short', () => {
    const pauses = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { maxLength: 20 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200_000 }), pauses, (count, at) => {
        const whole = sound(count / RATE, at)
        const pieces = cutSound(whole, 30)
        expect(Buffer.concat(pieces.map((each) => each.sound.pcm16)).equals(whole.pcm16)).toBe(true)
        let start = 0
        for (const piece of pieces) {
          const seconds = piece.sound.pcm16.length / 2 / RATE
          expect(piece.startSeconds).toBeCloseTo(start, 9)
          start += seconds
          expect(seconds).toBeLessThanOrEqual(30)
          if (pieces.length > 1) expect(seconds).toBeGreaterThanOrEqual(5)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('where its text is wanted on the way, or a job could not hold it', () => {
    expect(piecesOf(jobOf(sound(29)), true)).toHaveLength(0)
    expect(piecesOf(jobOf(sound(61)), true)).toHaveLength(3)
    expect(piecesOf(jobOf(sound(61)), false)).toHaveLength(0)
    expect(piecesOf(jobOf(sound(61)), false, 40)).toHaveLength(2)
    expect(piecesOf(jobOf(sound(61)), false, 61)).toHaveLength(0)
    expect(piecesOf(jobOf(sound(61)), true, 16).length).toBeGreaterThanOrEqual(4)
    expect(piecesOf({ ...jobOf(sound(61)), task: 'identify' }, true)).toHaveLength(0)
    const tooLong: SoundInput = {
      kind: 'sound',
      sampleRate: 16_000,
      pcm16: new Uint8Array(MAX_INPUT_BYTES + 2),
    }
    const pieces = piecesOf(jobOf(tooLong), false)
    expect(pieces).toHaveLength(2)
    for (const each of pieces) expect(each.sound.pcm16.length).toBeLessThanOrEqual(MAX_INPUT_BYTES)
  })
})

describe('pieces are bought', () => {
  const job = jobOf(sound(70))
  const pieces = piecesOf(job, true)
  const answers: readonly JobAnswer[] = ['one two', ' ', 'three'].map((text, i) => ({
    output: {
      kind: 'transcription',
      text,
      language: 'en',
      words: [{ text: text.trim(), startSeconds: 1, endSeconds: 2, confidence: 0.5 }],
    },
    runSeconds: 2,
    payments: [{ provider: `p${i % 2}`, priceWei: 30n, units: 30, receiptDigest: `d${i}` }],
  }))

  it('one after the other, and each text is told before the next is asked for', async () => {
    const log: string[] = []
    const limits: (bigint | undefined)[] = []
    const buy = async (piece: Job, { maxPriceWei }: RunOptions): Promise<JobAnswer> => {
      const n = pieces.findIndex((each) => each.sound === piece.input)
      log.push(`asked ${n}`)
      limits.push(maxPriceWei)
      return answers[n] as JobAnswer
    }
    const answer = await runPiecewise(job, {
      pieces,
      buy,
      maxPriceWei: 100n,
      onText: (text) => log.push(text),
    })
    expect(log).toEqual(['asked 0', 'one two', 'asked 1', 'asked 2', 'three'])
    // What was paid for the ones before is gone from what the whole may cost.
    expect(limits).toEqual([100n, 70n, 40n])
    expect(answer).toMatchObject({ output: { text: 'one two three', language: 'en' }, runSeconds: 6 })
    expect(answer.payments?.map(({ receiptDigest }) => receiptDigest)).toEqual(['d0', 'd1', 'd2'])
    const { words } = answer.output as Extract<JobAnswer['output'], { kind: 'transcription' }>
    for (const [i, { startSeconds }] of pieces.entries())
      expect(words[i]?.startSeconds).toBeCloseTo(1 + startSeconds)
  })

  it('and no more after one that failed, or once nobody wants them', async () => {
    const told: string[] = []
    const paid: string[] = []
    let asked = 0
    const failing = async (): Promise<JobAnswer> => {
      if (asked++ === 1) throw new UserError('gone', { code: 'UNAVAILABLE' })
      return answers[0] as JobAnswer
    }
    const onText = (text: string): void => void told.push(text)
    const onPaid: RunOptions['onPaid'] = ({ receiptDigest }) => void paid.push(receiptDigest)
    await expect(runPiecewise(job, { pieces, buy: failing, onText, onPaid })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    // What was paid is known all the same.
    expect([asked, told, paid]).toEqual([2, ['one two'], ['d0']])
    const leaving = new AbortController()
    const { signal } = leaving
    const left = runPiecewise(job, {
      pieces,
      signal,
      buy: async () => {
        leaving.abort(new Error('left'))
        return answers[0] as JobAnswer
      },
    })
    await expect(left).rejects.toThrow('left')
  })
})
