/** A long recording or text bought piece by piece: where it is cut, what leaves when, and what it costs. */
import { hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import { requireSendable } from '../../../../src/inference/client/candidates.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import { cutSound } from '../../../../src/inference/client/pieces.js'
import { piecesOf, runPiecewise } from '../../../../src/inference/client/piecewise.js'
import type { Job, JobAnswer, RunOptions, SoundInput } from '../../../../src/inference/job.js'
import { decodeInput, encodeOutput, MAX_INPUT_BYTES } from '../../../../src/inference/network/job-codec.js'
import { JOB_MESSAGE, OFFER_MESSAGE } from '../../../../src/inference/network/messages.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { addressOf, startHost } from '../../p2p/hosts.js'

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
    for (const each of pieces)
      expect((each.input as SoundInput).pcm16.length).toBeLessThanOrEqual(MAX_INPUT_BYTES)
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
      const n = pieces.findIndex((each) => each.input === piece.input)
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

const SENTENCE = 'The line is up again, and nobody knows why it was down. '
const speechOf = (text: string, speed?: number): Job => ({
  task: 'speak',
  model: 'ab'.repeat(32),
  input: { kind: 'text', text },
  parameters: speed === undefined ? {} : { speed },
})
const textsOf = (job: Job): readonly string[] =>
  piecesOf(job, false).map(({ input }) => (input.kind === 'text' ? input.text : ''))
const withoutSpace = (text: string): string => text.replace(/\s/gu, '')

describe('a text is cut', () => {
  it('where its speech does not fit into an answer, between sentences, at whole units', () => {
    expect(textsOf(speechOf(SENTENCE.repeat(53)))).toEqual([])
    const whole = SENTENCE.repeat(130)
    const texts = textsOf(speechOf(whole))
    expect(texts).toHaveLength(3)
    expect(texts.join(' ')).toBe(whole.trim())
    for (const text of texts) expect(text.endsWith('down.')).toBe(true)
    // As many thousands as the text has, begun ones included.
    expect(texts.reduce((sum, text) => sum + Math.ceil(text.length / 1000), 0)).toBe(8)
  })

  it('as its speed and its script ask for: what OpenAI allows at a quarter of the speed is bought', () => {
    const slow = textsOf(speechOf(SENTENCE.repeat(73), 0.25))
    expect(slow.length).toBeGreaterThanOrEqual(6)
    for (const text of slow) expect(text.length / 15 / 0.25).toBeLessThanOrEqual(200)
    expect(textsOf(speechOf(SENTENCE.repeat(130), 4))).toEqual([])
    const chinese = textsOf(speechOf('这是第一个很长很长的句子。'.repeat(100)))
    expect(chinese).toHaveLength(2)
    for (const text of chinese) expect(text.endsWith('。')).toBe(true)
    expect(textsOf(speechOf('1984'.repeat(500)))).toHaveLength(2)
  })

  it('where a blank line is, and at a breath or a space where one sentence is too long', () => {
    const title = `${'a title '.repeat(300)}\n\n${'and the rest '.repeat(100)}`
    expect(textsOf(speechOf(title)).map((text) => text.slice(0, 5))).toEqual(['a tit', 'and t'])
    const wrapped = SENTENCE.repeat(130).replace(/nobody /gu, 'nobody\n')
    for (const text of textsOf(speechOf(wrapped))) expect(text.endsWith('down.')).toBe(true)
    const [breath = '', ...others] = textsOf(speechOf(`${'word '.repeat(500)}here, ${'word '.repeat(500)}`))
    expect([breath.endsWith('here,'), others.length]).toEqual([true, 1])
    const [space = ''] = textsOf(speechOf('word '.repeat(1000)))
    expect(space.endsWith('word')).toBe(true)
    for (const text of textsOf(speechOf('\u{1f600}e\u0301'.repeat(2500))))
      expect(text.startsWith('\u{1f600}') || text.startsWith('e\u0301')).toBe(true)
  })

  it('into pieces that make it up, none empty and none too long', () => {
    const part = fc.constantFrom('Word. ', 'a', ' ', '\n', '\r\n\r\n', '7', '好。', '\u{1f600}', 'end, ')
    const parts = fc.array(part, { minLength: 300, maxLength: 600, size: 'max' })
    let cuts = 0
    fc.assert(
      fc.property(parts, fc.constantFrom(0.25, 0.3, 0.5), (all, speed) => {
        const text = all.join('')
        const texts = textsOf(speechOf(text, speed))
        if (texts.length === 0) return
        cuts++
        expect(withoutSpace(texts.join(''))).toBe(withoutSpace(text))
        for (const each of texts) {
          expect(each.trim()).not.toBe('')
          expect([...each].length / 15 / speed).toBeLessThanOrEqual(200)
        }
      }),
      { numRuns: 60 },
    )
    expect(cuts).toBeGreaterThan(20)
  })
})

describe('a text that no provider takes', () => {
  it('is refused before anybody is asked, and before a channel is looked for', async () => {
    let asked = 0
    const untouched = async (): Promise<never> => {
      asked++
      throw new Error('asked')
    }
    const jobs = new NetworkJobs(
      { providers: ['/ip4/192.0.2.1/tcp/1'], exposureWei: 1n },
      {
        host: { request: untouched, node: { services: {} }, onPeerGone: () => () => {} } as unknown as Host,
        log: silentLogger,
        knownModels: async () => new KnownModels([]),
        openPayments: untouched,
      },
    )
    for (const [text, speed] of [
      ['a'.repeat(2 ** 20), 1],
      ['a'.repeat(4600), 0.25],
    ] as const) {
      await expect(jobs.run(speechOf(text, speed))).rejects.toMatchObject({
        code: 'BAD_ARGUMENT',
        message: expect.stringMatching(
          /^the text takes about \d+ s to speak, and 1200 s are bought at once$/,
        ),
        remedy: expect.stringContaining(`send some ${18_000 * speed} characters at once`),
      })
      await expect(jobs.describe(speechOf(text, speed))).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    }
    await expect(jobs.run({ ...speechOf('a'.repeat(20_001)), task: 'embed' })).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: 'the text has 20001 characters',
      remedy: 'send at most 20000 at once: cut it',
    })
    expect(asked).toBe(0)
    expect(() => requireSendable({ ...speechOf('a'.repeat(20_000)), task: 'embed' })).not.toThrow()
    await jobs.close()
  })
})

