/** Frames to seconds, tokens to words: what a transcript's reader wants to know of an alignment. */
import type { Alignment, TokenSpan } from './alignment.js'

/** A stretch of text in the recording. */
export interface TimedText {
  readonly text: string
  readonly startSeconds: number
  readonly endSeconds: number
  /** Geometric mean of p over the frames of its tokens, in [0, 1]; a rank, not a calibrated probability. */
  readonly confidence: number
}

export interface TimeBase {
  /** Samples between the starts of neighbouring frames: {@link samplesPerFrame}. */
  readonly samplesPerFrame: number
  /** Hz. */
  readonly sampleRate: number
  /** Samples before the first frame, where the sound is a piece of a longer one; 0 unless told. */
  readonly offsetSamples?: number
}

/**
 * The product of the strides of a convolutional front end (320 for all published wav2vec 2.0 models).
 * @param strides `conv_stride` of the configuration. @throws RangeError unless all are positive integers.
 */
export function samplesPerFrame(strides: readonly number[]): number {
  if (strides.length === 0 || strides.some((stride) => !Number.isInteger(stride) || stride < 1))
    throw new RangeError(`strides are positive integers, not [${strides.join(', ')}]`)
  return strides.reduce((product, stride) => product * stride, 1)
}

/** A frame number as seconds; frame n stands for samples [n, n + 1) * samplesPerFrame. */
export function secondsOfFrame(frame: number, base: TimeBase): number {
  return (frame * base.samplesPerFrame + (base.offsetSamples ?? 0)) / base.sampleRate
}

/** One entry a token. @param textOf a token's characters. */
export function timedCharacters(
  { spans }: Alignment,
  textOf: (token: number) => string,
  base: TimeBase,
): readonly TimedText[] {
  return spans.map((span) => joined([span], textOf, base))
}

/** One entry a word: the runs of tokens between delimiters. @param delimiter none: every token is a word. */
export function timedWords(
  alignment: Alignment,
  textOf: (token: number) => string,
  base: TimeBase,
  delimiter?: number,
): readonly TimedText[] {
  if (delimiter === undefined) return timedCharacters(alignment, textOf, base)
  const words: TimedText[] = []
  let open: TokenSpan[] = []
  for (const span of [...alignment.spans, undefined]) {
    if (span !== undefined && span.token !== delimiter) open.push(span)
    else if (open.length > 0) {
      words.push(joined(open, textOf, base))
      open = []
    }
  }
  return words
}

function joined(spans: readonly TokenSpan[], textOf: (token: number) => string, base: TimeBase): TimedText {
  const frames = spans.reduce((sum, { start, end }) => sum + end - start, 0)
  const logP = spans.reduce((sum, { logProbability }) => sum + logProbability, 0)
  return {
    text: spans.map(({ token }) => textOf(token)).join(''),
    startSeconds: secondsOfFrame(spans[0]?.start ?? 0, base),
    endSeconds: secondsOfFrame(spans.at(-1)?.end ?? 0, base),
    confidence: Math.min(1, Math.exp(logP / frames)),
  }
}
