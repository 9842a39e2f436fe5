import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { piecesOf } from '../../../../src/models/vits/pieces.js'

const limits = { least: 10, most: 40 }
const letters = (text: string): string => text.replace(/\s/gu, '')

describe('a long text in pieces', () => {
  it('sentences are pieces; full stops of other scripts count, too', () => {
    expect(piecesOf('The first sentence. And the second!  Is it?', limits)).toEqual([
      'The first sentence.',
      'And the second!',
      'Is it?',
    ])
    expect(piecesOf('यह पहला वाक्य है। यह दूसरा वाक्य है।', limits)).toHaveLength(2)
    expect(piecesOf('这是第一个很长很长的句子。这是第二个很长很长的句子。', limits)).toHaveLength(2)
    expect(piecesOf('短句。又一句。', limits)).toEqual(['短句。又一句。'])
    expect(piecesOf(' \n\t ', limits)).toEqual([])
  })

  it('a line may end within a sentence, a paragraph may not', () => {
    expect(piecesOf('The first sentence\nis here.\r\n\r\nA title\n \nAnd the rest.', limits)).toEqual([
      'The first sentence is here.',
      'A title And the rest.',
    ])
    expect(piecesOf('A long enough title\n\nAnd the rest.', limits)).toEqual([
      'A long enough title',
      'And the rest.',
    ])
  })

  it('what is short is joined to what follows, as long as that fits', () => {
    expect(piecesOf('Mr. Smith is there. Yes.', limits)).toEqual(['Mr. Smith is there.', 'Yes.'])
    expect(piecesOf('No. 7 is up. So is No. 8. Good.', limits)).toEqual([
      'No. 7 is up.',
      'So is No. 8.',
      'Good.',
    ])
    const long = 'This sentence has exactly forty letters.'
    expect(piecesOf(`Mr. ${long}`, limits)).toEqual(['Mr.', long])
  })

  it('what is long is cut at a comma, else at a space, else anywhere but within a character', () => {
    expect(piecesOf('Where the line is long and slow, nobody will ever wait for it.', limits)).toEqual([
      'Where the line is long and slow,',
      'nobody will ever wait for it.',
    ])
    expect(piecesOf('all of it is in small letters. like this one here.', limits)).toEqual([
      'all of it is in small letters.',
      'like this one here.',
    ])
    expect(piecesOf('one two three four five six seven eight nine ten', limits)[0]).toBe(
      'one two three four five six seven eight',
    )
    const [first = ''] = piecesOf('e\u0301'.repeat(50), { least: 1, most: 41 })
    expect(first).toBe('e\u0301'.repeat(20))
  })

  it('nothing is lost, and no piece is too long', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', ' ', ',', '. ', '。', '\n', '😀', 'e\u0301'),
      maxLength: 300,
    })
    fc.assert(
      fc.property(text, fc.integer({ min: 8, max: 60 }), (words, most) => {
        const pieces = piecesOf(words, { least: 5, most })
        expect(letters(pieces.join(''))).toBe(letters(words))
        for (const piece of pieces) {
          expect(piece.length).toBeLessThanOrEqual(most)
          expect(piece.trim()).toBe(piece)
          expect(piece).not.toBe('')
        }
      }),
    )
  })
})
