/**
 * Long text in pieces that are spoken one at a time: whole sentences, as voices were trained on, none so long that it
 * would not fit into memory, none so short that it would sound torn off.
 */

export interface PieceLimits {
  /** A shorter sentence is spoken together with the next. Characters. */
  readonly least: number
  /** A longer sentence is cut, at a clause's end, a space, or where it must be. Characters. */
  readonly most: number
}

/** 240 characters are about fifteen seconds. What is below 24 is often an abbreviation: "Mr.", "No." */
export const PIECE_LIMITS: PieceLimits = { least: 24, most: 240 }

/**
 * Where a voice breathes within a sentence, in the scripts that have such marks. By the rules a full stop before a small
 * letter ends nothing; where a cut is needed it is the best place.
 */
const CLAUSE_END = /^(?:[.!?,;:] |[\u2013\u2014\u3001\uff0c\uff1b\uff1a\u060c\u061b])/u

/** Trimmed, none empty. */
export function piecesOf(text: string, limits: PieceLimits = PIECE_LIMITS): readonly string[] {
  const pieces: string[] = []
  let waiting = ''
  for (const sentence of sentencesOf(text)) {
    const joined = `${waiting}${sentence}`.trim()
    const fits = joined.length <= limits.most
    if (!fits && waiting !== '') pieces.push(waiting.trim())
    const parts = cut(fits ? joined : sentence.trim(), limits.most)
    pieces.push(...parts.slice(0, -1))
    const last = parts.at(-1) ?? ''
    if (last.length >= limits.least) pieces.push(last)
    // Not every script has spaces between sentences: what was there stays.
    waiting = last.length >= limits.least ? '' : `${last}${sentence.endsWith(' ') ? ' ' : ''}`
  }
  if (waiting.trim() !== '') pieces.push(waiting.trim())
  return pieces
}

/**
 * By the rules of Unicode (UAX 29), which know the full stops of all scripts. A line's end is no sentence's end, a blank
 * line is. Spaces are single, not trimmed.
 */
function* sentencesOf(text: string): Generator<string> {
  const segmenter = new Intl.Segmenter('und', { granularity: 'sentence' })
  for (const paragraph of text.split(/\n\s*\n/u)) {
    const line = paragraph.replace(/\s+/gu, ' ').trim()
    if (line === '') continue
    for (const { segment } of segmenter.segment(`${line} `)) yield segment
  }
}

/** Parts of at most `most` characters. */
function cut(sentence: string, most: number): readonly string[] {
  const parts: string[] = []
  let rest = sentence
  while (rest.length > most) {
    const at = placeToCut(rest, most)
    parts.push(rest.slice(0, at).trim())
    rest = rest.slice(at).trim()
  }
  return [...parts, rest].filter((part) => part !== '')
}

/** The last clause's end in the second half, else the last space there, else the limit, never within a character. */
function placeToCut(text: string, most: number): number {
  for (let at = most; at > most / 2; at--) if (CLAUSE_END.test(text.slice(at - 1, at + 1))) return at
  const space = text.lastIndexOf(' ', most)
  if (space > most / 2) return space
  let at = 0
  for (const { segment } of new Intl.Segmenter('und').segment(text.slice(0, 2 * most))) {
    if (at + segment.length > most) break
    at += segment.length
  }
  return at === 0 ? most : at
}
