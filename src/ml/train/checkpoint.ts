/**
 * What a run needs to go on to the bit: parameters, moments, average, counters and whatever the caller adds, in one
 * safetensors file that appears whole or not at all. Exported weights are a file of named tensors, as models are
 * published.
 */
import { UserError } from '../../errors.js'
import { SafetensorsFile } from '../files/safetensors-reader.js'
import { writeSafetensors } from '../files/safetensors-writer.js'
import type { AdamState } from '../optim/adam.js'
import type { ParameterLayout } from './flat-parameters.js'

const FORMAT = 'plumbline training state 1'

export interface TrainingState {
  readonly parameters: Float32Array
  readonly frozen: Float32Array
  readonly adam: AdamState
  /** The moving average, where there is one. */
  readonly average: Float32Array | undefined
  readonly update: number
  readonly seed: number
  /** The layouts' signature: a state goes on only with the model that made it. */
  readonly signature: string
  /** The caller's own: places in the data, generators' states. */
  readonly extra: Readonly<Record<string, string>>
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

const flat = (name: string, values: Float32Array) => ({
  name,
  dtype: 'F32' as const,
  shape: [values.length],
  data: bytesOf(values),
})

/** @throws UserError where the file cannot be written. */
export async function saveTrainingState(path: string, state: TrainingState): Promise<void> {
  const tensors = [
    flat('parameters', state.parameters),
    flat('frozen', state.frozen),
    flat('adam.mean', state.adam.mean),
    flat('adam.square', state.adam.square),
    ...(state.average === undefined ? [] : [flat('average', state.average)]),
  ]
  await writeSafetensors(path, tensors, {
    format: FORMAT,
    update: String(state.update),
    seed: String(state.seed),
    'adam.step': String(state.adam.step),
    signature: state.signature,
    extra: JSON.stringify(state.extra),
  })
}

/** @throws UserError for a file that is missing, damaged or no training state. */
export async function loadTrainingState(path: string): Promise<TrainingState> {
  const file = await SafetensorsFile.open(path)
  try {
    const text = (key: string): string => {
      const value = file.metadata.get(key)
      if (value === undefined) throw notAState(path, `it lacks ${key}`)
      return value
    }
    const count = (key: string): number => {
      const value = Number(text(key))
      if (!Number.isSafeInteger(value) || value < 0) throw notAState(path, `its ${key} is ${text(key)}`)
      return value
    }
    if (text('format') !== FORMAT) throw notAState(path, `its format is ${text('format')}`)
    return {
      parameters: await file.readFloat32('parameters'),
      frozen: await file.readFloat32('frozen'),
      adam: {
        step: count('adam.step'),
        mean: await file.readFloat32('adam.mean'),
        square: await file.readFloat32('adam.square'),
      },
      average: file.tensors.has('average') ? await file.readFloat32('average') : undefined,
      update: count('update'),
      seed: count('seed'),
      signature: text('signature'),
      extra: extraOf(path, text('extra')),
    }
  } finally {
    await file.close()
  }
}

function extraOf(path: string, json: string): Readonly<Record<string, string>> {
  let extra: unknown
  try {
    extra = JSON.parse(json)
  } catch (cause) {
    throw notAState(path, 'what the caller added is no JSON', cause)
  }
  const isRecord = typeof extra === 'object' && extra !== null && !Array.isArray(extra)
  if (!isRecord || Object.values(extra as object).some((value) => typeof value !== 'string'))
    throw notAState(path, 'what the caller added is no table of texts')
  return extra as Record<string, string>
}

function notAState(path: string, why: string, cause?: unknown): UserError {
  return new UserError(`${path} is no training state: ${why}`, {
    code: 'BAD_ARGUMENT',
    remedy: 'give a checkpoint that training wrote',
    cause,
  })
}

/** Writes the parameters under their own names. */
export async function saveWeights(
  path: string,
  layout: ParameterLayout,
  values: Float32Array,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeSafetensors(
    path,
    layout.entries.map((entry) => ({
      name: entry.name,
      dtype: 'F32' as const,
      shape: entry.shape,
      data: bytesOf(layout.view(values, entry)),
    })),
    metadata,
  )
}

/**
 * Fills a flat vector from a file of named tensors.
 * @throws UserError naming a parameter that is missing or of another shape.
 */
export async function loadWeights(
  path: string,
  layout: ParameterLayout,
  values: Float32Array,
): Promise<void> {
  const file = await SafetensorsFile.open(path)
  try {
    for (const entry of layout.entries) {
      const info = file.tensors.get(entry.name)
      if (info === undefined || info.shape.join() !== entry.shape.join())
        throw new UserError(
          `${path}: ${entry.name} is ${info === undefined ? 'missing' : `[${info.shape}]`}, the model needs [${entry.shape}]`,
          { code: 'BAD_ARGUMENT', remedy: 'check that the weights belong to this model' },
        )
      await file.readFloat32(entry.name, { target: layout.view(values, entry) })
    }
  } finally {
    await file.close()
  }
}
