import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cuesOf, toSrt, toVtt } from '../../../../src/models/speech/subtitles.js'

const cue = (startSeconds: number, endSeconds: number, text = 'x') => ({ startSeconds, endSeconds, text })

/** Milliseconds of the times in a file. */
const timesOf = (file: string): number[] =>
  [...file.matchAll(/(\d\d+):(\d\d):(\d\d)[.,](\d\d\d)/g)].map(
    ([, h, m, s, ms]) => ((Number(h) * 60 + Number(m)) * 60 + Number(s)) * 1000 + Number(ms),
  )

describe('subtitles', () => {
  it('SubRip and WebVTT as published', () => {
    const cues = [cue(0, 1.5, 'Guten Morgen'), cue(3661.25, 3662, 'a < b & c\nzwei')]
    expect(toSrt(cues)).toBe(
      '1\n00:00:00,000 --> 00:00:01,500\nGuten Morgen\n\n2\n01:01:01,250 --> 01:01:02,000\na < b & c\nzwei\n',
    )
    expect(toVtt(cues)).toBe(
      'WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nGuten Morgen\n\n01:01:01.250 --> 01:01:02.000\na &lt; b &amp; c\nzwei\n',
    )
    expect(toVtt([])).toBe('WEBVTT\n')
  })

  it('rounding carries into seconds, minutes and hours', () => {
    const srt = toSrt([cue(59.9996, 3599.9999)])
    expect(srt).toContain('00:01:00,000 --> 01:00:00,000')
    expect(toSrt([cue(1.0004, 1.0004)])).toContain('00:00:01,000 --> 00:00:01,001')
    expect(toSrt([cue(360_000, 360_001)])).toContain('100:00:00,000')
  })

  it('every time is within half a millisecond', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 90_000, noNaN: true }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (start, length) => {
          for (const write of [toSrt, toVtt]) {
            const [from = Number.NaN, to = Number.NaN] = timesOf(write([cue(start, start + length)]))
            expect(Math.abs(from - start * 1000)).toBeLessThanOrEqual(0.5001)
            expect(Math.abs(to - (start + length) * 1000)).toBeLessThanOrEqual(0.5001)
          }
        },
      ),
    )
  })

  it('an empty line within a text does not end its cue; nonsense times are refused', () => {
    expect(toSrt([cue(0, 1, 'a\r\n\r\n b ')])).toBe('1\n00:00:00,000 --> 00:00:01,000\na\nb\n')
    for (const [from, to] of [
      [-1, 1],
      [2, 1],
      [0, Number.NaN],
      [0, Number.POSITIVE_INFINITY],
    ] as const)
      expect(() => toVtt([cue(from, to)])).toThrow(/a cue from/)
  })

  it('words fill lines and cues, a silence begins a new one, none is lost', () => {
    const word = (text: string, at: number) => ({ text, startSeconds: at, endSeconds: at + 0.3 })
    const words = 'one two three four five six seven'.split(' ').map((text, i) => word(text, i * 0.4))
    const cues = cuesOf(words, { lineCharacters: 9, lines: 2 })
    expect(cues.map(({ text }) => text)).toEqual(['one two\nthree', 'four five\nsix seven'])
    expect(cuesOf([word('a', 0), word('b', 5)]).map(({ startSeconds }) => startSeconds)).toEqual([0, 5])
    expect(cuesOf([word('a', 0), word('b', 0.4), word('c', 0.8)], { maxSeconds: 1 })).toHaveLength(2)
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { maxLength: 40 }), (texts) => {
        const made = cuesOf(
          texts.map((text, i) => word(text, i * 0.4)),
          { lineCharacters: 15 },
        )
        expect(made.flatMap(({ text }) => text.split(/\s/))).toEqual(texts)
        for (const { text } of made) {
          expect(text.split('\n').length).toBeLessThanOrEqual(2)
          for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(15)
        }
      }),
    )
  })
})
