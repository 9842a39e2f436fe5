/** What a model directory holds, read from its own files: family, task, languages, size, licence. */
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { UserError } from '../../errors.js'
import { openCheckpoint, weightFileNames } from '../../ml/files/open.js'
import { ByteBpeTokenizer } from '../../ml/tokenizers/byte-bpe.js'
import { CtcTokenizer } from '../../ml/tokenizers/ctc.js'
import { MBart50Tokenizer } from '../../ml/tokenizers/mbart50.js'
import { VitsTokenizer } from '../../ml/tokenizers/vits.js'
import { ASR_SMALL_ARCHITECTURE } from '../../models/asr-small/config.js'
import { architectureOf, readConfig } from '../../models/checkpoint/config-file.js'
import { weightSizes } from '../../models/checkpoint/weight-sizes.js'
import { LANGUAGE_ID_ARCHITECTURE } from '../../models/language-id/config.js'
import { readModelCard } from '../../models/model-card.js'
import { ONNX_FAMILY, ONNX_FILE } from '../../models/onnx-speech/file.js'
import { readGenerationConfig } from '../../models/speech-translation/generation-config.js'
import { servedLanguages } from '../../models/wav2vec2/languages.js'
import { chooseLanguageModel, type ServedLanguageModel, type WantedLanguageModel } from './language-model.js'
import { memoryFor, memoryForFile, type Workload, workloadOf } from './memory.js'
import type { Precision } from './precision.js'

export const TASKS = ['transcribe', 'identify', 'translate', 'speak', 'embed'] as const
export type Task = (typeof TASKS)[number]

/** What models turn into vectors. */
export type EmbedInput = 'sound' | 'text' | 'image'

/** By family: a recogniser's hidden states are of use, too. */
const EMBEDS: Readonly<Record<string, EmbedInput>> = {
  wav2vec2: 'sound',
  hubert: 'sound',
  'data2vec-audio': 'sound',
  'data2vec-text': 'text',
  'data2vec-vision': 'image',
}

/** These run on their files' own precision; the others' layers can be made eight-bit. */
const NO_INT8: ReadonlySet<string> = new Set(['asr-small', 'language-id', 'vits', ONNX_FAMILY])

/** Whether a model can be served with eight-bit weights made here. */
export const hasInt8 = ({ family }: Pick<ModelCard, 'family'>): boolean => !NO_INT8.has(family)

/** What a model turns into vectors, whatever else it is for; undefined for one that gives none. */
export const embedsFrom = ({ family }: Pick<ModelCard, 'family'>): EmbedInput | undefined =>
  Object.hasOwn(EMBEDS, family) ? EMBEDS[family] : undefined

/** Architectures that run here (`architectures` of config.json), and what they are for. */
const ARCHITECTURES: Readonly<Record<string, { readonly family: string; readonly task: Task }>> = {
  Wav2Vec2ForCTC: { family: 'wav2vec2', task: 'transcribe' },
  HubertForCTC: { family: 'hubert', task: 'transcribe' },
  Data2VecAudioForCTC: { family: 'data2vec-audio', task: 'transcribe' },
  Wav2Vec2ForSequenceClassification: { family: 'wav2vec2', task: 'identify' },
  HubertForSequenceClassification: { family: 'hubert', task: 'identify' },
  Data2VecAudioForSequenceClassification: { family: 'data2vec-audio', task: 'identify' },
  VitsModel: { family: 'vits', task: 'speak' },
  SpeechEncoderDecoderModel: { family: 'speech-translation', task: 'translate' },
  Wav2Vec2Model: { family: 'wav2vec2', task: 'embed' },
  Wav2Vec2ForPreTraining: { family: 'wav2vec2', task: 'embed' },
  HubertModel: { family: 'hubert', task: 'embed' },
  Data2VecAudioModel: { family: 'data2vec-audio', task: 'embed' },
  Data2VecTextModel: { family: 'data2vec-text', task: 'embed' },
  Data2VecTextForMaskedLM: { family: 'data2vec-text', task: 'embed' },
  Data2VecTextForSequenceClassification: { family: 'data2vec-text', task: 'embed' },
  Data2VecVisionModel: { family: 'data2vec-vision', task: 'embed' },
  Data2VecVisionForImageClassification: { family: 'data2vec-vision', task: 'embed' },
  [ASR_SMALL_ARCHITECTURE]: { family: 'asr-small', task: 'transcribe' },
  [LANGUAGE_ID_ARCHITECTURE]: { family: 'language-id', task: 'identify' },
}

