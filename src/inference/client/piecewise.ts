/**
 * A recording bought in pieces: each is a job of its own, with a receipt and a voucher of its own, so that its text may
 * be told as soon as it is paid and there. Neither side ever has more than one piece at risk (docs/inference.md).
 */
import type { Job, JobAnswer, JobPayment, JobWord, RunOptions } from '../job.js'
import { MAX_INPUT_BYTES } from '../network/job-codec.js'
import { cutSound, type SoundPiece } from './pieces.js'

/** As long as the windows of the models that are served: shorter ones are heard worse, longer ones tell later. */
const STREAMED_SECONDS = 30
const BYTES_A_SAMPLE = 2

/**
 * The pieces in which a transcription is bought: one, unless its text is wanted on the way or it is longer than a job
 * may be.
 * @param mostSeconds that a provider takes at once; absent: as many as a job may have
 */
export function piecesOf(
  { task, input }: Job,
  isStreamed: boolean,
  mostSeconds = Number.POSITIVE_INFINITY,
): readonly SoundPiece[] {
  if (task !== 'transcribe' || input.kind !== 'sound') return []
  const { sampleRate, pcm16 } = input
  const mostBytes = Math.min(MAX_INPUT_BYTES, mostSeconds * sampleRate * BYTES_A_SAMPLE)
  if (!isStreamed && pcm16.length <= mostBytes) return []
  const longest = Math.floor(mostBytes / BYTES_A_SAMPLE / sampleRate)
  const pieces = cutSound(input, isStreamed ? Math.min(STREAMED_SECONDS, longest) : longest)
  return pieces.length > 1 ? pieces : []
}

export interface PiecewiseOptions extends RunOptions {
  readonly pieces: readonly SoundPiece[]
  readonly buy: (job: Job, options: RunOptions) => Promise<JobAnswer>
}

/** @throws what `buy` throws: pieces before were paid, and their text was told */
export async function runPiecewise(
  job: Job,
  { pieces, buy, signal, maxPriceWei, onText, onPaid }: PiecewiseOptions,
): Promise<JobAnswer> {
  const texts: string[] = []
  const words: JobWord[] = []
  const payments: JobPayment[] = []
  const languages = new Set<string>()
  let runSeconds = 0
  for (const { sound, startSeconds } of pieces) {
    signal?.throwIfAborted()
    const paidWei = payments.reduce((sum, { priceWei }) => sum + priceWei, 0n)
    const answer = await buy(
      { ...job, input: sound },
      {
        ...(signal === undefined ? {} : { signal }),
        ...(maxPriceWei === undefined ? {} : { maxPriceWei: maxPriceWei - paidWei }),
      },
    )
    const { output } = answer
    if (output.kind !== 'transcription') throw new Error(`a transcription came as ${output.kind}`)
    runSeconds += answer.runSeconds
    for (const payment of answer.payments ?? []) {
      payments.push(payment)
      onPaid?.(payment)
    }
    if (output.language !== null) languages.add(output.language)
    for (const word of output.words)
      words.push({
        ...word,
        startSeconds: word.startSeconds + startSeconds,
        endSeconds: word.endSeconds + startSeconds,
      })
    const text = output.text.trim()
    if (text === '') continue
    texts.push(text)
    onText?.(text)
  }
  const [language = null, ...others] = languages
  return {
    output: {
      kind: 'transcription',
      text: texts.join(' '),
      language: others.length === 0 ? language : null,
      words,
    },
    runSeconds,
    ...(payments.length === 0 ? {} : { payments }),
  }
}
