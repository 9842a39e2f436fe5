import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readArpa } from '../../../../src/models/ctc/arpa.js'
import { refusalOf, temporaryPath } from '../../ml/files-support.js'
import { ARPA, TRIGRAMS } from './arpa-example.js'

async function modelOf(text: string | Uint8Array, options = {}) {
  const path = temporaryPath('model.arpa')
  writeFileSync(path, text)
  return readArpa(path, options)
}

const LN10 = Math.LN10

describe('ARPA models', () => {
  it('the probabilities after every history sum to 1', async () => {
    const model = await modelOf(ARPA)
    const words = [...model.words].filter((word) => word !== '<s>')
    const histories: string[][] = [[]]
    for (const a of words) for (const b of ['', ...words]) histories.push(b === '' ? [a] : [b, a])
    for (const begin of [model.begin, model.empty])
      for (const history of histories) {
        const state = history.reduce((at, word) => model.step(at, word).state, begin)
        const sum = words.reduce((total, word) => {
          const logP = word === '</s>' ? model.end(state) : model.step(state, word).logProbability
          return total + Math.exp(logP)
        }, 0)
        expect(sum, history.join(' ')).toBeCloseTo(1, 5)
      }
  })

  it('listed n-grams have their own value, others back off weight by weight', async () => {
    const model = await modelOf(ARPA)
    for (const { words, log10P } of TRIGRAMS) {
      const [a = '', b = '', c = ''] = words
      const start = a === '<s>' ? model.begin : model.step(model.empty, a).state
      const state = model.step(start, b).state
      const logP = c === '</s>' ? model.end(state) : model.step(state, c).logProbability
      expect(logP, words.join(' ')).toBeCloseTo(log10P * LN10, 5)
    }
  })

  it('an unknown word counts as <unk>, and as 10^-100 where there is none', async () => {
    const model = await modelOf(ARPA)
    expect(model.step(model.begin, 'zebra')).toEqual(model.step(model.begin, '<unk>'))
    const bare = await modelOf('\\data\\\nngram 1=2\n\n\\1-grams:\n-0.3 a\n-0.3 </s>\n\n\\end\\\n')
    expect(bare.step(bare.begin, 'zebra').logProbability).toBeCloseTo(-100 * LN10)
    expect(bare.sentence(['a'])).toBeCloseTo(-0.6 * LN10)
  })

  it('a context that the model prunes away backs off without a weight, its longer n-grams still count', async () => {
    const text =
      '\\data\\\nngram 1=3\nngram 2=1\nngram 3=1\n\n\\1-grams:\n-0.5 a -0.1\n-0.6 b -0.2\n-0.7 c -0.3\n\n' +
      '\\2-grams:\n-0.4 b c -0.05\n\n\\3-grams:\n-0.01 a b c\n\n\\end\\\n'
    const model = await modelOf(text)
    const ab = model.step(model.step(model.empty, 'a').state, 'b')
    expect(ab.logProbability / LN10).toBeCloseTo(-0.1 - 0.6)
    expect(model.step(ab.state, 'c').logProbability / LN10).toBeCloseTo(-0.01)
    // "a b" has no weight of its own; "b" has.
    expect(model.step(ab.state, 'a').logProbability / LN10).toBeCloseTo(-0.2 - 0.5)
  })

  it('gzip is read as it is', async () => {
    const plain = await modelOf(ARPA)
    const packed = await modelOf(gzipSync(ARPA))
    expect(packed.count).toBe(plain.count)
    expect(packed.sentence(['the', 'cat'])).toBe(plain.sentence(['the', 'cat']))
    expect((await refusalOf(() => modelOf(gzipSync(ARPA).subarray(0, 60)))).line).toMatch(
      /gzip data is damaged/,
    )
  })

  it.each([
    ['no header', 'hello\n'.repeat(1002), /line 1001: there is no \\data\\/],
    ['an early end', ARPA.split('\n').slice(0, 12).join('\n'), /breaks off after line \d+/],
    [
      'a missing n-gram',
      ARPA.replace(/\n-[^\n]*\tcat\t[^\n]*/, ''),
      /line \d+: \d+ 1-grams came, \d+ were announced/,
    ],
    ['a surplus n-gram', ARPA.replace('\\1-grams:\n', '\\1-grams:\n-1\tdog\t0\n'), /line \d+: more 1-grams/],
    ['a word from nowhere', ARPA.replace('\tthe cat', '\tthe zebra'), /"zebra" is not among the 1-grams/],
    ['a repeated n-gram', ARPA.replace('\tthe sat', '\tthe cat'), /stands there twice/],
    ['a number that is none', ARPA.replace(/-\d\.\d+\tthe cat/, 'x\tthe cat'), /"x" is no number/],
    ['a positive logarithm', ARPA.replace(/-\d\.\d+\tthe cat/, '0.5\tthe cat'), /0.5 is no logarithm/],
    ['a section out of place', ARPA.replace('\\2-grams:', '\\3-grams:'), /3-grams is out of place/],
    ['a line without end', `\\data\\\n${'x'.repeat(20_000)}`, /more than 16384 characters/],
  ])('%s is refused by line', async (_, text, message) => {
    expect((await refusalOf(() => modelOf(text))).line).toMatch(message)
  })

  it('more n-grams than the limit are refused before they are read', async () => {
    expect((await refusalOf(() => modelOf(ARPA, { maxNgrams: 5 }))).line).toMatch(/exceed the limit of 5/)
  })
})
