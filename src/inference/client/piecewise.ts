/**
 * A recording or a text bought in pieces: each is a job of its own, with a receipt and a voucher of its own, so that its
 * text may be told as soon as it is paid and there. Neither side ever has more than one piece at risk (docs/inference.md).
 */
import type { Job, JobAnswer, JobInput, JobPayment, RunOptions } from '../job.js'
import { MAX_INPUT_BYTES } from '../network/job-codec.js'
import { JoinedSpeech, JoinedText } from './joined.js'
import { cutSound } from './pieces.js'
import { cutText, requireSpeakable } from './speech-pieces.js'

/** As long as the windows of the models that are served: shorter ones are heard worse, longer ones tell later. */
const STREAMED_SECONDS = 30
const BYTES_A_SAMPLE = 2

export interface JobPiece {
  readonly input: JobInput
  /** Of its first sample in the recording; 0 in a text. */
  readonly startSeconds: number
}

/**
 * The pieces in which a transcription is bought, unless its text is not wanted on the way and it is no longer than a job
 * may be; and a speech that is longer than an answer may be.
 * @param mostSeconds that a provider takes at once; absent: as many as a job may have
 * @returns none where it is bought whole
 * @throws UserError BAD_ARGUMENT for a text that takes too long to speak
 */
export function piecesOf(
  job: Job,
  isStreamed: boolean,
  mostSeconds = Number.POSITIVE_INFINITY,
): readonly JobPiece[] {
  const { task, input } = job
  if (task === 'speak' && input.kind === 'text') {
    requireSpeakable(job)
    const texts = cutText({ ...job, input })
    return texts.length > 1 ? texts.map((text) => ({ input: { ...input, text }, startSeconds: 0 })) : []
  }
  if (task !== 'transcribe' || input.kind !== 'sound') return []
  const { sampleRate, pcm16 } = input
  const mostBytes = Math.min(MAX_INPUT_BYTES, mostSeconds * sampleRate * BYTES_A_SAMPLE)
  if (!isStreamed && pcm16.length <= mostBytes) return []
  const longest = Math.floor(mostBytes / BYTES_A_SAMPLE / sampleRate)
  const pieces = cutSound(input, isStreamed ? Math.min(STREAMED_SECONDS, longest) : longest)
  return pieces.length > 1 ? pieces.map(({ sound, startSeconds }) => ({ input: sound, startSeconds })) : []
}

export interface PiecewiseOptions extends RunOptions {
  readonly pieces: readonly JobPiece[]
  readonly buy: (job: Job, options: RunOptions) => Promise<JobAnswer>
}

/** @throws what `buy` throws, and UserError UNAVAILABLE for speech that does not fit together: pieces before were paid, and their text was told */
export async function runPiecewise(
  job: Job,
  { pieces, buy, signal, maxPriceWei, onText, onPaid }: PiecewiseOptions,
): Promise<JobAnswer> {
  const payments: JobPayment[] = []
  const told = new Set<JobPayment>()
  const tell = (payment: JobPayment): void => {
    if (!told.has(payment)) onPaid?.(payment)
    told.add(payment)
  }
  const joined = job.task === 'speak' ? new JoinedSpeech() : new JoinedText(onText)
  let runSeconds = 0
  for (const { input, startSeconds } of pieces) {
    signal?.throwIfAborted()
    const paidWei = payments.reduce((sum, { priceWei }) => sum + priceWei, 0n)
    const answer = await buy(
      { ...job, input },
      {
        ...(signal === undefined ? {} : { signal }),
        ...(maxPriceWei === undefined ? {} : { maxPriceWei: maxPriceWei - paidWei }),
        onPaid: tell,
      },
    )
    runSeconds += answer.runSeconds
    for (const payment of answer.payments ?? []) {
      payments.push(payment)
      tell(payment)
    }
    joined.add(answer.output, startSeconds)
  }
  return { output: joined.output, runSeconds, ...(payments.length === 0 ? {} : { payments }) }
}
