/**
 * A trained model as it is served and shipped: a folder with config.json, the weights in half precision (a recogniser
 * of 2.2 million parameters is 4.4 MB), and what else its family needs.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint } from '../../ml/files/open.js'
import { writeSafetensors } from '../../ml/files/safetensors-writer.js'
import { narrowToFloat16 } from '../../ml/files/small-floats.js'
import { ASR_SMALL_ARCHITECTURE, asrSmallConfigSchema, type ServedConfig } from '../asr-small/config.js'
import { LANGUAGE_MODEL_FILE } from '../asr-small/data/texts.js'
import { ASR_SMALL } from '../asr-small/definition.js'
import { LANGUAGE_ID_ARCHITECTURE, type LanguageIdConfig } from '../language-id/config.js'
import { readLanguageClips, readLanguageSentences } from '../language-id/data/prepare.js'
import { fitPhonotactics } from '../language-id/fitting.js'
import { LANGUAGES } from '../language-id/languages.js'
import { PHONE_CLASSES } from '../language-id/phones.js'
import { formatPhonotactics, PHONOTACTICS_FILE } from '../language-id/phonotactics-file.js'
import { LANGUAGE_ID_RECIPE } from '../language-id/training.js'
import { UNTUNED } from '../language-id/tuning.js'

export interface PackageOptions {
  /** model.safetensors of a training run. */
  readonly weights: string
  /** The data that it was trained on. */
  readonly data: string
  /** The folder to write. */
  readonly directory: string
}

/** What was chosen for other weights does not go with these: the configuration has its defaults. */
export async function packAsrSmall({ weights, data, directory }: PackageOptions): Promise<void> {
  await mkdir(directory, { recursive: true })
  await halveWeights(weights, join(directory, 'model.safetensors'))
  await copyFile(join(data, LANGUAGE_MODEL_FILE), join(directory, LANGUAGE_MODEL_FILE))
  await writeAsrSmallConfig(
    directory,
    asrSmallConfigSchema.parse({
      model_type: 'plumbline-asr-small',
      ...ASR_SMALL,
      skips_empty_bands: true,
    }),
  )
}

export function writeAsrSmallConfig(directory: string, config: ServedConfig): Promise<void> {
  return writeConfig(directory, { architectures: [ASR_SMALL_ARCHITECTURE], ...config })
}

/** The tuning has its defaults until `npm run bench -- language-id --write-card` has chosen them. */
export async function packLanguageId({ weights, data, directory }: PackageOptions): Promise<void> {
  await mkdir(directory, { recursive: true })
  const served = join(directory, 'model.safetensors')
  await halveWeights(weights, served)
  const clips = (await readLanguageClips(data)).filter(({ split }) => split === 'train')
  const sentences = await readLanguageSentences(data)
  const phonotactics = await fitPhonotactics(served, clips, sentences, LANGUAGE_ID_RECIPE.seed)
  await writeFile(join(directory, PHONOTACTICS_FILE), formatPhonotactics(phonotactics))
  await writeLanguageIdConfig(directory, {
    model_type: 'plumbline-language-id',
    languages: [...LANGUAGES],
    classes: PHONE_CLASSES,
    ...UNTUNED,
  })
}

export function writeLanguageIdConfig(directory: string, config: LanguageIdConfig): Promise<void> {
  return writeConfig(directory, { architectures: [LANGUAGE_ID_ARCHITECTURE], ...config })
}

const writeConfig = (directory: string, config: object): Promise<void> =>
  writeFile(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)

/** Every tensor rounded to float16. @throws RangeError for a weight beyond its range */
async function halveWeights(from: string, to: string): Promise<void> {
  const checkpoint = await openCheckpoint(from)
  try {
    const tensors = [...checkpoint.tensors.values()].map(({ name, shape }) => ({
      name,
      shape,
      dtype: 'F16' as const,
      data: async () => {
        const values = await checkpoint.readFloat32(name)
        const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
        return new Uint8Array(Uint16Array.from(bits, (value) => halfOf(value, name)).buffer)
      },
    }))
    await writeSafetensors(to, tensors)
  } finally {
    await checkpoint.close()
  }
}

const INFINITE = 0x7c00

function halfOf(bits: number, name: string): number {
  const half = narrowToFloat16(bits)
  if ((half & INFINITE) === INFINITE) throw new RangeError(`${name} has a weight beyond half precision`)
  return half
}
