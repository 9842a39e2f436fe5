/** What a provider's model answers is printed without anything that a terminal would obey. */
import { describe, expect, it } from 'vitest'
import { printable, printableLines } from '../../../src/cli/format.js'
import { identifiedText } from '../../../src/cli/identify.js'
import { Output } from '../../../src/cli/output.js'
import { FORMATS, TranscriptStream, transcriptText } from '../../../src/cli/transcript-text.js'
import { translatedText } from '../../../src/cli/translate.js'
import { FakeTerminal } from './in-process.js'

/** A new title, an empty screen, red, and the same in one byte each (C1). */
const HOSTILE = '\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b2J\x7f'
const words = [
  { text: `hello${HOSTILE}`, startSeconds: 0, endSeconds: 1, confidence: 0.5 },
  { text: 'two\nlines\tand a tab', startSeconds: 1, endSeconds: 2, confidence: 0.5 },
]
const transcript = { text: `hello${HOSTILE}\nsecond line\r`, words }
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
const OBEYED = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/

describe('what a stranger wrote', () => {
  it.each(FORMATS)('is printed as %s without control characters', (format) => {
    const whole = transcriptText(transcript, format)
    const stream = new TranscriptStream(format)
    const streamed = `${stream.head ?? ''}${stream.next({ ...transcript, startSeconds: 0, endSeconds: 2 })}`
    for (const text of [whole, streamed]) {
      expect(text).not.toMatch(OBEYED)
      expect(text).toContain(`hello${printable(HOSTILE)}`)
    }
  })

  it('keeps its lines as text, and has one a word', () => {
    expect(transcriptText({ text: 'one\r\ntwo\nthree', words: [] }, 'text')).toBe('one\ntwo\nthree')
    expect(transcriptText(transcript, 'words').split('\n')).toEqual([
      `0.00\t1.00\t0.50\thello${printable(HOSTILE)}`,
      '1.00\t2.00\t0.50\ttwo lines and a tab',
    ])
    expect(printableLines('plain text, ümläut, 日本 🚀')).toBe('plain text, ümläut, 日本 🚀')
  })

  it('is no more as a translation or a label', () => {
    expect(translatedText(`a${HOSTILE}\nb`)).toBe(`a${printable(HOSTILE)}\nb`)
    expect(identifiedText([{ label: `en\n${HOSTILE}`, probability: 0.5 }], undefined)).toBe(
      ` 50.0 %  en\\x0a${printable(HOSTILE)}`,
    )
  })

  it.each(['json', 'json-stream'] as const)(
    'is %s that no terminal obeys, and programs read as it was',
    (mode) => {
      const stdout = new FakeTerminal(false)
      new Output(mode, stdout, new FakeTerminal(false)).result({ text: HOSTILE }, () => '')
      expect(stdout.text.trimEnd()).not.toMatch(OBEYED)
      expect(JSON.parse(stdout.text)).toMatchObject({ text: HOSTILE })
    },
  )
})