describe('speech in pieces', () => {
  const job = speechOf(SENTENCE.repeat(130))
  const pieces = piecesOf(job, false)
  const spoken = (n: number, sampleRate = RATE): JobAnswer => ({
    output: { kind: 'speech', sampleRate, pcm16: new Uint8Array(4).fill(n + 1) },
    runSeconds: 2,
    payments: [{ provider: 'p', priceWei: 30n, units: 3, receiptDigest: `d${n}` }],
  })

  it('is one sound, with a pause between them', async () => {
    let n = 0
    const limits: (bigint | undefined)[] = []
    const buy = async (_: Job, { maxPriceWei }: RunOptions): Promise<JobAnswer> => {
      limits.push(maxPriceWei)
      return spoken(n++)
    }
    const { output, payments, runSeconds } = await runPiecewise(job, { pieces, buy, maxPriceWei: 100n })
    const pause = Array<number>(2 * 0.2 * RATE).fill(0)
    const sound = [1, 1, 1, 1, ...pause, 2, 2, 2, 2, ...pause, 3, 3, 3, 3]
    expect(output).toEqual({ kind: 'speech', sampleRate: RATE, pcm16: Uint8Array.from(sound) })
    expect(payments?.map(({ receiptDigest }) => receiptDigest)).toEqual(['d0', 'd1', 'd2'])
    expect([limits, runSeconds]).toEqual([[100n, 70n, 40n], 6])
  })

  it('fails in words where the sounds are not alike, or far longer than the text', async () => {
    let n = 0
    const paid: string[] = []
    const onPaid: RunOptions['onPaid'] = ({ receiptDigest }) => void paid.push(receiptDigest)
    const unlike = runPiecewise(job, { pieces, onPaid, buy: async () => spoken(n, RATE + n++) })
    await expect(unlike).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /at 1000 and at 1001 Hz/ })
    expect(paid).toEqual(['d0', 'd1'])
    const endless = { kind: 'speech', sampleRate: RATE, pcm16: new Uint8Array(40 * 2 ** 20) } as const
    const long = runPiecewise(job, { pieces, buy: async () => ({ output: endless, runSeconds: 1 }) })
    await expect(long).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /over 96 MiB/ })
  })

  it('is bought over real connections, piece after piece, from whoever offers the voice', async () => {
    const identity = Identity.generate()
    const provider = await startHost({}, identity)
    const model = {
      ...{ id: 'voice', sha256: hexToBytes(job.model), task: 'speak' as const, languages: ['en'] },
      ...{ unit: '1000-characters' as const, priceWeiPerUnit: 0n },
    }
    const content = { addresses: [], models: [model], queue: 8, keptSeconds: 0, audited: true }
    await provider.handle(OFFER_MESSAGE, async () => ({ offer: signOffer(identity, content, Date.now()) }))
    const heard: string[] = []
    await provider.handle(JOB_MESSAGE, async ({ input }) => {
      const asked = decodeInput(input)
      if (asked.kind === 'text') heard.push(asked.text)
      return { kind: 'output' as const, output: encodeOutput(spoken(heard.length).output), runMs: 1 }
    })
    const jobs = new NetworkJobs(
      { providers: [addressOf(provider)], exposureWei: 0n },
      {
        host: await startHost({ listen: [] }),
        log: silentLogger,
        knownModels: async () => new KnownModels([]),
      },
    )
    expect((await jobs.describe(job)).map(({ units }) => units)).toEqual([8])
    const { output } = await jobs.run(job)
    expect(output).toMatchObject({ kind: 'speech', sampleRate: RATE })
    expect(heard).toEqual(textsOf(job))
    await jobs.close()
  })
})
