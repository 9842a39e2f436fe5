import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readArpa } from '../../../../src/models/ctc/arpa.js'
import { beamSearch } from '../../../../src/models/ctc/beam.js'
import type { BeamAlphabet, BeamOptions } from '../../../../src/models/ctc/beam-options.js'
import { bestPath, collapse } from '../../../../src/models/ctc/greedy.js'
import { Lexicon } from '../../../../src/models/ctc/lexicon.js'
import { logLikelihood } from '../../../../src/models/ctc/likelihood.js'
import { type LogProbabilities, logAdd } from '../../../../src/models/ctc/log-probabilities.js'
import type { NgramModel } from '../../../../src/models/ctc/ngram.js'
import { temporaryPath } from '../../ml/files-support.js'
import { masses, outputs, paths } from './support.js'

/** Blank, two letters, a space: words of one model are a, b and ab. */
const TEXT = ['', 'a', 'b', ' ']
const alphabet: BeamAlphabet = { blank: 0, delimiter: 3, textOf: (token) => TEXT[token] ?? '' }
const EXACT: BeamOptions = {
  beamWidth: Number.POSITIVE_INFINITY,
  beamThreshold: Number.POSITIVE_INFINITY,
  tokenThreshold: Number.NEGATIVE_INFINITY,
  tokensPerFrame: Number.POSITIVE_INFINITY,
  results: Number.POSITIVE_INFINITY,
}
const spell = (word: string) => [...word].map((letter) => TEXT.indexOf(letter))
const wordsOf = (tokens: readonly number[]) => tokens.map(alphabet.textOf).join('').split(' ').filter(Boolean)

const MODEL = [
  '\\data\\',
  'ngram 1=6',
  'ngram 2=4',
  '',
  '\\1-grams:',
  '-99\t<s>\t-0.2',
  '-0.5\ta\t-0.3',
  '-0.9\tb\t-0.1',
  '-0.4\tab\t-0.25',
  '-0.8\t</s>',
  '-1.1\t<unk>',
  '',
  '\\2-grams:',
  '-0.2\t<s> a',
  '-0.6\ta b',
  '-0.3\tab a',
  '-0.35\tb </s>',
  '',
  '\\end\\',
].join('\n')

async function model(): Promise<NgramModel> {
  const path = temporaryPath('beam.arpa')
  writeFileSync(path, MODEL)
  return readArpa(path)
}

/** Every text's score by enumeration of all paths. */
function enumerated(
  input: LogProbabilities,
  languageModel: NgramModel | undefined,
  { alpha = 0.5, beta = 0 }: BeamOptions,
  allowed?: ReadonlySet<string>,
): Map<string, number> {
  const sums = masses(input, 0, (tokens) => {
    const words = wordsOf(tokens)
    return allowed === undefined || words.every((word) => allowed.has(word)) ? words.join(' ') : undefined
  })
  for (const [text, logP] of sums) {
    const words = text.split(' ').filter(Boolean)
    sums.set(text, logP + (languageModel ? alpha * languageModel.sentence(words) : 0) + beta * words.length)
  }
  return sums
}

function expectSame(found: readonly { text: string; score: number }[], expected: Map<string, number>) {
  expect(new Set(found.map(({ text }) => text))).toEqual(new Set(expected.keys()))
  for (const { text, score } of found) expect(score, text).toBeCloseTo(expected.get(text) ?? Number.NaN, 5)
  const scores = found.map(({ score }) => score)
  expect(scores).toEqual(scores.toSorted((a, b) => b - a))
}