export interface ModelCard {
  readonly name: string
  /** Absolute. */
  readonly directory: string
  readonly architecture: string
  readonly family: string
  readonly task: Task
  /** Bytes of all weight files that one run reads. */
  readonly fileBytes: number
  /** What its weights are computed with wherever it is served. */
  readonly precision: Precision
  /** What the process that serves it may need; of its own precision: `memoryOf`. */
  readonly memoryBytes: number
  /** The same on eight bits; null where it has none, or an older version wrote the entry. */
  readonly int8MemoryBytes: number | null
  /** That it hears with wherever it is served; null for none. */
  readonly languageModel: ServedLanguageModel | null
  /**
   * ISO 639 codes: those that the directory has vocabulary and weights of where it has several, else what the model card
   * says.
   */
  readonly languages: readonly string[]
  /** As its model card says (README.md); null where it says nothing. */
  readonly licence: string | null
  /** What it was made from, as its model card says. */
  readonly baseModel: string | null
  /** Unix milliseconds. */
  readonly addedAtMs: number
}

/** Families whose whole graph may come as an ONNX file instead of weights, for these tasks. */
const AS_ONNX: ReadonlySet<string> = new Set(['wav2vec2', 'hubert', 'data2vec-audio'])
const ONNX_TASKS: ReadonlySet<Task> = new Set(['transcribe', 'identify'])
/** The graph, and what exporters call the weights beside it. */
const ONNX_FILES = /^model\.onnx(?:[._]data)?$/
/**
 * Reads a directory as downloaded from Hugging Face.
 * @param name in the catalogue; the directory's own name unless given, which tells eight bits
 * @param wanted n-grams to hear with; those that it was published with unless given
 * @throws UserError NOT_FOUND, BAD_CONFIG (no model, or none that runs here), BAD_ARGUMENT for eight bits of a model that
 *   has none, or n-grams that do not suit it
 */
export async function readCard(
  directory: string,
  name?: string,
  precision: Precision = 'fp32',
  wanted?: WantedLanguageModel,
): Promise<ModelCard> {
  const called = name ?? `${basename(directory)}${precision === 'int8' ? '-int8' : ''}`
  const kind = await stat(directory).catch(() => undefined)
  if (kind?.isDirectory() !== true)
    throw new UserError(`${directory} is no directory`, {
      code: 'NOT_FOUND',
      remedy: 'name the folder that holds config.json and the weights',
    })
  const configPath = join(directory, 'config.json')
  if ((await stat(configPath).catch(() => undefined)) === undefined)
    throw new UserError(`${directory} holds no model: there is no config.json in it`, {
      code: 'NOT_FOUND',
      remedy: 'name the folder that holds config.json and the weights',
    })
  const json = await readConfig(directory)
  const architecture = architectureOf(json, configPath)
  const known = Object.hasOwn(ARCHITECTURES, architecture) ? ARCHITECTURES[architecture] : undefined
  if (known === undefined)
    throw new UserError(`${directory} holds a ${architecture}, which does not run here`, {
      code: 'BAD_CONFIG',
      remedy: `models that do: ${Object.keys(ARCHITECTURES).join(', ')}`,
    })
  const isOnnx = await hasOnlyOnnx(directory)
  if (isOnnx && !(AS_ONNX.has(known.family) && ONNX_TASKS.has(known.task)))
    throw new UserError(`a ${architecture} does not run from ${ONNX_FILE} here`, {
      code: 'BAD_CONFIG',
      remedy: 'download its model.safetensors instead',
    })
  const fileBytes = await weightBytes(directory, isOnnx)
  const about = await readModelCard(directory)
  const family = isOnnx ? ONNX_FAMILY : known.family
  if (precision === 'int8' && !hasInt8({ family })) throw noInt8(called)
  const memory = isOnnx
    ? { memoryBytes: memoryForFile(fileBytes, workloadOf(known.family)), int8MemoryBytes: null }
    : await memoryOfWeights(directory, hasInt8({ family }), workloadOf(known.family))
  const languageModel = await chooseLanguageModel(
    { name: called, directory, family, task: known.task },
    wanted,
  )
  const languages = await languagesOf(directory, { ...known, family }, languageModel)
  await checkTokenizer(directory, { ...known, family }, languages)
  return {
    name: called,
    directory,
    architecture,
    family,
    task: known.task,
    fileBytes,
    precision,
    ...memory,
    languageModel,
    languages: languages.length > 0 ? languages : about.languages,
    licence: about.licence ?? null,
    baseModel: about.baseModels[0] ?? null,
    addedAtMs: Date.now(),
  }
}

