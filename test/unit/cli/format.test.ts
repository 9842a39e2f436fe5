import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatBytes,
  formatDuration,
  formatFigures,
  formatMbps,
  labelled,
  printable,
  shortId,
  table,
  wrap,
} from '../../../src/cli/format.js'

describe('numbers', () => {
  it.each([
    [0, '0.00 Mbit/s'],
    [9.876, '9.88 Mbit/s'],
    [248.94, '248.9 Mbit/s'],
    [1234.5, '1235 Mbit/s'],
    [2500, '2500 Mbit/s'],
  ])('%d Mbit/s', (value, expected) => {
    expect(formatMbps(value)).toBe(expected)
  })

  it('keeps 0.5 % visible from 0.1 Mbit/s up', () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 100_000, noNaN: true }), (value) => {
        expect(Math.abs(Number(formatFigures(value)) - value) / value).toBeLessThan(0.0051)
      }),
    )
  })

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [37_500_000, '37.5 MB'],
    [999_960, '1.0 MB'],
    [1.5e13, '15.0 TB'],
  ])('%d bytes', (value, expected) => {
    expect(formatBytes(value)).toBe(expected)
  })

  it.each([
    [850, '850 ms'],
    [2400, '2.4 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min 00 s'],
    [185_000, '3 min 05 s'],
  ])('%d milliseconds', (value, expected) => {
    expect(formatDuration(value)).toBe(expected)
  })

  it('shortens ids by their middle', () => {
    expect(shortId('16Uiu2HAm6tPmyFMX5HuqfzKPJJmAqJJhytPf9yaqL7E7R4pxRrrp')).toBe('16Uiu2HA...Rrrp')
    expect(shortId('short')).toBe('short')
  })
})

describe('text', () => {
  it('wraps at spaces and loses no word', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{1,20}$/)),
        fc.integer({ min: 20, max: 80 }),
        (words, width) => {
          const lines = wrap(words.join(' '), width)
          expect(lines.join(' ').split(' ').filter(Boolean)).toEqual(words)
          expect(lines.every((line) => line.length <= width)).toBe(true)
        },
      ),
    )
  })

  it('puts wrapped text into a column of its own', () => {
    expect(labelled('  a', 'one two three', 6, 26)).toBe('  a   one two three')
    expect(labelled('  a', 'aaaaaaaaaaaaaaa bbbbbbbbbbbb', 6, 26)).toBe(
      '  a   aaaaaaaaaaaaaaa\n      bbbbbbbbbbbb',
    )
  })

  it('shows control characters instead of sending them to the terminal', () => {
    expect(printable('a\u001b[2Jb\r\u009b')).toBe('a\\x1b[2Jb\\x0d\\x9b')
    expect(printable('Zürich 日本')).toBe('Zürich 日本')
  })
})

describe('table', () => {
  const rows = [
    { name: 'a', value: '1' },
    { name: 'a name that is far too long for a narrow terminal', value: '22' },
  ]

  it('aligns columns under their titles', () => {
    const text = table(rows, [
      { title: 'name', value: (row) => row.name },
      { title: 'n', value: (row) => row.value, align: 'right' },
    ])
    const [head, first] = text.split('\n')
    expect(head?.indexOf('n', 4)).toBe((first?.length ?? 0) - 1)
  })

  it('cuts the columns that may shrink, and only those', () => {
    const text = table(
      rows,
      [
        { title: 'name', value: (row) => row.name, shrinks: true },
        { title: 'number', value: (row) => row.value },
      ],
      30,
    )
    expect(text.split('\n').every((line) => line.length <= 30)).toBe(true)
    expect(text).toContain('...')
    expect(text).toContain('22')
  })
})
