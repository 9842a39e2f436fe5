/**
 * The weights of one language of an MMS recogniser: adapters and head, from `adapter.{language}.safetensors` beside the
 * model or from the model itself. They are inputs of the graph, so another language costs no new session.
 */
import { UserError } from '../../errors.js'
import type { Checkpoint } from '../../ml/files/checkpoint.js'
import { openCheckpoint } from '../../ml/files/open.js'
import { printable, refuse } from '../../ml/files/refuse.js'
import { SafetensorsFile } from '../../ml/files/safetensors-reader.js'
import { printShape } from '../../ml/graph/index.js'
import type { TensorValue, TensorValues } from '../../ml/session/session.js'
import type { SpeechEncoderConfig } from './config.js'
import { adapterLanguages, adapterPath } from './languages.js'
import { isHead, isOfLanguage } from './names.js'

/** Enough to recognise one's language in a message. */
const SHOWN_LANGUAGES = 8

/** What an adapter file must hold: the model's name of each weight, and its shape; -1 for the vocabulary's size. */
export function languageShapes(config: SpeechEncoderConfig): ReadonlyMap<string, readonly number[]> {
  const { width, blocks, languageAdapterWidth: inner } = config
  const shapes = new Map<string, readonly number[]>()
  if (inner !== undefined)
    for (let i = 0; i < blocks; i++) {
      const at = (name: string): string => `encoder.layers.${i}.adapter_layer.${name}`
      shapes.set(at('norm.weight'), [width]).set(at('norm.bias'), [width])
      shapes.set(at('linear_1.weight'), [inner, width]).set(at('linear_1.bias'), [inner])
      shapes.set(at('linear_2.weight'), [width, inner]).set(at('linear_2.bias'), [width])
    }
  return shapes.set('lm_head.weight', [-1, config.lengthAdapter?.width ?? width]).set('lm_head.bias', [-1])
}

/**
 * A language's weights, ready to be given to a run.
 * @param prefix of the encoder's names in the file.
 * @throws UserError naming every tensor that is missing, surplus or of another shape.
 */
export async function readLanguage(
  directory: string,
  language: string,
  config: SpeechEncoderConfig,
  prefix: string,
): Promise<TensorValues> {
  const known = await adapterLanguages(directory)
  // Not a path: only a name that the folder's own listing holds.
  if (!known.includes(language)) throw unknownLanguage(directory, language, known)
  const file = await SafetensorsFile.open(adapterPath(directory, language))
  try {
    return await readWeights(file, config, prefix, 'whole')
  } finally {
    await file.close()
  }
}

/** The weights of the language that the model was saved with. */
export async function readOwnLanguage(
  directory: string,
  config: SpeechEncoderConfig,
  prefix: string,
): Promise<TensorValues> {
  const checkpoint = await openCheckpoint(directory)
  try {
    return await readWeights(checkpoint, config, prefix, 'part')
  } finally {
    await checkpoint.close()
  }
}

async function readWeights(
  file: Checkpoint,
  config: SpeechEncoderConfig,
  prefix: string,
  extent: 'whole' | 'part',
): Promise<TensorValues> {
  const wanted = new Map(
    [...languageShapes(config)].map(([name, shape]) => [
      isHead(name) ? name : prefix + name,
      { name, shape },
    ]),
  )
  const vocabulary = file.tensors.get('lm_head.bias')?.shape[0] ?? -1
  const faults: string[] = []
  for (const [stored, { shape }] of wanted) {
    const found = file.tensors.get(stored)?.shape
    const expected = shape.map((size) => (size === -1 ? vocabulary : size))
    if (found === undefined) faults.push(`missing ${stored}`)
    else if (printShape(found) !== printShape(expected))
      faults.push(`${stored} is ${printShape(found)} instead of ${printShape(expected)}`)
  }
  for (const name of file.tensors.keys())
    if (!wanted.has(name) && (extent === 'whole' || isOfLanguage(name)))
      faults.push(`surplus ${printable(name)}`)
  if (faults.length > 0)
    throw refuse(file.path, `does not hold the weights of a language of this model: ${faults.join('; ')}`, {
      remedy: 'fetch the adapter that was published with the model',
    })
  // Hundreds of small reads: side by side, they take half the time that they take one after another.
  const read = async (stored: string, name: string): Promise<readonly [string, TensorValue]> => {
    const shape = file.tensors.get(stored)?.shape ?? []
    const data = await file.readFloat32(stored, { rounding: true })
    return [name, { dtype: 'float32', shape, data }]
  }
  return Object.fromEntries(await Promise.all([...wanted].map(([stored, { name }]) => read(stored, name))))
}

function unknownLanguage(directory: string, language: string, known: readonly string[]): UserError {
  const shown = known.slice(0, SHOWN_LANGUAGES).join(', ')
  const more = known.length > SHOWN_LANGUAGES ? ` ... (${known.length} languages)` : ''
  return new UserError(`${directory} has no adapter for the language "${printable(language)}"`, {
    code: 'NOT_FOUND',
    remedy:
      known.length === 0
        ? `download adapter.${printable(language)}.safetensors into it`
        : `choose one of ${shown}${more}, or download its adapter`,
  })
}