describe('prefix beam search without bounds', () => {
  it('is the sum over all paths', () => {
    fc.assert(
      fc.property(outputs({ min: 1, max: 5 }, 4), (input) => {
        expectSame(beamSearch(input, alphabet, EXACT), enumerated(input, undefined, {}))
      }),
      { numRuns: 40 },
    )
  })

  it('with an n-gram model', async () => {
    const languageModel = await model()
    fc.assert(
      fc.property(
        outputs({ min: 1, max: 5 }, 4),
        fc.float({ min: 0, max: 2, noNaN: true }),
        fc.float({ min: -2, max: 2, noNaN: true }),
        (input, alpha, beta) => {
          const options = { ...EXACT, languageModel, alpha, beta }
          expectSame(beamSearch(input, alphabet, options), enumerated(input, languageModel, { alpha, beta }))
        },
      ),
      { numRuns: 30 },
    )
  })

  it('held to a lexicon', async () => {
    const words = ['ab', 'b']
    const languageModel = await model()
    const lexicon = new Lexicon(words, spell)
    fc.assert(
      fc.property(outputs({ min: 1, max: 5 }, 4), (input) => {
        const found = beamSearch(input, alphabet, { ...EXACT, lexicon, languageModel })
        expectSame(found, enumerated(input, languageModel, {}, new Set(words)))
      }),
      { numRuns: 30 },
    )
  })

  it('without a delimiter every token is a word', async () => {
    const languageModel = await model()
    fc.assert(
      fc.property(outputs({ min: 1, max: 5 }, 3), (input) => {
        const plain: BeamAlphabet = { blank: 0, textOf: alphabet.textOf }
        const found = beamSearch(input, plain, { ...EXACT, languageModel })
        const expected = masses(input, 0, (tokens) => tokens.map(plain.textOf).join(''))
        for (const [text, logP] of expected)
          expected.set(text, logP + 0.5 * languageModel.sentence([...text]))
        expectSame(found, expected)
      }),
      { numRuns: 20 },
    )
  })
})

/** The algorithm as the papers print it: a table of prefixes, rebuilt at each frame; no delimiter, no bounds but one; undefined where ties decide. */
function textbookBeam(
  { data, frames, classes }: LogProbabilities,
  width: number,
): Map<string, number> | undefined {
  let beam = new Map([['', { blank: 0, nonBlank: Number.NEGATIVE_INFINITY }]])
  for (let frame = 0; frame < frames; frame++) {
    const next: typeof beam = new Map()
    const at = (key: string) => {
      const entry = next.get(key) ?? { blank: Number.NEGATIVE_INFINITY, nonBlank: Number.NEGATIVE_INFINITY }
      next.set(key, entry)
      return entry
    }
    for (const [key, { blank, nonBlank }] of beam) {
      const row = (token: number) => data[frame * classes + token] ?? Number.NaN
      const same = at(key)
      same.blank = logAdd(same.blank, logAdd(blank, nonBlank) + row(0))
      for (let token = 1; token < classes; token++) {
        const isRepeat = key.endsWith(String(token))
        if (isRepeat) same.nonBlank = logAdd(same.nonBlank, nonBlank + row(token))
        const longer = at(key + token)
        longer.nonBlank = logAdd(longer.nonBlank, (isRepeat ? blank : logAdd(blank, nonBlank)) + row(token))
      }
    }
    const total = ([, entry]: readonly [string, { blank: number; nonBlank: number }]) =>
      logAdd(entry.blank, entry.nonBlank)
    const ranked = [...next].sort((a, b) => total(b) - total(a))
    const [last, out] = ranked.slice(width - 1, width + 1)
    // Of equals, which one stays is anybody's choice.
    if (last !== undefined && out !== undefined && total(last) - total(out) < 1e-9) return undefined
    beam = new Map(ranked.slice(0, width))
  }
  return new Map([...beam].map(([key, { blank, nonBlank }]) => [key, logAdd(blank, nonBlank)]))
}

