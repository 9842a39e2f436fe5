/** Transcripts as subtitles: SubRip (.srt) and WebVTT (W3C, section 4). */

export interface Cue {
  readonly startSeconds: number
  readonly endSeconds: number
  /** Lines are parted by \n. */
  readonly text: string
}

export interface CueOptions {
  /** Characters of a line; 42 unless told, as broadcasters have it. */
  readonly lineCharacters?: number
  /** Lines of a cue; 2 unless told. */
  readonly lines?: number
  /** Longest cue; 7 s unless told. */
  readonly maxSeconds?: number
  /** A silence this long begins a new cue; 0.8 s unless told. */
  readonly gapSeconds?: number
}

/** A word with its place in the recording. */
export interface SpokenWord {
  readonly text: string
  readonly startSeconds: number
  readonly endSeconds: number
}

/** Words gathered into cues that can be read; a word longer than a line stays whole. Whoever made them may know their times badly: no cue ends before it begins. */
export function cuesOf(words: Iterable<SpokenWord>, options: CueOptions = {}): readonly Cue[] {
  const { lineCharacters = 42, lines: maxLines = 2, maxSeconds = 7, gapSeconds = 0.8 } = options
  const cues: Cue[] = []
  let lines: string[] = []
  let open: { readonly start: number; end: number } | undefined
  const close = (): void => {
    if (open !== undefined)
      cues.push({ startSeconds: open.start, endSeconds: open.end, text: lines.join('\n') })
    open = undefined
    lines = []
  }
  for (const { text, startSeconds, endSeconds } of words) {
    const last = lines.at(-1) ?? ''
    const fits = last.length + 1 + text.length <= lineCharacters
    if (
      open !== undefined &&
      (startSeconds - open.end >= gapSeconds ||
        endSeconds - open.start > maxSeconds ||
        (!fits && lines.length >= maxLines))
    )
      close()
    if (open === undefined) {
      open = { start: startSeconds, end: Math.max(startSeconds, endSeconds) }
      lines = [text]
      continue
    }
    open.end = Math.max(open.end, endSeconds)
    if (fits) lines[lines.length - 1] = `${last} ${text}`
    else lines.push(text)
  }
  close()
  return cues
}

/** SubRip: numbered cues, times with a comma. @param first the first one's number, where others went before */
export function toSrt(cues: Iterable<Cue>, first = 1): string {
  return inOrder(cues)
    .map(
      ({ start, end, text }, i) =>
        `${first + i}\n${time(start, ',')} --> ${time(end, ',')}\n${plainLines(text)}\n`,
    )
    .join('\n')
}

/** WebVTT: times with a point, & < > written as entities. */
export function toVtt(cues: Iterable<Cue>): string {
  return ['WEBVTT\n', ...vttCuesOf(cues)].join('\n')
}

/** Some of its cues, where others go before. */
export function vttCues(cues: Iterable<Cue>): string {
  return vttCuesOf(cues).join('\n')
}

const vttCuesOf = (cues: Iterable<Cue>): readonly string[] =>
  inOrder(cues).map(
    ({ start, end, text }) => `${time(start, '.')} --> ${time(end, '.')}\n${escaped(plainLines(text))}\n`,
  )

interface TimedCue {
  /** Whole milliseconds. */
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Rounded once, as a whole: a part at a time would make 59.9996 s into 59,1000. A cue lasts at least 1 ms. */
function inOrder(cues: Iterable<Cue>): readonly TimedCue[] {
  return [...cues].map(({ startSeconds, endSeconds, text }) => {
    if (!(startSeconds >= 0) || !(endSeconds >= startSeconds) || !Number.isFinite(endSeconds))
      throw new RangeError(`a cue from ${startSeconds} s to ${endSeconds} s`)
    const start = Math.round(startSeconds * 1000)
    return { start, end: Math.max(start + 1, Math.round(endSeconds * 1000)), text }
  })
}

function time(milliseconds: number, point: ',' | '.'): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  const seconds = Math.floor(milliseconds / 1000)
  const rest = String(milliseconds % 1000).padStart(3, '0')
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}${point}${rest}`
}

/** An empty line would end the cue. */
const plainLines = (text: string): string =>
  text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n')

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
