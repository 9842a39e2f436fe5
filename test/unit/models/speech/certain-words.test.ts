import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CertainWords } from '../../../../src/models/speech/certain-words.js'

describe('words of a growing text', () => {
  it('are told once they stand, and make up the text', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', ' ', 'cd', '  '), { maxLength: 30 })
      .map((parts) => parts.join('').trim())
    const cuts = fc.array(fc.nat(40), { maxLength: 8 }).map((all) => all.sort((a, b) => a - b))
    fc.assert(
      fc.property(text, cuts, (whole, places) => {
        const words = new CertainWords()
        let told = ''
        for (const at of places) {
          told += words.grow(whole.slice(0, at).trim())
          // Never a part of a word.
          expect(`${whole} `.startsWith(told === '' ? '' : `${told} `)).toBe(true)
        }
        expect(told + words.finish(whole)).toBe(whole)
      }),
    )
  })

  it('come as soon as the next word has begun', () => {
    const words = new CertainWords()
    expect(['one', 'one t', 'one two', 'one two th'].map((text) => words.grow(text))).toEqual([
      '',
      'one',
      '',
      ' two',
    ])
    expect(words.finish('one two three')).toBe(' three')
  })

  it('that were changed after all leave the rest untold', () => {
    const words = new CertainWords()
    expect(words.grow('wait , what')).toBe('wait ,')
    expect(words.grow('wait, what is')).toBe('')
    expect(words.finish('wait, what is it')).toBe('')
  })
})
