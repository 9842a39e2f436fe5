/** Cuts a long recording where it is quiet, so that its pieces can be bought and heard one after the other. */
import type { SoundInput } from '../job.js'

export interface SoundPiece {
  readonly sound: SoundInput
  /** Of its first sample in the recording. */
  readonly startSeconds: number
}

/** The last share of a piece in which the quiet place is looked for, and how long that is. */
const CUT_WITHIN = 0.4
const QUIET_SECONDS = 0.2
const STEP_SECONDS = 0.01
/** No piece is shorter: a word alone is heard badly. */
const LEAST_SECONDS = 5
/** Whoever takes less than that at once is sold no piece: the quiet place and the shortest piece must fit. */
export const LEAST_PIECE_SECONDS = 15
const BYTES_A_SAMPLE = 2

/**
 * @param mostSeconds of a piece; at least {@link LEAST_PIECE_SECONDS}
 * @returns the recording itself where it is no longer
 */
export function cutSound({ sampleRate, pcm16 }: SoundInput, mostSeconds: number): readonly SoundPiece[] {
  const samples = Math.floor(pcm16.length / BYTES_A_SAMPLE)
  const levels = new DataView(pcm16.buffer, pcm16.byteOffset, pcm16.byteLength)
  const most = Math.floor(mostSeconds * sampleRate)
  const pieces: SoundPiece[] = []
  let start = 0
  const take = (end: number): void => {
    const bytes = pcm16.subarray(start * BYTES_A_SAMPLE, end * BYTES_A_SAMPLE)
    pieces.push({ sound: { kind: 'sound', sampleRate, pcm16: bytes }, startSeconds: start / sampleRate })
    start = end
  }
  while (samples - start > most) {
    const last = Math.min(start + most, samples - LEAST_SECONDS * sampleRate)
    take(quietest(levels, { from: start + Math.floor(most * (1 - CUT_WITHIN)), to: last, sampleRate }))
  }
  take(samples)
  return pieces
}

interface Stretch {
  readonly from: number
  readonly to: number
  readonly sampleRate: number
}

/** The middle of the quietest stretch, a sample's number. */
function quietest(levels: DataView, { from, to, sampleRate }: Stretch): number {
  const step = Math.max(1, Math.round(STEP_SECONDS * sampleRate))
  const loudness: number[] = []
  for (let at = from; at + step <= to; at += step) {
    let sum = 0
    for (let i = at; i < at + step; i++) sum += Math.abs(levels.getInt16(i * BYTES_A_SAMPLE, true))
    loudness.push(sum)
  }
  const width = Math.round(QUIET_SECONDS / STEP_SECONDS)
  let window = loudness.slice(0, width).reduce((sum, each) => sum + each, 0)
  let least = window
  let found = 0
  for (let i = 1; i + width <= loudness.length; i++) {
    window += (loudness[i + width - 1] ?? 0) - (loudness[i - 1] ?? 0)
    // Of equals the last: fewer pieces.
    if (window <= least) {
      least = window
      found = i
    }
  }
  return from + Math.round((found + width / 2) * step)
}
