/**
 * What a process that serves a model needs, from the types and shapes of its weights and from what it hears at once: a
 * little more than such processes were seen to hold at most (`npm run bench -- memory`).
 */
import type { WeightSizes } from '../../models/checkpoint/weight-sizes.js'
import type { Precision } from './precision.js'

const MIB = 2 ** 20
/** The runtime and JavaScript, with tokenizers and buffers that do not grow with the input. */
const PROCESS_BYTES = 140 * MIB
/** The runtime lays weights out anew for its products, whatever their type was, and keeps some beside. */
const FLOAT32_FACTOR = 1.03
/** Rounded here, in the encoded graph, in the runtime, and laid out there: nearly four are held while it opens, */
const OPENING_FACTOR = 3.8
/** and not all of them go before it works. */
const ROUNDED_FACTOR = 2.7
/** Of a graph that runs as it is in its file. */
const FILE_FACTOR = 1.3

/** What a model does, as far as memory goes. */
export interface Workload {
  /** Beside its weights while it works on the largest piece that it is given at once. */
  readonly workBytes: number
}

/** Of half a minute of sound the front end makes 512 channels of 3,200 frames a second, and holds them two and a half times. */
const WINDOW_BYTES = 480 * MIB
/** By family; others have nothing that counts beside their weights. */
const WORK_BYTES: Readonly<Record<string, number>> = {
  wav2vec2: WINDOW_BYTES,
  hubert: WINDOW_BYTES,
  'data2vec-audio': WINDOW_BYTES,
  // Attention over the frames of a minute, the table of words laid out once more for their scores, and what a beam of five
  // leaves behind from token to token.
  'speech-translation': 3600 * MIB,
  // A waveform of some fifteen seconds, grown from its frames.
  vits: 240 * MIB,
  'asr-small': 70 * MIB,
}

export function workloadOf(family: string): Workload {
  return { workBytes: (Object.hasOwn(WORK_BYTES, family) ? WORK_BYTES[family] : undefined) ?? 0 }
}

export function memoryForFile(fileBytes: number, { workBytes }: Workload): number {
  return Math.ceil(fileBytes * FILE_FACTOR) + PROCESS_BYTES + workBytes
}

export function memoryFor(sizes: WeightSizes, precision: Precision, { workBytes }: Workload): number {
  const { float32Bytes, roundedBytes, exactBytes } = sizes
  const weightBytes =
    precision === 'int8'
      ? FLOAT32_FACTOR * exactBytes +
        Math.max(OPENING_FACTOR * roundedBytes, ROUNDED_FACTOR * roundedBytes + workBytes)
      : FLOAT32_FACTOR * float32Bytes + workBytes
  return PROCESS_BYTES + Math.ceil(weightBytes)
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
