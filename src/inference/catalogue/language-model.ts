/**
 * The n-grams that a recogniser of the catalogue hears with, wherever it is served: those it was published with, or those
 * that its operator added. They are of one language; a checkpoint with several that hears with them knows that one alone.
 */
import { UserError } from '../../errors.js'
import { arpaSize } from '../../models/ctc/arpa.js'
import { checkSpelling, FUSION_DEFAULTS, type FusionOptions } from '../../models/ctc/fusion.js'
import { findLanguageModel, readPublishedWeights } from '../../models/ctc/published-model.js'
import { ONNX_FAMILY } from '../../models/onnx-speech/file.js'
import { servedLanguages } from '../../models/wav2vec2/languages.js'
import type { ModelCard } from './card.js'

export interface ServedLanguageModel {
  /** Absolute, of the ARPA file. */
  readonly path: string
  /** Most that it takes while it is read, JavaScript's heap included. */
  readonly memoryBytes: number
  /** As in FusionOptions: they decide what is heard, so they are said once and stay. */
  readonly alpha: number
  readonly beta: number
  readonly unknownWordLog10: number
  readonly isSentence: boolean
  /** The one that is heard, of a checkpoint with several; null for one with a single vocabulary. */
  readonly language: string | null
}

/** What an operator says of it; what the checkpoint was published with counts unless they do. */
export interface WantedLanguageModel {
  /** An ARPA file in its stead, with its weights where these are known; null for none at all. */
  readonly given?: (FusionOptions & { readonly path: string }) | null
  /** That it is of, where the checkpoint has several. */
  readonly language?: string
}

type Recogniser = Pick<ModelCard, 'name' | 'directory' | 'family' | 'task'>

const refused = (message: string, remedy: string): UserError =>
  new UserError(message, { code: 'BAD_ARGUMENT', remedy, exitStatus: 2 })

/** The words of frames with a blank between: our own recogniser brings n-grams for its dictation, which is asked for. */
export const hearsWithNgrams = ({ family, task }: Pick<Recogniser, 'family' | 'task'>): boolean =>
  task === 'transcribe' && family !== 'asr-small'

/** Null for a model that hears with none. @throws UserError for one that is wanted and cannot be used */
export async function chooseLanguageModel(
  model: Recogniser,
  { given, language }: WantedLanguageModel = {},
): Promise<ServedLanguageModel | null> {
  const isWanted = (given !== undefined && given !== null) || language !== undefined
  if (!hearsWithNgrams(model)) {
    if (isWanted) throw refused(`${model.name} does not hear with n-grams`, 'leave --lm and --language out')
    return null
  }
  if (given === null) {
    if (language !== undefined)
      throw refused('--language says which one the n-grams are of', 'leave it out, or --lm none')
    return null
  }
  if (given !== undefined) return served(model, given, language)
  const published = await publishedLanguageModel(model, language)
  if (published?.languageModel !== undefined) return published.languageModel
  if (language === undefined) return null
  throw refused(
    published?.reason ?? `${model.name} was published without n-grams`,
    'name an ARPA file with --lm, or leave --language out',
  )
}

/** Of two, one is there: what it was published with, or why that is not heard with. */
export interface Published {
  readonly languageModel?: ServedLanguageModel
  readonly reason?: string
}

/** Undefined for a checkpoint without one. What cannot be used is said, and left: the recogniser hears without it. */
export async function publishedLanguageModel(
  model: Recogniser,
  language?: string,
): Promise<Published | undefined> {
  if (!hearsWithNgrams(model)) return undefined
  const found = await findLanguageModel(model.directory)
  if (found === undefined) return undefined
  if (found.format === 'binary')
    return { reason: `${found.path} is a KenLM binary, which does not run here: give the ARPA with --lm` }
  try {
    const weights = await readPublishedWeights(model.directory)
    return { languageModel: await served(model, { path: found.path, ...weights }, language) }
  } catch (error) {
    if (error instanceof UserError) return { reason: `${found.path} is not heard with: ${error.line}` }
    throw error
  }
}

async function served(
  model: Recogniser,
  given: FusionOptions & { readonly path: string },
  language: string | undefined,
): Promise<ServedLanguageModel> {
  const { path, ...weights } = given
  const heard = await languageOf(model, language)
  const { memoryBytes, heapBytes } = await arpaSize(path)
  await checkSpelling(model.directory, path, heard ?? undefined)
  const { alpha, beta, unknownWordLog10, isSentence } = { ...FUSION_DEFAULTS, ...weights }
  return {
    path,
    memoryBytes: memoryBytes + heapBytes,
    alpha,
    beta,
    unknownWordLog10,
    isSentence,
    language: heard,
  }
}

async function languageOf(model: Recogniser, language: string | undefined): Promise<string | null> {
  const { name, directory, family } = model
  // An exported graph holds one language for good.
  const languages = family === ONNX_FAMILY ? [] : await servedLanguages(directory)
  if (language === undefined) {
    if (languages.length < 2) return null
    throw refused(
      `n-grams are of one language, and ${name} has ${languages.length}`,
      'say with --language which one it is to hear',
    )
  }
  if (languages.includes(language)) return language
  throw refused(
    languages.length === 0
      ? `${name} has one vocabulary for all languages`
      : `${name} does not know the language "${language}"`,
    languages.length === 0 ? 'leave --language out' : 'see plumbline models show',
  )
}

/** As a recogniser takes it. */
export function fusionOf({
  path,
  alpha,
  beta,
  unknownWordLog10,
  isSentence,
}: ServedLanguageModel): FusionOptions {
  return { path, alpha, beta, unknownWordLog10, isSentence }
}

/** Everything of it that decides what is heard, for a model's hash. @param sha256 of the file, hex */
export function languageModelLine(
  { alpha, beta, unknownWordLog10, isSentence, language }: ServedLanguageModel,
  sha256: string,
): string {
  const weights = `alpha=${alpha} beta=${beta} unknown=${unknownWordLog10} sentence=${isSentence}`
  return `lm ${sha256} ${weights}${language === null ? '' : ` language=${language}`}`
}
