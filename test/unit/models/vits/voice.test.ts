import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { align, priorLatents } from '../../../../src/models/vits/alignment.js'
import { VitsModel } from '../../../../src/models/vits/model.js'
import { MOST_CHARACTERS, Voice } from '../../../../src/models/vits/voice.js'
import { refusalOf } from '../../ml/files-support.js'
import { changed, only } from './support.js'

const golden = only('10a')

describe('a voice', () => {
  let voice: Voice
  beforeAll(async () => {
    voice = await Voice.open(golden.folder)
  })
  afterAll(() => voice?.close())

  const say = (text: string, options: Parameters<Voice['speak']>[2] = {}) => voice.speak(text, 0, options)

  it('the same seed says the same, another one does not', async () => {
    const first = await say('the cat', { seed: 7 })
    expect(await say('the cat', { seed: 7 })).toEqual(first)
    expect(await say('the cat', { seed: 8 })).not.toEqual(first)
    // Without noise there is nothing to draw.
    const still = { noiseScale: 0, durationNoiseScale: 0 }
    expect(await say('the cat', { ...still, seed: 8 })).toEqual(await say('the cat', { ...still, seed: 7 }))
  })

  it('noise, its rhythm and the speaking rate do what they say', async () => {
    const still = { noiseScale: 0, durationNoiseScale: 0 }
    const plain = await say('a dog and a cat', still)
    const slow = await say('a dog and a cat', { ...still, speakingRate: 0.5 })
    expect(slow.length).toBeGreaterThan(1.5 * plain.length)
    const noisy = await say('a dog and a cat', { ...still, noiseScale: 1 })
    expect(noisy).toHaveLength(plain.length)
    expect(noisy).not.toEqual(plain)
    const lengths = await Promise.all(
      [1, 2, 3, 4].map(
        async (seed) => (await say('a dog and a cat', { ...still, durationNoiseScale: 2, seed })).length,
      ),
    )
    expect(new Set(lengths).size).toBeGreaterThan(1)
  })

  it('pieces after the first begin with silence', async () => {
    const first = await voice.speak('the cat', 0)
    const later = await voice.speak('the cat', 3)
    const pause = later.length - first.length
    expect(pause).toBe(0.2 * voice.sampleRate)
    expect(later.subarray(0, pause).every((sample) => sample === 0)).toBe(true)
    expect(later.subarray(pause)).toEqual(first)
  })

  it('a plan says what is spoken and what is left out', () => {
    const { pieces, leftOut } = voice.plan(
      'The cat has 3 mice, and one dog there! It cost 5 € in the end, or so.',
    )
    expect(pieces).toHaveLength(2)
    expect(leftOut).toEqual(['3', '5', '€'])
    expect(voice.plan('123! The cat.').pieces.join(' ')).toContain('The cat.')
  })

  it('bad input is refused in one line each', async () => {
    const lineOf = async (attempt: () => unknown) => (await refusalOf(attempt)).line
    expect(await lineOf(() => voice.plan(' \n'))).toMatch(/nothing to say; give some text/)
    expect(await lineOf(() => voice.plan('12 34!'))).toMatch(
      /nothing of the text is in this voice's alphabet.*\(eng\)/,
    )
    expect(await lineOf(() => voice.plan('a'.repeat(MOST_CHARACTERS + 1)))).toMatch(
      /at most \d+ are spoken; cut it/,
    )
    expect(await lineOf(() => say('the cat', { speaker: 1 }))).toMatch(/no speaker 1; this voice has one, 0/)
    const patient = { speakingRate: 1e-4 }
    expect(await lineOf(() => say('the cat', patient))).toMatch(/\d+ frames without a pause, of \d+ at most/)
  })

  it('many lengths are served by the graphs that were opened once', async () => {
    const lengths = new Set<number>()
    for (let words = 1; words <= 12; words++)
      lengths.add((await say(Array.from({ length: words }, () => 'cat').join(' '))).length)
    expect(lengths.size).toBeGreaterThan(8)
  })
})

describe('voices of other alphabets', () => {
  it('one that needs romanised text asks for it', async () => {
    const directory = await changed(golden, { tokenizer: { is_uroman: true, language: 'rus' } })
    const voice = await Voice.open(directory)
    expect((await refusalOf(() => voice.plan('слово'))).line).toMatch(/Latin letters only; romanise the text/)
    expect(voice.plan('slovo').pieces).toEqual(['slovo'])
    await voice.close()
    await rm(directory, { recursive: true })
  })

  it('one of phonemes, or without a tokenizer, is refused before anything is loaded', async () => {
    const directory = await changed(golden, { tokenizer: { phonemize: true } })
    expect((await refusalOf(() => Voice.open(directory))).line).toMatch(/speaks phonemes.*MMS-TTS/)
    await rm(directory, { recursive: true })
    expect((await refusalOf(() => Voice.open(only('10b').folder))).line).toMatch(/no tokenizer_config\.json/)
  })
})

describe('ids that do not fit', () => {
  it('are named', async () => {
    const model = await VitsModel.open(golden.folder)
    const { vocab_size: size } = golden.config as { vocab_size: number }
    expect((await refusalOf(() => model.synthesise([[size]]))).line).toContain(`gives id ${size}`)
    expect((await refusalOf(() => model.synthesise([Array.from({ length: 5000 }, () => 0)]))).line).toMatch(
      /5000 tokens are more than/,
    )
    await model.close()
  })
})

describe('alignment', () => {
  it('durations are whole frames, at least one in all, none at padding', () => {
    const logs = Float32Array.of(Math.log(1.5), Math.log(3), -30, -30, 5, 5)
    expect(align(logs, [3, 0], 1, 100)).toEqual({
      durations: [
        [2, 3, 1],
        [0, 0, 0],
      ],
      frames: [6, 1],
    })
    expect(align(logs, [2, 1], 2, 100).durations[0]).toEqual([1, 2, 0])
  })

  it('no duration is beyond bounds, not even an endless one', async () => {
    for (const wild of [89, Number.POSITIVE_INFINITY, Number.NaN])
      expect((await refusalOf(() => align(Float32Array.of(wild), [1], 1, 100))).code).toBe('BAD_ARGUMENT')
  })

  it('statistics are repeated as often as their token lasts', () => {
    const { values, frames } = priorLatents({
      means: Float32Array.of(1, 2, 3, 4),
      logDeviations: Float32Array.of(0, Math.log(2), 0, 0),
      width: 2,
      alignment: { durations: [[2, 1]], frames: [3] },
      noiseScale: 0.5,
      noise: Float32Array.of(1, 1, 1, 1, 1, 1),
    })
    expect(frames).toBe(3)
    expect([...values].map((value) => Number(value.toFixed(4)))).toEqual([1.5, 1.5, 3.5, 3, 3, 4.5])
  })
})
