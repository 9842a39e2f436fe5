/** Short-time Fourier transform as `torch.stft(center=True, pad_mode="reflect")` frames it. */

import { Fft, type Spectrum } from './fft.js'
import { makeWindow } from './windows.js'

export interface StftOptions {
  /** Points of each transform; the window is a periodic Hann window of this length. */
  readonly fftLength: number
  /** Samples from frame to frame. */
  readonly hop: number
}

/** Frames that {@link stftFrames} yields for a signal. */
export function stftFrameCount(samples: number, { hop }: StftOptions): number {
  return 1 + Math.floor(samples / hop)
}

/**
 * One spectrum a frame, frame t centred on sample t * hop, the signal mirrored at its ends.
 * The yielded arrays are reused: copy what must last.
 * @throws RangeError where the signal is not longer than half a frame (nothing to mirror)
 */
export function* stftFrames(signal: Float32Array, options: StftOptions): Generator<Spectrum> {
  const { fftLength, hop } = options
  const half = Math.floor(fftLength / 2)
  if (signal.length <= half)
    throw new RangeError(`${signal.length} samples are too few to mirror around frames of ${fftLength}`)
  const fft = new Fft(fftLength)
  const window = makeWindow('hann', fftLength, true)
  const frame = new Float64Array(fftLength)
  const count = stftFrameCount(signal.length, options)
  for (let t = 0; t < count; t++) {
    for (let i = 0; i < fftLength; i++)
      frame[i] = (signal[mirror(t * hop + i - half, signal.length)] ?? 0) * (window[i] ?? 0)
    yield fft.transform(frame)
  }
}

/** Index reflected into [0, length) without repeating the edge. */
function mirror(index: number, length: number): number {
  const positive = Math.abs(index)
  return positive < length ? positive : 2 * (length - 1) - positive
}

/**
 * The complex spectrogram.
 * @returns real and imaginary parts, each [bins, frames] in C order
 */
export function stft(
  signal: Float32Array,
  options: StftOptions,
): { readonly real: Float32Array; readonly imaginary: Float32Array; readonly frames: number } {
  const frames = stftFrameCount(signal.length, options)
  const bins = Math.floor(options.fftLength / 2) + 1
  const real = new Float32Array(bins * frames)
  const imaginary = new Float32Array(bins * frames)
  let t = 0
  for (const spectrum of stftFrames(signal, options)) {
    for (let bin = 0; bin < bins; bin++) {
      real[bin * frames + t] = spectrum.real[bin] ?? 0
      imaginary[bin * frames + t] = spectrum.imaginary[bin] ?? 0
    }
    t++
  }
  return { real, imaginary, frames }
}
