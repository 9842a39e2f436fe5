/** Recognisers with a language model: letters and capitals, published folders, pieces of a long recording. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { CtcTokenizer } from '../../../../src/ml/tokenizers/ctc.js'
import { arpaSize, readArpa } from '../../../../src/models/ctc/arpa.js'
import { beamSearch } from '../../../../src/models/ctc/beam.js'
import { BeamPieces } from '../../../../src/models/ctc/beam-pieces.js'
import { Fusion, type FusionOptions } from '../../../../src/models/ctc/fusion.js'
import { bestPath } from '../../../../src/models/ctc/greedy.js'
import { logSoftmaxRows } from '../../../../src/models/ctc/log-probabilities.js'
import { findLanguageModel } from '../../../../src/models/ctc/published-model.js'
import { refusalOf, temporaryFile, temporaryPath } from '../../ml/files-support.js'
import { ARPA } from './arpa-example.js'

const LETTERS = [...'abcehnorst']
const BLANK = 0
const DELIMITER = 4
/** Frames a second such that the longest piece has ten of them. */
const BASE = { samplesPerFrame: 3, sampleRate: 1 }
const PIECE = 10

/** A recogniser's directory, without its weights. */
function vocabularyOf(letters: readonly string[], delimiter = true): string {
  const directory = temporaryPath('recogniser')
  mkdirSync(directory)
  const tokens = ['<pad>', '<s>', '</s>', '<unk>', ...(delimiter ? ['|'] : []), ...letters]
  const vocabulary = Object.fromEntries(tokens.map((token, id) => [token, id]))
  writeFileSync(join(directory, 'vocab.json'), JSON.stringify(vocabulary))
  writeFileSync(join(directory, 'tokenizer_config.json'), '{"tokenizer_class": "Wav2Vec2CTCTokenizer"}')
  return directory
}

const idOf = (letter: string): number =>
  letter === '_' ? BLANK : letter === '|' ? DELIMITER : DELIMITER + 1 + LETTERS.indexOf(letter)

/** A frame a letter, `_` is the blank; `nt` says that the first is a little likelier than the second. */
function sound(frames: readonly string[]) {
  const classes = DELIMITER + 1 + LETTERS.length
  const logits = new Float32Array(frames.length * classes)
  for (const [frame, said] of frames.entries())
    for (const [rank, letter] of [...said].entries()) logits[frame * classes + idOf(letter)] = 12 - 0.4 * rank
  return logSoftmaxRows(logits, frames.length, classes)
}

const each = (text: string): string[] => [...text]
const SPOKEN = [...each('the|ca'), 'nt', ...each('|sat')]

async function fused(directory: string, options: FusionOptions) {
  const tokenizer = await CtcTokenizer.read(directory)
  return { tokenizer, fused: await (await Fusion.open(directory, options)).with(tokenizer) }
}

async function heard(directory: string, options: FusionOptions, frames: readonly string[]) {
  const { tokenizer, fused: with_ } = await fused(directory, options)
  const pieces = new BeamPieces(with_, BASE)
  pieces.finish(sound(frames))
  return { text: tokenizer.decode(pieces.tokens, { collapse: false }), words: pieces.words }
}

