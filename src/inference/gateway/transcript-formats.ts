/** A transcript in the forms of OpenAI's `response_format`. */
import { deflateSync } from 'node:zlib'
import { cuesOf, toSrt, toVtt } from '../../models/speech/subtitles.js'
import type { JobWord } from '../job.js'
import type { Exchange } from './exchange.js'

export const TRANSCRIPT_FORMATS = ['json', 'text', 'srt', 'vtt', 'verbose_json'] as const
export type TranscriptFormat = (typeof TRANSCRIPT_FORMATS)[number]
export const GRANULARITIES = ['word', 'segment'] as const
export type Granularity = (typeof GRANULARITIES)[number]

export interface Transcript {
  readonly task: 'transcribe' | 'translate'
  readonly text: string
  readonly language: string | null
  /** Of the recording. */
  readonly durationSeconds: number
  /** Empty where the model gives none. */
  readonly words: readonly JobWord[]
}

/** @param granularities of `verbose_json` */
export function writeTranscript(
  exchange: Exchange,
  transcript: Transcript,
  format: TranscriptFormat,
  granularities: readonly Granularity[],
): void {
  if (format === 'json') exchange.json(plainJson(transcript))
  else if (format === 'verbose_json') exchange.json(verboseJson(transcript, granularities))
  else if (format === 'text') exchange.text(`${transcript.text}\n`)
  else if (format === 'srt')
    exchange.text(subtitles(transcript, 'srt'), 'application/x-subrip; charset=utf-8')
  else exchange.text(subtitles(transcript, 'vtt'), 'text/vtt; charset=utf-8')
}

function subtitles(transcript: Transcript, format: 'srt' | 'vtt'): string {
  const cues = cuesOf(timedParts(transcript))
  return format === 'srt' ? toSrt(cues) : toVtt(cues)
}

/** Words, or the whole text over the whole recording where the model gave no words. */
function timedParts({ words, text, durationSeconds }: Transcript): readonly JobWord[] {
  if (words.length > 0 || text === '') return words
  return [{ text, startSeconds: 0, endSeconds: durationSeconds, confidence: 1 }]
}

const plainJson = ({ text, durationSeconds }: Transcript): object => ({
  text,
  usage: usageOf(durationSeconds),
})

/** As OpenAI counts what is billed by the length of sound. */
export const usageOf = (durationSeconds: number): object => ({
  type: 'duration',
  seconds: Math.ceil(durationSeconds),
})

function verboseJson(transcript: Transcript, granularities: readonly Granularity[]): object {
  const { task, text, language, durationSeconds, words } = transcript
  return {
    task,
    // The code of the model's card; OpenAI's word is "unknown" where nobody said.
    language: language ?? 'unknown',
    duration: durationSeconds,
    text,
    ...(granularities.includes('word')
      ? {
          words: words.map(({ text: word, startSeconds, endSeconds }) => ({
            word,
            start: startSeconds,
            end: endSeconds,
          })),
        }
      : {}),
    ...(granularities.includes('segment') ? { segments: segmentsOf(transcript) } : {}),
    usage: usageOf(durationSeconds),
  }
}

/**
 * Cues are segments. `seek`, `tokens` and `temperature` are what they are for a model that has no windows to seek in,
 * no tokens to show, and draws nothing; there is no `no_speech_prob`, since nothing here estimates it.
 */
function segmentsOf(transcript: Transcript): readonly object[] {
  const parts = timedParts(transcript)
  let at = 0
  return cuesOf(parts).map(({ startSeconds, endSeconds, text: lines }, id) => {
    const text = lines.replaceAll('\n', ' ')
    const from = at
    while (at < parts.length && (parts[at]?.startSeconds ?? 0) < endSeconds) at++
    return {
      id,
      seek: 0,
      start: startSeconds,
      end: endSeconds,
      text,
      tokens: [],
      temperature: 0,
      avg_logprob: meanLogProbability(parts.slice(from, at)),
      compression_ratio: compressionRatio(text),
    }
  })
}

const LEAST_PROBABILITY = 1e-10

function meanLogProbability(words: readonly JobWord[]): number {
  const logs = words.map(({ confidence }) => Math.log(Math.max(LEAST_PROBABILITY, confidence)))
  return logs.reduce((sum, log) => sum + log, 0) / Math.max(1, logs.length)
}

/** As Whisper defines it: text that repeats itself, as models that lost the thread do, compresses well. */
function compressionRatio(text: string): number {
  const bytes = Buffer.from(text)
  return bytes.length / deflateSync(bytes).length
}
