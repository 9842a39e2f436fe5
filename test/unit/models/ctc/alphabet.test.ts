import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { CtcTokenizer } from '../../../../src/ml/tokenizers/ctc.js'
import { align } from '../../../../src/models/ctc/alignment.js'
import { readAlphabet } from '../../../../src/models/ctc/alphabet.js'
import { beamSearch } from '../../../../src/models/ctc/beam.js'
import { Lexicon } from '../../../../src/models/ctc/lexicon.js'
import { logSoftmaxRows } from '../../../../src/models/ctc/log-probabilities.js'
import { timedWords } from '../../../../src/models/ctc/timestamps.js'

const golden = (name: string) => fileURLToPath(new URL(`../../../fixtures/golden/${name}/`, import.meta.url))

/** Outputs in which every token of a path has logit 8 among zeros. */
function peaked(path: readonly number[], classes: number) {
  const logits = new Float32Array(path.length * classes)
  for (const [frame, token] of path.entries()) logits[frame * classes + token] = 8
  return logSoftmaxRows(logits, path.length, classes)
}

describe('a recogniser’s alphabet', () => {
  it.each(['01-wav2vec2-ctc-base', '02-xlsr-ctc', '03-mms-adapters'])(
    '%s: beam, lexicon and word times speak the tokenizer’s text',
    async (name) => {
      const directory = golden(name)
      const tokenizer = await CtcTokenizer.read(directory)
      const alphabet = await readAlphabet(directory, tokenizer)
      const { blank, delimiter, textOf } = alphabet
      if (delimiter === undefined) throw new Error('no delimiter')
      const classes = tokenizer.vocabulary.size
      const isLetter = (id: number) =>
        id !== blank &&
        id !== delimiter &&
        alphabet.forbidden?.has(id) !== true &&
        [...textOf(id)].length === 1
      const letters = Array.from({ length: classes }, (_, id) => id).filter(isLetter)
      const [a = 0, b = 0, c = 0] = letters
      const path = [blank, a, a, blank, a, b, delimiter, delimiter, blank, c, blank, a]
      const input = peaked(path, classes)
      const text = tokenizer.decode(path)
      expect(text.split(' ')).toHaveLength(2)
      const [found] = beamSearch(input, alphabet)
      expect(found?.text).toBe(text)
      const spell = (word: string) => tokenizer.encode(word)
      const lexicon = new Lexicon([...text.split(' '), textOf(b)], spell)
      const [held] = beamSearch(input, alphabet, { lexicon })
      expect(held?.words).toEqual(text.split(' '))
      const words = timedWords(
        align(input, found?.tokens ?? [], blank),
        textOf,
        { samplesPerFrame: 320, sampleRate: 16_000 },
        delimiter,
      )
      expect(words.map((word) => word.text)).toEqual(text.split(' '))
      expect(words.map(({ startSeconds }) => startSeconds)).toEqual([0.02, 0.18])
    },
  )
})
