/**
 * Long sound in pieces: windows of frames that overlap, so that each kept frame has heard its neighbourhood, and whose
 * kept parts follow one another without gap or overlap. Everything is counted in frames of the model's front end, so
 * frame n of a window is exactly frame `window.first + n` of the whole recording.
 */
import { UserError } from '../../errors.js'
import type { LogProbabilities } from '../ctc/log-probabilities.js'

/** How a front end walks over samples; for published wav2vec 2.0 models 320 and 400. */
export interface FrameGeometry {
  /** Samples from one frame to the next: the product of the strides. */
  readonly samplesPerFrame: number
  /** Samples that the first frame needs: all that one hears, less what padding stands in for. */
  readonly receptiveSamples: number
}

/** A convolution over time. */
export interface Walk {
  readonly kernel: number
  readonly stride: number
  /** Zeros put before and after; none unless told. */
  readonly padding?: number
}

export interface ChunkOptions {
  /** Frames of a window. */
  readonly windowFrames: number
  /** Frames at either end of a window that are only heard, not kept. */
  readonly leftFrames: number
  readonly rightFrames: number
}

/** One window: frames [first, first + count) are computed, [keepFrom, keepTo) of the recording are kept. */
export interface Chunk {
  readonly first: number
  readonly count: number
  readonly keepFrom: number
  readonly keepTo: number
}

/** @returns the geometry of a stack of convolutions. */
export function frameGeometry(layers: readonly Walk[]): FrameGeometry {
  let [samplesPerFrame, receptiveSamples] = [1, 1]
  for (const { kernel, stride, padding = 0 } of layers) {
    receptiveSamples += (kernel - 1 - 2 * padding) * samplesPerFrame
    samplesPerFrame *= stride
  }
  return { samplesPerFrame, receptiveSamples }
}

/** Frames that so many samples make. */
export function framesOf(samples: number, { samplesPerFrame, receptiveSamples }: FrameGeometry): number {
  return samples < receptiveSamples ? 0 : Math.floor((samples - receptiveSamples) / samplesPerFrame) + 1
}

/** Seconds as whole frames, at least one. */
export function framesIn(seconds: number, sampleRate: number, geometry: FrameGeometry): number {
  return Math.max(1, Math.round((seconds * sampleRate) / geometry.samplesPerFrame))
}

/** Windows of a long recording, and what is only heard at either side: twice what a word lasts. */
const WINDOW_SECONDS = 30
const CONTEXT_SECONDS = 3

/** The windows in which recordings are served. */
export function servingWindows(sampleRate: number, geometry: FrameGeometry): ChunkOptions {
  const context = framesIn(CONTEXT_SECONDS, sampleRate, geometry)
  const windowFrames = framesIn(WINDOW_SECONDS, sampleRate, geometry)
  return { windowFrames, leftFrames: context, rightFrames: context }
}

/** @throws RangeError for windows that keep nothing. */
export function checkChunkOptions({ windowFrames, leftFrames, rightFrames }: ChunkOptions): void {
  for (const [name, value] of Object.entries({ windowFrames, leftFrames, rightFrames }))
    if (!Number.isInteger(value) || value < 0)
      throw new RangeError(`${name} is a number of frames, not ${value}`)
  if (windowFrames <= leftFrames + rightFrames)
    throw new RangeError(
      `windows of ${windowFrames} frames keep nothing beside ${leftFrames} and ${rightFrames} of context`,
    )
}

/**
 * The windows of a recording, in order. The first has no left context and the last no right one, as there is none.
 * @param frames of the whole recording.
 */
export function planChunks(frames: number, options: ChunkOptions): readonly Chunk[] {
  checkChunkOptions(options)
  const { windowFrames, leftFrames, rightFrames } = options
  const chunks: Chunk[] = []
  for (let keepFrom = 0; keepFrom < frames; ) {
    const first = Math.max(0, keepFrom - leftFrames)
    const end = Math.min(frames, first + windowFrames)
    const keepTo = end === frames ? frames : end - rightFrames
    chunks.push({ first, count: end - first, keepFrom, keepTo })
    keepFrom = keepTo
  }
  return chunks
}

/** The samples that a window needs, [start, end) of the recording. */
export function samplesOf(
  { first, count }: Pick<Chunk, 'first' | 'count'>,
  { samplesPerFrame, receptiveSamples }: FrameGeometry,
): { readonly start: number; readonly end: number } {
  const start = first * samplesPerFrame
  return { start, end: start + (count - 1) * samplesPerFrame + receptiveSamples }
}

/** Log probabilities of a stretch of sound: normalisation, encoder and head. */
export type FrameScorer = (samples: Float32Array) => Promise<LogProbabilities>

/** The kept rows of a window. @throws Error where the model's frames are not those planned. */
export function keptRows(output: LogProbabilities, chunk: Chunk): Float32Array {
  const { classes } = output
  if (output.frames !== chunk.count)
    throw new Error(`a window of ${chunk.count} frames came back with ${output.frames}`)
  return output.data.subarray(
    (chunk.keepFrom - chunk.first) * classes,
    (chunk.keepTo - chunk.first) * classes,
  )
}

/**
 * A recording of any length, a window at a time; the result has as many frames as one run over the whole would give.
 * @param onKept told after each window how many frames of the result stand by now.
 * @throws UserError for sound too short to make a frame.
 */
export async function scoreLongSound(
  samples: Float32Array,
  score: FrameScorer,
  geometry: FrameGeometry,
  options: ChunkOptions,
  onKept?: (whole: LogProbabilities, frames: number) => void,
): Promise<LogProbabilities> {
  const frames = framesOf(samples.length, geometry)
  if (frames === 0)
    throw new UserError(`a sound of ${samples.length} samples is too short`, {
      code: 'BAD_ARGUMENT',
      remedy: `give at least ${geometry.receptiveSamples} samples`,
    })
  let whole: LogProbabilities | undefined
  for (const chunk of planChunks(frames, options)) {
    const { start, end } = samplesOf(chunk, geometry)
    // The last window takes the odd samples too: they make no frame, yet the normalisation hears them.
    const output = await score(samples.subarray(start, chunk.keepTo === frames ? samples.length : end))
    whole ??= { data: new Float32Array(frames * output.classes), frames, classes: output.classes }
    if (output.classes !== whole.classes) throw new Error('the windows differ in their classes')
    whole.data.set(keptRows(output, chunk), chunk.keepFrom * whole.classes)
    onKept?.(whole, chunk.keepTo)
  }
  if (whole === undefined) throw new Error('there was no window')
  return whole
}
