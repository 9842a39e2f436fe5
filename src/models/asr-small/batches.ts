/**
 * Batches of about equal duration in a few shapes. Which clips, at which speed and in which order, follows from the
 * seed and the number of the block alone, so that a resumed run sees what an uninterrupted one would.
 */

import type { TensorValues } from '../../ml/session/index.js'
import { Random } from '../../ml/train/random.js'
import { AUGMENT, type AugmentOptions, augment, drawSpeed, framesAtSpeed } from './augment.js'
import type { Clip } from './data/prepare.js'
import { outputFrames } from './definition.js'
import { MELS, normaliseFrames, toLogEnergies } from './features.js'
import { encodeText } from './text.js'

/** Frames of the padded clips in a batch: 20 s. */
const BATCH_FRAMES = 2048
/** Lengths of a batch's rows, in frames. Each is a graph. */
export const ROW_FRAMES: readonly number[] = [100, 140, 196, 272, 380, 532, 744, 1040, 1456, 2040, 3072]
/** Label places of a row for each of its frames: 20 characters a second. */
const LABELS_PER_FRAME = 0.2
/** Clips that are drawn, sorted into shapes and shuffled at a time. */
const BLOCK = 320

export const rowsOf = (frames: number): number => Math.max(1, Math.floor(BATCH_FRAMES / frames))
const labelPlaces = (frames: number): number => Math.ceil(frames * LABELS_PER_FRAME)

export interface Draw {
  readonly clip: Clip
  readonly speed: number
}

export interface Plan {
  /** Of each row. */
  readonly frames: number
  readonly draws: readonly Draw[]
}

export interface DrawOptions {
  readonly seed: number
  /** Share of draws that are recordings. */
  readonly recordings: number
  /** Longer clips wait: in the first blocks. */
  readonly shortBlocks: number
  readonly shortFrames: number
  /** Synthetic sentences that the first block draws from, and how many more each further block does. */
  readonly synthetic: { readonly first: number; readonly perBlock: number }
  readonly augment?: AugmentOptions
}

/** How many synthetic clips a block draws from: so many must be there before it is planned. */
export const syntheticWanted = (block: number, { synthetic }: Pick<DrawOptions, 'synthetic'>): number =>
  synthetic.first + block * synthetic.perBlock

/** The batches of a block, in order. */
export function planBlock(clips: readonly Clip[], block: number, options: DrawOptions): readonly Plan[] {
  if (clips.length === 0) return []
  const random = Random.named(options.seed, `block/${block}`)
  const most = block < options.shortBlocks ? options.shortFrames : (ROW_FRAMES.at(-1) ?? 0)
  const recordings = clips.filter((clip) => clip.source !== 'synthetic')
  const synthetic = clips
    .filter((clip) => clip.source === 'synthetic')
    .slice(0, syntheticWanted(block, options))
  const shelves = new Map<number, Draw[]>()
  for (let i = 0; i < BLOCK; i++) {
    const wantsRecording = random.uniform() < options.recordings
    const pool = (wantsRecording && recordings.length > 0) || synthetic.length === 0 ? recordings : synthetic
    const clip = pool[random.below(pool.length)]
    const speed = drawSpeed(random, options.augment ?? AUGMENT)
    if (clip === undefined) continue
    const frames = framesAtSpeed(clip.features.frames, speed)
    const row = ROW_FRAMES.find((size) => size >= frames)
    if (
      row === undefined ||
      row > most ||
      clip.text.length > Math.min(labelPlaces(row), outputFrames(frames))
    )
      continue
    const shelf = shelves.get(row)
    if (shelf === undefined) shelves.set(row, [{ clip, speed }])
    else shelf.push({ clip, speed })
  }
  const plans: Plan[] = []
  for (const [frames, draws] of [...shelves].sort(([a], [b]) => a - b)) {
    const rows = rowsOf(frames)
    for (let from = 0; from < draws.length; from += rows) {
      const some = draws.slice(from, from + rows)
      // A batch that is less than half full waits for no one: its clips come again in other blocks.
      if (some.length * 2 < rows) continue
      while (some.length < rows) some.push(draws[random.below(draws.length)] as Draw)
      plans.push({ frames, draws: some })
    }
  }
  return random.shuffle(plans)
}

/** A planned batch's inputs, augmented. @param moment tells this batch's randomness from others'. */
export function trainingBatch({ frames, draws }: Plan, seed: number, moment: string): TensorValues {
  const random = Random.named(seed, moment)
  return packBatch(
    frames,
    draws.map(({ clip, speed }) => ({ values: augment(clip.features, speed, random), text: clip.text })),
    draws.length,
  )
}

/** Clips as they are, in batches of the training's shapes; empty rows fill the last of each shape. */
export function evaluationBatches(
  clips: readonly Clip[],
): readonly { readonly clips: readonly Clip[]; readonly batch: TensorValues }[] {
  const result: { clips: readonly Clip[]; batch: TensorValues }[] = []
  for (const [i, frames] of ROW_FRAMES.entries()) {
    const least = ROW_FRAMES[i - 1] ?? 0
    const fitting = clips.filter(({ features }) => features.frames > least && features.frames <= frames)
    const rows = rowsOf(frames)
    for (let from = 0; from < fitting.length; from += rows) {
      const some = fitting.slice(from, from + rows)
      const packed = packBatch(
        frames,
        some.map(({ features, text }) => ({
          values: normaliseFrames(toLogEnergies(features)),
          text: text.slice(0, labelPlaces(frames)),
        })),
        rows,
      )
      result.push({ clips: some, batch: packed })
    }
  }
  return result
}

/** Rows padded with zeros to one shape. */
function packBatch(
  frames: number,
  items: readonly { readonly values: Float32Array; readonly text: string }[],
  rows: number,
): TensorValues {
  const places = labelPlaces(frames)
  const features = new Float32Array(rows * frames * MELS)
  const targets = new BigInt64Array(rows * places).fill(1n)
  const lengths = new BigInt64Array(rows).fill(1n)
  const labels = new BigInt64Array(rows)
  for (const [row, { values, text }] of items.entries()) {
    features.set(values, row * frames * MELS)
    encodeText(text).forEach((label, i) => {
      targets[row * places + i] = BigInt(label)
    })
    lengths[row] = BigInt(outputFrames(values.length / MELS))
    labels[row] = BigInt(text.length)
  }
  return {
    features: { dtype: 'float32', shape: [rows, frames, MELS], data: features },
    lengths: { dtype: 'int64', shape: [rows], data: lengths },
    targets: { dtype: 'int64', shape: [rows, places], data: targets },
    labels: { dtype: 'int64', shape: [rows], data: labels },
  }
}
