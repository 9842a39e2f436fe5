/** Cuts a long text between its sentences, so that the speech of each piece fits into a job's answer. */
import { UserError } from '../../errors.js'
import type { Job } from '../job.js'

/**
 * Fifteen characters are spoken in a second; of digits, which are read out, and of scripts that write a syllable with one
 * character, five.
 */
const CHARACTERS_A_SECOND = 15
const SLOW =
  /[\p{Nd}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Ethiopic}]/u
const SLOWER = 3
/** An answer holds eight minutes of a voice at 16 kHz and five at 24 kHz, and there are slow voices. */
const MOST_PIECE_SECONDS = 200
/** All of it is held in memory until it is there. */
const MOST_SPEECH_SECONDS = 1200
/** Providers take 20,000 code units of UTF-16, of which a character has two at most. */
const MOST_PIECE_CHARACTERS = 10_000
/** Pieces of whole units cost no more than the text in one. */
const UNIT_CHARACTERS = 1000
/** Where a voice breathes, in the scripts that have such marks. */
const CLAUSE_END = /[.!?,;:]\s|[\u2013\u2014\u3001\u3002\uff0c\uff1b\uff1a\u060c\u061b]/gu

/** In characters of which fifteen are spoken in a second: not fewer than there are. */
function lengthOf(text: string): number {
  let length = 0
  for (const character of text) length += SLOW.test(character) ? SLOWER : 1
  return length
}

/** What is no speed is the provider's to refuse. */
const speedOf = ({ parameters: { speed = 1 } }: Job): number => (speed > 0 ? speed : 1)

/** @throws UserError BAD_ARGUMENT with have and need for a text whose speech would be too long, before anything is paid */
export function requireSpeakable(job: Job): void {
  if (job.task !== 'speak' || job.input.kind !== 'text') return
  const seconds = lengthOf(job.input.text) / CHARACTERS_A_SECOND / speedOf(job)
  if (seconds <= MOST_SPEECH_SECONDS) return
  const most = Math.floor(MOST_SPEECH_SECONDS * CHARACTERS_A_SECOND * speedOf(job))
  throw new UserError(
    `the text takes about ${Math.ceil(seconds)} s to speak, and ${MOST_SPEECH_SECONDS} s are bought at once`,
    {
      code: 'BAD_ARGUMENT',
      remedy: `send some ${most} characters at once (a third of that in digits, or in Chinese, Japanese, Korean or Ethiopic script), or have it spoken faster`,
    },
  )
}

/** The texts in which a job's is bought: it alone where its speech fits into an answer. Trimmed, none empty. */
export function cutText(job: Job & { readonly input: { readonly text: string } }): readonly string[] {
  const { text } = job.input
  const most = mostLength(speedOf(job))
  if (lengthOf(text) <= most) return [text]
  const pieces: string[] = []
  let piece = { from: 0, to: 0, length: 0 }
  const end = (): void => {
    const trimmed = text.slice(piece.from, piece.to).trim()
    if (trimmed !== '') pieces.push(trimmed)
    piece = { from: piece.to, to: piece.to, length: 0 }
  }
  for (const { segment } of sentencesOf(text)) {
    let rest = text.slice(piece.to, piece.to + segment.length)
    for (;;) {
      const length = lengthOf(rest)
      if (piece.length + length <= most) {
        piece = { ...piece, to: piece.to + rest.length, length: piece.length + length }
        break
      }
      // What waits goes alone, and so does each part of a sentence that is too long for a piece.
      if (piece.length === 0) {
        const at = placeToCut(rest, most)
        piece.to += at
        rest = rest.slice(at)
      }
      end()
    }
  }
  end()
  return pieces
}

/** By the rules of Unicode (UAX 29). A line's end is no sentence's end, a blank line is; no character is left out. */
function sentencesOf(text: string): Intl.Segments {
  const flowing = text.replace(/\r?\n(?![^\S\n]*\r?\n)/gu, (end) => ' '.repeat(end.length))
  return new Intl.Segmenter('und', { granularity: 'sentence' }).segment(flowing)
}

function mostLength(speed: number): number {
  const most = Math.min(MOST_PIECE_CHARACTERS, MOST_PIECE_SECONDS * CHARACTERS_A_SECOND * speed)
  return most < UNIT_CHARACTERS
    ? Math.max(1, Math.floor(most))
    : Math.floor(most / UNIT_CHARACTERS) * UNIT_CHARACTERS
}

/** The last clause's end in the second half of what fits, else the last space there, else the limit, never within a character. */
function placeToCut(text: string, most: number): number {
  let fits = 0
  let length = 0
  // The head alone: each segment costs the more, the longer the text is.
  for (const { segment } of new Intl.Segmenter('und').segment(text.slice(0, 2 * most))) {
    length += lengthOf(segment)
    if (length > most && fits > 0) break
    fits += segment.length
    if (length > most) break
  }
  const half = Math.floor(fits / 2)
  const within = text.slice(half, fits)
  const clause = [...within.matchAll(CLAUSE_END)].at(-1)
  if (clause !== undefined) return half + clause.index + clause[0].length
  const space = within.search(/\s\S*$/u)
  return space >= 0 ? half + space + 1 : fits
}
