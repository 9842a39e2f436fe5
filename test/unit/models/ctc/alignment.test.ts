import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { align } from '../../../../src/models/ctc/alignment.js'
import { collapse } from '../../../../src/models/ctc/greedy.js'
import { framesNeeded } from '../../../../src/models/ctc/likelihood.js'
import { samplesPerFrame, timedCharacters, timedWords } from '../../../../src/models/ctc/timestamps.js'
import { refusalOf } from '../../ml/files-support.js'
import { outputs, paths } from './support.js'

const tokenLists = fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 3 })

describe('alignment', () => {
  it('is the likeliest path that spells the tokens', () => {
    fc.assert(
      fc.property(outputs({ min: 1, max: 6 }, 3), tokenLists, (input, tokens) => {
        fc.pre(framesNeeded(tokens) <= input.frames)
        const { spans, path, logProbability } = align(input, tokens, 0)
        let best = Number.NEGATIVE_INFINITY
        for (const [candidate, logP] of paths(input))
          if (collapse(candidate, 0).join() === tokens.join()) best = Math.max(best, logP)
        expect(logProbability).toBeCloseTo(best, 5)
        expect(collapse(path, 0)).toEqual(tokens)
        expect(spans.map(({ token }) => token)).toEqual(tokens)
        spans.forEach(({ start, end, token }, i) => {
          expect(start).toBeGreaterThanOrEqual(spans[i - 1]?.end ?? 0)
          expect(end).toBeGreaterThan(start)
          for (let frame = start; frame < end; frame++) expect(path[frame]).toBe(token)
        })
        const spoken = spans.reduce((sum, { start, end }) => sum + end - start, 0)
        expect([...path].filter((token) => token !== 0)).toHaveLength(spoken)
      }),
    )
  })

  it('says how many frames a text needs', async () => {
    const input = { data: new Float32Array(6).fill(Math.log(1 / 3)), frames: 2, classes: 3 }
    const refusal = await refusalOf(() => align(input, [1, 1], 0))
    expect(refusal.line).toMatch(/2 frames cannot spell 2 tokens, which need 3/)
    expect(() => align(input, [0], 0)).toThrow(/no token/)
    expect(() => align(input, [3], 0)).toThrow(/no token/)
  })
})

describe('times', () => {
  const strides = [5, 2, 2, 2, 2, 2, 2]
  const TEXT = ['', 'a', 'b', ' ']
  const textOf = (token: number) => TEXT[token] ?? ''
  /** a a - b | - a, each with p 0.7 for what was said. */
  const said = [1, 1, 0, 2, 3, 0, 1]
  const data = Float32Array.from(said.flatMap((s) => TEXT.map((_, i) => Math.log(i === s ? 0.7 : 0.1))))
  const alignment = align({ data, frames: said.length, classes: 4 }, [1, 2, 3, 1], 0)
  const base = { samplesPerFrame: samplesPerFrame(strides), sampleRate: 16_000 }

  it('words and characters lie at multiples of the front end’s stride', () => {
    expect(base.samplesPerFrame).toBe(320)
    const words = timedWords(alignment, textOf, base, 3)
    expect(words.map(({ text, startSeconds, endSeconds }) => [text, startSeconds, endSeconds])).toEqual([
      ['ab', 0, 0.08],
      ['a', 0.12, 0.14],
    ])
    for (const { confidence } of words) expect(confidence).toBeCloseTo(0.7, 5)
    expect(timedCharacters(alignment, textOf, base).map(({ text }) => text)).toEqual(['a', 'b', ' ', 'a'])
    expect(timedWords(alignment, textOf, base)).toHaveLength(4)
  })

  it('a piece of a longer recording begins at its offset', () => {
    const [first] = timedWords(alignment, textOf, { ...base, offsetSamples: 8000 }, 3)
    expect(first?.startSeconds).toBe(0.5)
    expect(() => samplesPerFrame([5, 0])).toThrow(/positive integers/)
  })
})
