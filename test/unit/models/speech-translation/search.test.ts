import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type GenerationConfig,
  parseGenerationConfig,
} from '../../../../src/models/speech-translation/generation-config.js'
import { applyRules, bannedByNgrams } from '../../../../src/models/speech-translation/score-rules.js'
import { type DecoderState, generate, logSoftmax } from '../../../../src/models/speech-translation/search.js'

const END = 0
const START = 1
const config: GenerationConfig = {
  startToken: START,
  endTokens: [END],
  padToken: 2,
  maxLength: 5,
  minLength: 0,
  beams: 1,
  lengthPenalty: 1,
  earlyStopping: 'never',
  noRepeatNgram: 0,
  repetitionPenalty: 1,
  forcedFirstToken: undefined,
  forcedLastToken: undefined,
  suppressedTokens: [],
}

/** A decoder whose logits depend on the last two tokens, by a table. */
class Markov implements DecoderState {
  readonly #table: readonly Float32Array[]
  readonly #vocabulary: number
  #rows: (readonly number[])[] = [[]]

  constructor(table: readonly Float32Array[], vocabulary: number) {
    this.#table = table
    this.#vocabulary = vocabulary
  }

  logits(sequence: readonly number[]): Float32Array {
    const [a = 0, b = 0] = sequence.slice(-2)
    return this.#table[(a * this.#vocabulary + b) % this.#table.length] ?? new Float32Array(this.#vocabulary)
  }

  async step(from: readonly number[], tokens: readonly number[]): Promise<readonly Float32Array[]> {
    this.#rows = tokens.map((token, i) => [...(this.#rows[from[i] ?? 0] ?? []), token])
    return this.#rows.map((row) => this.logits(row))
  }
}

const VOCABULARY = 4
const tables = fc.array(
  fc
    .array(fc.float({ min: -3, max: 3, noNaN: true }), { minLength: VOCABULARY, maxLength: VOCABULARY })
    .map((logits) => Float32Array.from(logits)),
  { minLength: VOCABULARY * VOCABULARY, maxLength: VOCABULARY * VOCABULARY },
)

/** Every sequence that ends or is as long as allowed, with its score. */
function* sequences(
  decoder: Markov,
  { maxLength, lengthPenalty }: GenerationConfig,
  tokens: readonly number[] = [START],
  logP = 0,
): Generator<{ readonly tokens: readonly number[]; readonly score: number }> {
  if (tokens.length === maxLength || (tokens.length > 1 && tokens.at(-1) === END)) {
    yield { tokens, score: logP / (tokens.length - 1) ** lengthPenalty }
    return
  }
  for (const [token, score] of logSoftmax(decoder.logits(tokens)).entries())
    yield* sequences(decoder, { ...config, maxLength, lengthPenalty }, [...tokens, token], logP + score)
}

describe('search', () => {
  it('a beam as wide as the tree finds the best of all sequences', async () => {
    await fc.assert(
      fc.asyncProperty(tables, fc.float({ min: 0.5, max: 2, noNaN: true }), async (table, lengthPenalty) => {
        const wide = { ...config, beams: 64, lengthPenalty }
        const found = await generate(new Markov(table, VOCABULARY), wide)
        let best = Number.NEGATIVE_INFINITY
        for (const { score } of sequences(new Markov(table, VOCABULARY), wide)) best = Math.max(best, score)
        expect(found.score).toBeCloseTo(best, 4)
      }),
      { numRuns: 20 },
    )
  })

  it('greedy takes the likeliest token each time and stops at the end', async () => {
    await fc.assert(
      fc.asyncProperty(tables, async (table) => {
        const decoder = new Markov(table, VOCABULARY)
        const { tokens } = await generate(decoder, config)
        for (let i = 1; i < tokens.length; i++) {
          const logits = decoder.logits(tokens.slice(0, i))
          expect(logits[tokens[i] ?? -1]).toBe(Math.max(...logits))
          if (i < tokens.length - 1) expect(tokens[i]).not.toBe(END)
        }
        if (tokens.length < config.maxLength) expect(tokens.at(-1)).toBe(END)
        expect(tokens.length).toBeLessThanOrEqual(config.maxLength)
      }),
    )
  })

  it.each([1, 3])('rules hold with %i beams', async (beams) => {
    const table = Array.from({ length: 16 }, () => Float32Array.of(-4, -3, 2, 1))
    const decoder = () => new Markov(table, VOCABULARY)
    const ruled = async (rules: Partial<GenerationConfig>) =>
      (await generate(decoder(), { ...config, beams, ...rules })).tokens
    expect(await ruled({ forcedFirstToken: 3 })).toEqual([1, 3, 2, 2, 2])
    expect(await ruled({ forcedLastToken: END })).toEqual([1, 2, 2, 2, 0])
    expect(await ruled({ suppressedTokens: [2] })).toEqual([1, 3, 3, 3, 3])
    const once = await ruled({ noRepeatNgram: 1 })
    expect(new Set(once).size).toBe(once.length)
    const eager = Array.from({ length: 16 }, () => Float32Array.of(4, -3, 2, 1))
    const late = await generate(new Markov(eager, VOCABULARY), { ...config, beams, minLength: 3 })
    expect(late.tokens.indexOf(END)).toBeGreaterThanOrEqual(3)
  })

  it('n-grams that were said are banned', () => {
    expect([...bannedByNgrams([5, 6, 7, 5, 6], 3)]).toEqual([7])
    expect([...bannedByNgrams([5, 5], 2)]).toEqual([5])
    expect([...bannedByNgrams([5], 3)]).toEqual([])
    const scores = Float32Array.of(2, -2, 1)
    applyRules(scores, [0, 1], { ...config, repetitionPenalty: 2 })
    expect([...scores]).toEqual([1, -4, 1])
  })
})