describe('a bounded beam', () => {
  it('keeps what the textbook’s keeps, prefixes that drop out and come back among them', () => {
    const digits: BeamAlphabet = { blank: 0, textOf: String }
    fc.assert(
      fc.property(outputs({ min: 1, max: 24 }, 3), fc.integer({ min: 1, max: 5 }), (input, beamWidth) => {
        const bounds = { ...EXACT, beamWidth }
        const expected = textbookBeam(input, beamWidth)
        fc.pre(expected !== undefined)
        expectSame(beamSearch(input, digits, bounds), expected ?? new Map())
      }),
      { numRuns: 400 },
    )
  })

  it('never exceeds a text’s true likelihood and never returns a path through a forbidden class', () => {
    fc.assert(
      fc.property(outputs({ min: 1, max: 6 }, 4), fc.integer({ min: 1, max: 4 }), (input, beamWidth) => {
        const truth = enumerated(input, undefined, {})
        for (const { text, score } of beamSearch(input, alphabet, { beamWidth, results: 4 }))
          expect(score).toBeLessThanOrEqual((truth.get(text) ?? Number.NaN) + 1e-6)
        const [hypothesis] = beamSearch(input, { ...alphabet, forbidden: new Set([2]) }, { beamWidth })
        expect(hypothesis?.tokens ?? []).not.toContain(2)
      }),
    )
  })

  it('holds no more hypotheses than asked for, over many frames', () => {
    const frames = 400
    const classes = 4
    const data = Float32Array.from({ length: frames * classes }, (_, i) =>
      Math.log(0.25 + 0.01 * Math.sin(i * i)),
    )
    const found = beamSearch({ data, frames, classes }, alphabet, { beamWidth: 7, results: 50 })
    expect(found.length).toBeLessThanOrEqual(7)
    expect(found.length).toBeGreaterThan(0)
  })

  it('a word broken off is told where the lexicon leaves nothing else', () => {
    const lexicon = new Lexicon(['ab'], spell)
    const sure = (token: number) => TEXT.map((_, i) => Math.log(i === token ? 0.997 : 0.001))
    const data = Float32Array.from([...sure(1), ...sure(1)])
    const [cut] = beamSearch({ data, frames: 2, classes: 4 }, alphabet, { lexicon, beamWidth: 1 })
    expect(cut).toMatchObject({ text: 'a', isComplete: false })
  })

  it('refuses bounds and inputs that mean nothing', () => {
    const input = { data: new Float32Array(4).fill(Math.log(0.25)), frames: 1, classes: 4 }
    expect(() => beamSearch(input, alphabet, { beamWidth: 0 })).toThrow(/beamWidth is at least 1/)
    expect(() => beamSearch(input, alphabet, { beamThreshold: -1 })).toThrow(/beamThreshold/)
    expect(() => beamSearch({ ...input, frames: 2 }, alphabet)).toThrow(/do not fill/)
    expect(() => beamSearch({ ...input, data: Float32Array.of(1, 2, 3, 4) }, alphabet)).toThrow(/no log prob/)
    const lexicon = new Lexicon(['a'], spell)
    expect(() => beamSearch(input, { ...alphabet, delimiter: undefined } as never, { lexicon })).toThrow(
      /needs an alphabet with a delimiter/,
    )
  })
})

describe('likelihood and best path', () => {
  it('the likelihood is the sum over all paths that spell the tokens', () => {
    fc.assert(
      fc.property(outputs({ min: 1, max: 5 }, 3), (input) => {
        const sums = masses(input, 0, (tokens) => tokens.join(','))
        for (const [key, logP] of sums) {
          const tokens = key === '' ? [] : key.split(',').map(Number)
          expect(logLikelihood(input, tokens, 0)).toBeCloseTo(logP, 5)
        }
      }),
      { numRuns: 30 },
    )
    const short = { data: new Float32Array(6).fill(Math.log(1 / 3)), frames: 2, classes: 3 }
    expect(logLikelihood(short, [1, 1], 0)).toBe(Number.NEGATIVE_INFINITY)
  })

  it('the best path is the likeliest of all', () => {
    fc.assert(
      fc.property(outputs({ min: 1, max: 5 }, 3), (input) => {
        const found = bestPath(input, 0)
        const best = Math.max(...[...paths(input)].map(([, logP]) => logP))
        expect(found.logProbability).toBeCloseTo(best, 5)
        expect(found.tokens).toEqual(collapse(found.path, 0))
      }),
    )
  })
})
