/** Transcripts as OpenAI-compatible servers write them. */
import { z } from 'zod'
import type { JobOutput, JobWord } from '../job.js'
import { toWellFormed } from '../well-formed.js'

const MOST_TEXT = 2 ** 22
const MOST_WORDS = 200_000
const piece = z.string().max(MOST_TEXT)
/** JSON can say half a character, and nothing behind this can. */
const text = piece.transform(toWellFormed)
const seconds = z.number().nonnegative().finite()

const TRANSCRIPT = z.object({
  text,
  language: z.string().max(60).transform(toWellFormed).optional().catch(undefined),
  words: z
    .array(z.object({ word: text, start: seconds, end: seconds }))
    .max(MOST_WORDS)
    .nullish(),
  segments: z
    .array(z.object({ text, start: seconds, end: seconds, avg_logprob: z.number().optional() }))
    .max(MOST_WORDS)
    .nullish(),
})

type Transcription = Extract<JobOutput, { readonly kind: 'transcription' }>

/** Both `json` and `verbose_json`; undefined for anything else. */
export function transcriptionOf(answer: unknown): Transcription | undefined {
  const read = TRANSCRIPT.safeParse(answer)
  if (!read.success) return undefined
  const { text: whole, language, words, segments } = read.data
  const parts = (segments ?? []).map(
    (each): JobWord => ({
      text: each.text.trim(),
      startSeconds: each.start,
      endSeconds: Math.max(each.start, each.end),
      // All that is known of any word in it.
      confidence: Math.exp(Math.min(0, each.avg_logprob ?? 0)),
    }),
  )
  const timed = (words ?? []).map(
    (each): JobWord => ({
      text: each.word.trim(),
      startSeconds: each.start,
      endSeconds: Math.max(each.start, each.end),
      confidence: confidenceAt(parts, each.start),
    }),
  )
  return {
    kind: 'transcription',
    text: whole.trim(),
    language: language === undefined || language === 'unknown' ? null : language,
    words: (timed.length > 0 ? timed : parts).filter((each) => each.text !== ''),
  }
}

const confidenceAt = (parts: readonly JobWord[], at: number): number =>
  parts.find(({ startSeconds, endSeconds }) => startSeconds <= at && at < endSeconds)?.confidence ?? 1

const EVENT = z.union([
  // A character may be parted between two of them.
  z.object({ type: z.literal('transcript.text.delta'), delta: piece }),
  z.object({ type: z.literal('transcript.text.done'), text }),
  z.object({ error: z.object({ message: z.string() }) }),
])
/** As vLLM streams what it writes, a transcript like anything else. */
const CHUNK = z.object({
  choices: z.array(z.object({ delta: z.object({ content: piece.nullish() }) })),
})
export type TranscriptEvent =
  | z.output<typeof EVENT>
  /** What came is no stream, but an answer as without one: not every server streams every model. */
  | { readonly type: 'answer'; readonly answer: unknown }
  /** Something that means nothing here. */
  | { readonly type: 'unknown' }
  /** The server has said all of it. */
  | { readonly type: 'over' }

/** The longest event holds the whole transcript. */
const MOST_LINE = 2 * MOST_TEXT
const LINE_END = /\r\n|\n|\r/

/** @throws RangeError for a line beyond measure, SyntaxError for no JSON */
export async function* transcriptEvents(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<TranscriptEvent> {
  const whole: string[] = []
  for await (const line of linesOf(pieces)) {
    if (whole.length > 0 || line.startsWith('{')) {
      whole.push(line)
      continue
    }
    const data = /^data: ?(.*)$/.exec(line)?.[1]
    if (data === '[DONE]') yield { type: 'over' }
    else if (data !== undefined) yield eventOf(JSON.parse(data))
  }
  if (whole.length > 0) yield { type: 'answer', answer: JSON.parse(whole.join('\n')) }
}

function eventOf(value: unknown): TranscriptEvent {
  const event = EVENT.safeParse(value)
  if (event.success) return event.data
  const chunk = CHUNK.safeParse(value)
  if (!chunk.success) return { type: 'unknown' }
  return { type: 'transcript.text.delta', delta: chunk.data.choices[0]?.delta.content ?? '' }
}

/** One that is under way is not looked at again with each of its pieces: a server may send it byte by byte. */
async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let parts: string[] = []
  let length = 0
  for await (const bytes of pieces) {
    const [first = '', ...others] = decoder.decode(bytes, { stream: true }).split(LINE_END)
    parts.push(first)
    length += first.length
    if (length > MOST_LINE) throw new RangeError('a line of its stream never ends')
    for (const next of others) {
      yield parts.join('')
      parts = [next]
      length = next.length
    }
  }
  yield parts.join('')
}