describe('a recogniser with a language model', () => {
  const arpa = temporaryFile(ARPA, 'example.arpa')

  it('hears the word that the model knows, where the sound alone is of another mind', async () => {
    const directory = vocabularyOf(LETTERS)
    const tokenizer = await CtcTokenizer.read(directory)
    expect(tokenizer.decode(bestPath(sound(SPOKEN), BLANK).path)).toBe('the can sat')
    const { text, words } = await heard(directory, { path: arpa }, SPOKEN)
    expect(text).toBe('the cat sat')
    expect(words.map((word) => [word.text, word.startSeconds, word.endSeconds])).toEqual([
      ['the', 0, 9],
      ['cat', 12, 21],
      ['sat', 24, 33],
    ])
    for (const { confidence } of words) expect(confidence).toBeGreaterThan(0.3)
    // The weight decides how much the model is believed.
    expect((await heard(directory, { path: arpa, alpha: 0 }, SPOKEN)).text).toBe('the can sat')
  })

  it('speaks to the model in the letters that it is written in, and keeps its own', async () => {
    const directory = vocabularyOf(LETTERS.map((letter) => letter.toUpperCase()))
    expect((await heard(directory, { path: arpa }, SPOKEN)).text).toBe('THE CAT SAT')
    const capitals = temporaryFile(
      ARPA.toUpperCase().replace(/\\(DATA|END)\\|NGRAM|-GRAMS|<\/?S>/g, (word) => word.toLowerCase()),
      'upper.arpa',
    )
    expect((await heard(vocabularyOf(LETTERS), { path: capitals }, SPOKEN)).text).toBe('the cat sat')
  })

  it('keeps unknown words apart, though one long one would be unknown only once', async () => {
    // Between the words a boundary is a little likelier than none.
    const unknown = ['northobe', 'secorbth', 'ebonstra']
    const frames = unknown.flatMap((word, i) => [...(i > 0 ? ['|_'] : []), ...word])
    const { text } = await heard(vocabularyOf(LETTERS), { path: arpa, beta: 3 }, frames)
    expect(text).toBe(unknown.join(' '))
  })

  it('refuses what is spelt in other letters, and a language without word boundaries', async () => {
    const foreign = temporaryFile(
      '\\data\\\nngram 1=2\n\n\\1-grams:\n-0.3 привет\n-0.3 мир\n\n\\end\\\n',
      'foreign.arpa',
    )
    const { line } = await refusalOf(() => fused(vocabularyOf(LETTERS), { path: foreign }))
    expect(line).toMatch(/привет, мир.*not spelt in this recogniser's letters/)
    const { line: whole } = await refusalOf(() => fused(vocabularyOf(LETTERS, false), { path: arpa }))
    expect(whole).toMatch(/no word boundaries/)
  })
})

describe('pieces of a long recording', () => {
  const directory = vocabularyOf(LETTERS)
  /** After b comes c, at the beginning of a sentence a. */
  const path = temporaryFile(
    '\\data\\\nngram 1=6\nngram 2=3\n\n\\1-grams:\n-99 <s> 0\n-1 a 0\n-1 b 0\n-1 c 0\n-1 </s>\n-2 <unk>\n\n' +
      '\\2-grams:\n-0.1 <s> a\n-0.1 b c\n-0.1 a b\n\n\\end\\\n',
    'context.arpa',
  )

  it('are cut between words, and their words have their places in the whole', async () => {
    const frames = each('a|b|c|a_|_b__|_c|a|b|c|a|b|c')
    const { text, words } = await heard(directory, { path, alpha: 0.1 }, frames)
    const letters = frames.flatMap((letter, frame) => (/[a-c]/.test(letter) ? [[letter, frame]] : []))
    expect(frames.length).toBeGreaterThan(2 * PIECE)
    expect(text).toBe(letters.map(([letter]) => letter).join(' '))
    expect(words.map(({ text: word, startSeconds }) => [word, startSeconds / 3])).toEqual(letters)
  })

  it('know what was said before them', async () => {
    // The cut lies in the pause; then a and c are about as likely as each other.
    const frames = [...each('a|b|____|'), 'ac', ...each('_____')]
    expect((await heard(directory, { path, alpha: 2 }, frames)).text).toBe('a b c')
    const { fused: with_ } = await fused(directory, { path, alpha: 2 })
    const rest = beamSearch(sound(frames.slice(PIECE - 1)), with_.alphabet, with_.beam)
    expect(rest[0]?.text).toBe('a')
  })

  it('come out as they are heard, window by window', async () => {
    const frames = each('a|b|c|a_|_b__|_c|a|b|c|a|b|c|a|b')
    const whole = sound(frames)
    const { fused: with_ } = await fused(directory, { path })
    const [growing, atOnce] = [new BeamPieces(with_, BASE), new BeamPieces(with_, BASE)]
    const counts = [4, 11, 13, 25].map((count) => {
      growing.upTo(whole, count)
      return growing.words.length
    })
    expect(counts[0]).toBe(0)
    expect(counts[3]).toBeGreaterThan(counts[1] ?? 0)
    growing.finish(whole)
    atOnce.finish(whole)
    expect(growing.words).toEqual(atOnce.words)
  })
})

describe('a language model that came with the checkpoint', () => {
  const published = (
    attributes: string | undefined,
    file = '4gram.arpa',
    content: string | Uint8Array = ARPA,
  ) => {
    const directory = vocabularyOf(LETTERS)
    writeFileSync(join(directory, 'alphabet.json'), '{"labels": [], "is_bpe": false}')
    mkdirSync(join(directory, 'language_model'))
    writeFileSync(join(directory, 'language_model', file), content)
    if (attributes !== undefined) writeFileSync(join(directory, 'language_model', 'attrs.json'), attributes)
    return directory
  }

  it('is found, and used with the weights that its author chose', async () => {
    const directory = published(
      '{"alpha": 0.7, "beta": -0.5, "unk_score_offset": -3, "score_boundary": false}',
    )
    expect(await findLanguageModel(directory)).toMatchObject({ format: 'arpa' })
    const { fused: with_ } = await fused(directory, {})
    expect(with_).toMatchObject({ isSentence: false, beam: { alpha: 0.7, beta: -0.5, beamWidth: 100 } })
    expect(with_.beam.unknownWord).toBeCloseTo(-3 * Math.LN10)
    expect((await fused(directory, { beta: 2 })).fused.beam.beta).toBe(2)
    expect((await heard(published(undefined), {}, SPOKEN)).text).toBe('the cat sat')
    expect((await heard(published(undefined, 'lm.arpa.gz', gzipSync(ARPA)), {}, SPOKEN)).text).toBe(
      'the cat sat',
    )
  })

  it('is told what it lacks in one line', async () => {
    expect(await findLanguageModel(vocabularyOf(LETTERS))).toBeUndefined()
    const bare = await refusalOf(() => Fusion.open(vocabularyOf(LETTERS), {}))
    expect(bare.line).toMatch(/no language model of its own/)
    const binary = 'mmap lm http://kheafield.com/code format version 5\n\0'
    const onlyBinary = await refusalOf(() => Fusion.open(published(undefined, '5gram.bin', binary), {}))
    expect(onlyBinary.line).toMatch(/5gram\.bin is a KenLM binary.*give the ARPA file/)
    const named = await refusalOf(() => readArpa(temporaryFile(binary, 'a.arpa')))
    expect(named.line).toMatch(/is a KenLM binary.*give the ARPA file/)
    const odd = await refusalOf(() => Fusion.open(published('{"alpha": "much"}'), {}))
    expect(odd.line).toMatch(/attrs\.json: its alpha/)
  })
})

describe('the size of an ARPA file', () => {
  it('is known from its head alone', async () => {
    const head = '\\data\\\nngram 1=1000\nngram 2=5000\n\n\\1-grams:\nwhat follows is not looked at'
    expect(await arpaSize(temporaryFile(head))).toMatchObject({ ngrams: [1000, 5000] })
    const { memoryBytes } = await arpaSize(temporaryFile(head))
    expect(memoryBytes).toBeGreaterThan(6000 * 45)
  })

  it('is bounded', async () => {
    const many = await refusalOf(() => arpaSize(temporaryFile('\\data\\\nngram 1=10\nngram 2=30000000\n')))
    expect(many.line).toMatch(/30000010 n-grams exceed the limit of 20000000/)
    const words = await refusalOf(() => arpaSize(temporaryFile('\\data\\\nngram 1=9000000\n')))
    expect(words.line).toMatch(/9000000 words, more than/)
  })
})