/** Every tensor's place and size, and every name in a pickle, are checked as it opens; nothing is loaded. */
async function memoryOfWeights(
  directory: string,
  isInt8: boolean,
  workload: Workload,
): Promise<Pick<ModelCard, 'memoryBytes' | 'int8MemoryBytes'>> {
  const checkpoint = await openCheckpoint(directory)
  await checkpoint.close()
  const sizes = weightSizes(checkpoint.tensors.values())
  return {
    memoryBytes: memoryFor(sizes, 'fp32', workload),
    int8MemoryBytes: isInt8 ? memoryFor(sizes, 'int8', workload) : null,
  }
}

export function noInt8(name: string): UserError {
  return new UserError(`${name} has no eight-bit weights`, {
    code: 'BAD_ARGUMENT',
    remedy: 'leave --int8 out',
    exitStatus: 2,
  })
}

/** As the tokenizer's files have them. @throws UserError for a voice whose tokenizer is missing or not known here */
async function languagesOf(
  directory: string,
  { family, task }: { readonly family: string; readonly task: Task },
  languageModel: ServedLanguageModel | null,
): Promise<readonly string[]> {
  // Its n-grams are of one.
  if (languageModel !== null && languageModel.language !== null) return [languageModel.language]
  if (task === 'transcribe' && family === ONNX_FAMILY)
    // An exported graph holds one language for good.
    return listOf(await CtcTokenizer.ownLanguage(directory))
  if (task === 'transcribe' && family !== 'asr-small') return servedLanguages(directory)
  return task === 'speak' ? listOf((await VitsTokenizer.read(directory)).language) : []
}

/**
 * Reads the small files that a run needs beside the weights, as it will: better now than after gigabytes were loaded.
 * @throws UserError where one is missing or not known here
 */
async function checkTokenizer(
  directory: string,
  { family, task }: { readonly family: string; readonly task: Task },
  languages: readonly string[],
): Promise<void> {
  if (task === 'transcribe' && family !== 'asr-small') {
    const isOne = (await CtcTokenizer.languages(directory)).length === 0
    await CtcTokenizer.read(directory, isOne ? undefined : languages[0])
  } else if (task === 'translate') {
    await MBart50Tokenizer.read(directory)
    await readGenerationConfig(directory)
  } else if (family === 'data2vec-text') await ByteBpeTokenizer.read(directory)
}

const listOf = (language: string | undefined): readonly string[] => (language === undefined ? [] : [language])

/** A graph alone: weights that are there are preferred, since these run on all that we have. */
async function hasOnlyOnnx(directory: string): Promise<boolean> {
  const names = await readdir(directory)
  return names.includes(ONNX_FILE) && (await weightFileNames(directory)).length === 0
}

async function weightBytes(directory: string, isOnnx: boolean): Promise<number> {
  const used = isOnnx
    ? (await readdir(directory)).filter((each) => ONNX_FILES.test(each))
    : await weightFileNames(directory)
  if (used.length === 0)
    throw new UserError(`${directory} holds no weights`, {
      code: 'NOT_FOUND',
      remedy: 'download model.safetensors, pytorch_model.bin or model.onnx beside config.json',
    })
  const sizes = await Promise.all(used.map((each) => sizeOf(join(directory, each))))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** @throws UserError for a shard that the index names and the directory lacks */
async function sizeOf(path: string): Promise<number> {
  const status = await stat(path).catch(() => undefined)
  if (status !== undefined) return status.size
  throw new UserError(`${path} is not there`, {
    code: 'NOT_FOUND',
    remedy: 'download it: the index beside it names it',
  })
}
