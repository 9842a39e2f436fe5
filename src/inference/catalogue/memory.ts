/**
 * What a process that serves a model needs, from the types and shapes of its weights: some more than such processes were
 * seen to hold at most, while they opened the model or heard the longest window (docs/results.md).
 */
import type { WeightSizes } from '../../models/checkpoint/weight-sizes.js'
import type { Precision } from './precision.js'

const MIB = 2 ** 20
/** The runtime, JavaScript, and buffers that do not grow with the input. */
const PROCESS_BYTES = 400 * MIB
/** Half a minute of sound in the front end, which makes 512 channels of 3,200 frames a second of it. */
const WINDOW_BYTES = 300 * MIB
/** The runtime lays weights out anew for its products, whatever their type was, and keeps a tenth beside. */
const FLOAT32_FACTOR = 1.1
/** Rounded here, in the encoded graph, in the runtime, and laid out there: all four are held while it opens. */
const ROUNDED_FACTOR = 4
/** Of a graph that runs as it is in its file. */
const FILE_FACTOR = 1.3

/** What a model is, as far as memory goes. */
export interface Workload {
  /** Half minutes of sound that a front end takes at once; 0 for what takes none, or hears in another way. */
  readonly windows: number
}

export function memoryForFile(fileBytes: number, { windows }: Workload): number {
  return Math.ceil(fileBytes * FILE_FACTOR) + PROCESS_BYTES + windows * WINDOW_BYTES
}

export function memoryFor(sizes: WeightSizes, precision: Precision, { windows }: Workload): number {
  const { float32Bytes, roundedBytes, exactBytes } = sizes
  const weightBytes =
    precision === 'int8'
      ? FLOAT32_FACTOR * exactBytes + ROUNDED_FACTOR * roundedBytes
      : FLOAT32_FACTOR * float32Bytes
  return Math.ceil(weightBytes) + PROCESS_BYTES + windows * WINDOW_BYTES
}

interface Memory {
  readonly precision: Precision
  readonly memoryBytes: number
  readonly int8MemoryBytes: number | null
}

/** Of a model of the catalogue, without what it hears with. @param precision its own unless given */
export function memoryOf(card: Memory, precision: Precision = card.precision): number {
  return precision === 'int8' ? (card.int8MemoryBytes ?? card.memoryBytes) : card.memoryBytes
}

/** The same as it is served, n-grams included. */
export function servedMemoryOf(
  card: Memory & { readonly languageModel: { readonly memoryBytes: number } | null },
  precision?: Precision,
): number {
  return memoryOf(card, precision) + (card.languageModel?.memoryBytes ?? 0)
}
