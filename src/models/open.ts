/** What a model directory holds, told without loading it: family, tasks, licence, size, memory. */
import { join } from 'node:path'
import type { Dtype } from '../ml/files/dtype.js'
import { openCheckpoint } from '../ml/files/open.js'
import { architectureOf, readConfig } from './checkpoint/config-file.js'
import { weightSizes } from './checkpoint/weight-sizes.js'
import { type Family, families } from './families.js'
import { type ModelCard, readModelCard } from './model-card.js'

export interface ModelDescription {
  readonly directory: string
  /** As config.json calls it. */
  readonly architecture: string
  /** Undefined where no family here knows the architecture. */
  readonly family: Family | undefined
  readonly card: ModelCard
  readonly parameters: number
  /** Of the weights as they are stored. */
  readonly storedBytes: number
  /** Numbers by their type in the file. */
  readonly types: Readonly<Partial<Record<Dtype, number>>>
  readonly memory: MemoryEstimate
}

/**
 * Bytes that the weights take while the model is open. What a run needs comes on top: it grows with the length of the
 * input and is small beside the weights for the lengths that are served.
 */
export interface MemoryEstimate {
  /** Every weight as float32, which is how halves are computed with too. */
  readonly float32Bytes: number
  /** Matrices as 8-bit integers with a scale a column, the rest as float32. */
  readonly int8Bytes: number
}

/**
 * @param directory as downloaded: config.json, weights, README.md where there is one.
 * @throws UserError where config.json or the weights are missing or damaged.
 */
export async function describeModel(directory: string): Promise<ModelDescription> {
  const architecture = architectureOf(await readConfig(directory), join(directory, 'config.json'))
  const card = await readModelCard(directory)
  const checkpoint = await openCheckpoint(directory)
  try {
    const sizes = weightSizes(checkpoint.tensors.values())
    const { numbers: parameters, storedBytes, types, float32Bytes, roundedBytes, exactBytes } = sizes
    const family = Object.hasOwn(families, architecture) ? families[architecture] : undefined
    const memory = { float32Bytes, int8Bytes: roundedBytes + exactBytes }
    return { directory, architecture, family, card, parameters, storedBytes, types, memory }
  } finally {
    await checkpoint.close()
  }
}

/** One line for people: `wav2vec2 (speech-recognition), 315.4 M parameters, 1.26 GB as float32, licence apache-2.0`. */
export function describeInOneLine(description: ModelDescription): string {
  const { architecture, family, card, parameters, memory } = description
  const what =
    family === undefined
      ? `${architecture}, a family that is not known here`
      : `${family.name} (${family.tasks.join(', ')})${family.runs ? '' : ', not run by this version'}`
  const size = `${amount(parameters)} parameters, ${amount(memory.float32Bytes)}B as float32`
  return `${what}, ${size}, licence ${card.licence ?? 'not stated'}`
}

function amount(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T']
  let power = 0
  let scaled = value
  for (; scaled >= 1000 && power < units.length - 1; power++) scaled /= 1000
  return `${power === 0 ? scaled : scaled.toPrecision(3)} ${units[power]}`
}
