/** Decoded sound, and what every reader and extractor says about it. */

import { UserError } from '../../errors.js'

export interface Audio {
  /** Hz. */
  readonly sampleRate: number
  /** An array a channel, all of one length; full scale is [-1, 1). */
  readonly channels: readonly Float32Array[]
}

/** Four hours of mono at 16 kHz, or one of stereo at 32 kHz; a gigabyte as float32. */
export const MAX_SAMPLES = 1 << 28

/** Mean of the channels: [samples]. The array itself where there is one channel. */
export function toMono({ channels }: Audio): Float32Array {
  const [first] = channels
  if (first === undefined) return new Float32Array(0)
  if (channels.length === 1) return first
  return first.map((_, i) => channels.reduce((sum, channel) => sum + (channel[i] ?? 0), 0) / channels.length)
}

/** A file that cannot be heard. `what` is its format. */
export function badAudio(what: string, reason: string, cause?: unknown): UserError {
  return new UserError(`not a valid ${what} file: ${reason}`, {
    code: 'BAD_ARGUMENT',
    remedy: 'record or convert it again',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Guards every decoder against files that unfold to more than memory. @throws UserError */
export function checkSampleCount(what: string, samples: number): void {
  if (samples > MAX_SAMPLES) throw badAudio(what, `it holds more than ${MAX_SAMPLES} samples; cut it`)
}

/** Below, speech has no consonants; above, no converter goes. */
export const SAMPLE_RATES_HZ = { least: 1000, most: 768_000 }

/** Guards what comes after: filters grow with the rate, and one value that is no number spoils a whole sound. */
export function checkSound(what: string, audio: Audio): Audio {
  const { sampleRate, channels } = audio
  const { least, most } = SAMPLE_RATES_HZ
  if (!Number.isInteger(sampleRate) || sampleRate < least || sampleRate > most)
    throw badAudio(what, `it says ${sampleRate} Hz`)
  for (const channel of channels)
    for (let i = 0; i < channel.length; i++)
      if (!Number.isFinite(channel[i])) throw badAudio(what, `its sample ${i} is no number`)
  return audio
}

/** Told a sound from its beginning to its end, piece by piece: whoever makes it small need not hold all of it. */
export type TakeSound = (piece: Audio) => void

/** Joins pieces of one channel layout. */
export function concatenate(pieces: readonly (readonly Float32Array[])[]): readonly Float32Array[] {
  const [first] = pieces
  if (first === undefined) return []
  return first.map((_, channel) => {
    const length = pieces.reduce((sum, piece) => sum + (piece[channel]?.length ?? 0), 0)
    const joined = new Float32Array(length)
    let at = 0
    for (const piece of pieces) {
      const part = piece[channel] ?? new Float32Array(0)
      joined.set(part, at)
      at += part.length
    }
    return joined
  })
}
