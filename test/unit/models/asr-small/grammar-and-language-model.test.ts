import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../../../src/ml/train/random.js'
import { writeLanguageModel } from '../../../../src/models/asr-small/data/texts.js'
import { dictate, readDictation } from '../../../../src/models/asr-small/dictation.js'
import { expandPattern, Grammar, scaledLikelihood } from '../../../../src/models/asr-small/grammar.js'
import { buildLanguageModel, estimateNgrams } from '../../../../src/models/asr-small/language-model.js'
import { CLASSES, encodeText } from '../../../../src/models/asr-small/text.js'
import { logLikelihood } from '../../../../src/models/ctc/likelihood.js'
import { type LogProbabilities, logSoftmaxRows } from '../../../../src/models/ctc/log-probabilities.js'

const WEIGHTS = { alpha: 0.7, beta: 1.5 }

/** Frames that say a text clearly, with as much doubt as told: three frames a letter, blanks between. */
function said(text: string, doubt: number, seed = 1): LogProbabilities {
  const random = Random.named(seed, text)
  const path = encodeText(text).flatMap((label) => [label, label, 0])
  const logits = Float32Array.from(
    { length: path.length * CLASSES },
    (_, i) => (path[Math.floor(i / CLASSES)] === i % CLASSES ? 8 : 0) + doubt * random.normal(),
  )
  return logSoftmaxRows(logits, path.length, CLASSES)
}

describe('likelihood by rescaling', () => {
  it.each([
    ['aa', 1],
    ['hello world', 3],
    ['press one to accept this call', 2],
    ['', 2],
  ])('of %j equals the one in logarithms', (text, doubt) => {
    for (const spoken of ['hello world', 'press two to reject']) {
      const sound = said(spoken, doubt)
      const labels = encodeText(text)
      const fast = scaledLikelihood(Float64Array.from(sound.data, Math.exp), sound.frames, CLASSES, labels)
      const exact = logLikelihood(sound, labels, 0)
      if (exact === Number.NEGATIVE_INFINITY) expect(fast).toBe(exact)
      else expect(fast).toBeCloseTo(exact, 6)
    }
  })

  it('is impossible where the frames are too few', () => {
    const { data, frames } = said('ab', 0)
    const labels = encodeText('far too long for six frames')
    expect(scaledLikelihood(Float64Array.from(data, Math.exp), frames, CLASSES, labels)).toBe(
      Number.NEGATIVE_INFINITY,
    )
  })
})

describe('a closed grammar', () => {
  const grammar = new Grammar(['[please] (open|close) the door', 'call extension 12', '', 'stop'])

  it('writes its patterns out', () => {
    expect(grammar.sentences).toEqual([
      'open the door',
      'close the door',
      'please open the door',
      'please close the door',
      'call extension twelve',
      'stop',
    ])
    expect(expandPattern('a (b|[c] d)')).toEqual(['a b', 'a  d', 'a c d'])
  })

  it('finds what was said through doubt, and believes it more than what was not in it', () => {
    for (const sentence of grammar.sentences) {
      const match = grammar.match(said(sentence, 2))
      expect(match?.sentence).toBe(sentence)
      const without = grammar.match(said(sentence, 2), sentence)
      expect(without?.sentence).not.toBe(sentence)
      expect(without?.confidence ?? 0).toBeLessThan(match?.confidence ?? -1)
    }
    const foreign = grammar.match(said('nothing of the sort was meant', 1))
    expect(foreign?.confidence).toBeLessThan(0.4)
  })

  it('gives a sentence back as it was written', () => {
    const match = grammar.match(said('call extension twelve', 1))
    expect(match).toMatchObject({ sentence: 'call extension twelve', written: 'call extension 12' })
    expect(match?.second?.written).toBeDefined()
    expect(match?.confidence).toBeGreaterThan(match?.second?.confidence ?? 1)
  })

  it('has no answer to a sound that is too short for all of it', () => {
    expect(grammar.match(said('a', 0))).toBeUndefined()
  })

  it.each(['open (the door', 'open the] door', '(a|b))'])('refuses %j', (line) => {
    expect(() => new Grammar([line])).toThrow(/brackets/)
  })

  it('refuses none, and more sentences than it can score', () => {
    expect(() => new Grammar(['', '...'])).toThrow(/no sentence/)
    expect(() => new Grammar([`${'(a|b)'.repeat(13)}`])).toThrow(/more than 5000/)
    const many = '(a|b)'.repeat(11)
    expect(() => new Grammar([`${many}x|${many}y|${many}z`])).toThrow(/more than 5000/)
    expect(() => new Grammar(['('.repeat(3000)])).toThrow(/2000 characters/)
  })
})

describe('the language model', () => {
  const texts = ['press one to stop', 'press two to stop', 'press one now', 'please hold', 'please stop now']
  const entries = estimateNgrams(texts.map((text) => ({ text, weight: 1 })))
  const model = buildLanguageModel(entries)

  it('gives each context probabilities that sum to one', () => {
    const words = ['press', 'one', 'two', 'to', 'stop', 'now', 'please', 'hold']
    const contexts = [[], ['press'], ['press', 'one'], ['two', 'to'], ['hold'], ['never', 'seen']]
    for (const context of contexts) {
      let state = model.begin
      for (const word of context) state = model.step(state, word).state
      const known = words.reduce((sum, word) => sum + Math.exp(model.step(state, word).logProbability), 0)
      // The rest of the vocabulary is what the unknown word stands for.
      const unknown = 100_000 * Math.exp(model.step(state, 'unheard').logProbability)
      expect(known + Math.exp(model.end(state)) + unknown).toBeCloseTo(1, 2)
    }
  })

  it('prefers what it has seen', () => {
    expect(model.sentence(['press', 'one', 'to', 'stop'])).toBeGreaterThan(
      model.sentence(['stop', 'to', 'one', 'press']),
    )
  })

  it('counts a weight as so many repeats', () => {
    const weighted = estimateNgrams([{ text: 'hold on', weight: 3 }])
    const repeated = estimateNgrams(['hold on', 'hold on', 'hold on'].map((text) => ({ text, weight: 1 })))
    expect(weighted).toEqual(repeated)
  })

  it('refuses to be made of nothing', () => {
    expect(() => estimateNgrams([])).toThrow(RangeError)
  })

  describe('as a file', () => {
    let folder = ''
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'plumbline-lm-'))
      await writeLanguageModel(folder, entries)
    })
    afterAll(() => rm(folder, { recursive: true }))

    it('is read back and holds the beam to its words', async () => {
      const dictation = await readDictation(folder)
      expect(dictate(said('press one to stop', 2), dictation, WEIGHTS)).toBe('press one to stop')
      const misheard = dictate(said('press won to stopp', 1), dictation, WEIGHTS)
      expect(misheard.split(' ').every((word) => dictation.languageModel.has(word))).toBe(true)
    })

    it('is missing where nothing wrote it', async () => {
      await expect(readDictation(join(folder, 'nowhere'))).rejects.toThrow(/cannot be opened/)
    })
  })
})
