/** From log durations to frames: each token's statistics as often as the token lasts. */
import { UserError } from '../../errors.js'

export interface Alignment {
  /** Frames of each token, row by row; 0 at padding. */
  readonly durations: readonly (readonly number[])[]
  /** Frames of each row, at least 1. */
  readonly frames: readonly number[]
}

/**
 * @param logDurations [rows, tokens]. @param lengths tokens that count in each row.
 * @param rate 1 is as trained, 2 twice as fast.
 * @param mostFrames of a row. @throws UserError where a row would be longer.
 */
export function align(
  logDurations: Float32Array,
  lengths: readonly number[],
  rate: number,
  mostFrames: number,
): Alignment {
  const tokens = logDurations.length / lengths.length
  const slowness = Math.fround(1 / rate)
  const durations = lengths.map((length, row) =>
    Array.from({ length: tokens }, (_, token) => {
      if (token >= length) return 0
      // In float32, as the reference rounds: the ceiling makes a frame of what lies just above a whole number.
      const seconds = Math.fround(Math.exp(logDurations[row * tokens + token] ?? 0))
      return Math.ceil(Math.fround(seconds * slowness))
    }),
  )
  const frames = durations.map((row) =>
    Math.max(
      1,
      row.reduce((sum, each) => sum + each, 0),
    ),
  )
  const longest = Math.max(...frames)
  if (!(longest <= mostFrames))
    throw new UserError(`the voice would speak ${longest} frames without a pause, of ${mostFrames} at most`, {
      code: 'BAD_ARGUMENT',
      remedy: 'speak faster, with less noise in the durations, or in shorter sentences',
    })
  return { durations, frames }
}

export interface PriorOptions {
  readonly means: Float32Array
  readonly logDeviations: Float32Array
  readonly width: number
  readonly alignment: Alignment
  readonly noiseScale: number
  /** Standard normal, [rows, width, frames of the longest row]; undefined where the scale is 0. */
  readonly noise?: Float32Array
}

/**
 * Latents as the text predicts them, mean + noise * deviation.
 * @returns [rows, width, frames of the longest row]. Past a row's end the mean is 0 and the deviation 1, as in the
 * reference.
 */
export function priorLatents(options: PriorOptions): {
  readonly values: Float32Array
  readonly frames: number
} {
  const { means, logDeviations, width, alignment, noiseScale, noise } = options
  const frames = Math.max(...alignment.frames)
  const values = new Float32Array(alignment.frames.length * width * frames)
  alignment.durations.forEach((durations, row) => {
    const base = row * width * frames
    if (noise !== undefined)
      for (let at = base; at < base + width * frames; at++) values[at] = (noise[at] ?? 0) * noiseScale
    let start = 0
    durations.forEach((duration, token) => {
      const from = (row * durations.length + token) * width
      for (let channel = 0; channel < width; channel++) {
        const deviation = Math.exp(logDeviations[from + channel] ?? 0)
        const mean = means[from + channel] ?? 0
        const at = base + channel * frames
        for (let frame = start; frame < start + duration; frame++)
          values[at + frame] = mean + (values[at + frame] ?? 0) * deviation
      }
      start += duration
    })
  })
  return { values, frames }
}