describe('generation_config.json', () => {
  const decoder = {
    eos_token_id: 2,
    forced_eos_token_id: 2,
    decoder_start_token_id: 2,
    max_length: 200,
    num_beams: 5,
  }

  it('speaks first, then config.json, then its decoder', () => {
    const read = parseGenerationConfig(
      { num_beams: 3, eos_token_id: [2, 9] },
      { decoder, max_length: 20, num_beams: 4, forced_eos_token_id: null, pad_token_id: 1 },
      'generation_config.json',
    )
    expect(read).toMatchObject({
      beams: 3,
      endTokens: [2, 9],
      maxLength: 200,
      forcedLastToken: 2,
      startToken: 2,
      padToken: 1,
    })
  })

  it('new tokens are counted after the start token, and before lengths', async () => {
    const read = parseGenerationConfig(
      { max_length: 40, max_new_tokens: 3, min_length: 1, min_new_tokens: 2 },
      { decoder },
      'generation_config.json',
    )
    expect(read).toMatchObject({ maxLength: 4, minLength: 3 })
    const eager = Array.from({ length: 16 }, () => Float32Array.of(4, -3, 2, 1))
    const { tokens } = await generate(new Markov(eager, VOCABULARY), {
      ...config,
      minLength: read.minLength,
      maxLength: read.maxLength,
    })
    expect(tokens).toEqual([START, 2, 2, END])
  })

  it('what says nothing is taken, as published files write all options out', () => {
    const neutral = {
      bad_words_ids: null,
      begin_suppress_tokens: [],
      encoder_no_repeat_ngram_size: 0,
      exponential_decay_length_penalty: null,
      diversity_penalty: 0,
      min_new_tokens: null,
      max_new_tokens: null,
    }
    expect(parseGenerationConfig(neutral, { decoder, ...neutral }, 'generation_config.json').maxLength).toBe(
      200,
    )
  })

  it('what is not supported or missing is refused by name', () => {
    const parse = (own: Record<string, unknown>) => () =>
      parseGenerationConfig(own, { decoder }, '/x/generation_config.json')
    expect(parse({ do_sample: true })).toThrow(
      /generation_config.json: .*do_sample: sampling is not supported/,
    )
    expect(parse({ num_beams: 0 })).toThrow(/num_beams/)
    for (const [name, value] of Object.entries({
      bad_words_ids: [[63]],
      begin_suppress_tokens: [63],
      encoder_no_repeat_ngram_size: 2,
      exponential_decay_length_penalty: [2, 1.5],
      diversity_penalty: 0.5,
      forced_decoder_ids: [[1, 63]],
      renormalize_logits: true,
      sequence_bias: [[[63], -10]],
    }))
      expect(parse({ [name]: value })).toThrow(
        new RegExp(`generation_config.json: .*${name}: is not supported`),
      )
    expect(() => parseGenerationConfig({}, {}, 'config.json')).toThrow(/decoder_start_token_id/)
  })
})
