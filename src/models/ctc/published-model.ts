/**
 * The language model that a recogniser was published with, in the layout of Hugging Face's `Wav2Vec2ProcessorWithLM`
 * (that of pyctcdecode): `alphabet.json` beside the vocabulary, the n-grams and their weights in `language_model/`.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { UserError } from '../../errors.js'
import { readJsonObject } from '../../ml/files/read-json.js'
import { refuse } from '../../ml/files/refuse.js'

const FOLDER = 'language_model'
const ALPHABET = 'alphabet.json'
const ATTRIBUTES = 'attrs.json'
const ARPA = /\.arpa(?:\.gz)?$/
/** KenLM's own formats (probing and trie tables): read by KenLM alone. */
const BINARY = /\.(?:bin|binary|klm|trie|mmap)$/

export interface PublishedLanguageModel {
  /** Path of the ARPA file, or of what is there instead. */
  readonly path: string
  readonly bytes: number
  readonly format: 'arpa' | 'binary'
}

/** How a language model counts in the search; what is absent was not said. */
export interface PublishedWeights {
  readonly alpha?: number
  readonly beta?: number
  /** For a word that the model lacks: log10, before alpha. */
  readonly unknownWordLog10?: number
  /** Whether recordings begin and end as sentences do. */
  readonly isSentence?: boolean
}

const attributes = z.object({
  alpha: z.number().optional(),
  beta: z.number().optional(),
  unk_score_offset: z.number().optional(),
  score_boundary: z.boolean().optional(),
})

/** Undefined for a directory without one; of several the ARPA file, the first by name. */
export async function findLanguageModel(directory: string): Promise<PublishedLanguageModel | undefined> {
  if ((await stat(join(directory, ALPHABET)).catch(() => undefined))?.isFile() !== true) return undefined
  const folder = join(directory, FOLDER)
  const names = (await readdir(folder).catch(() => [])).sort()
  const arpa = names.find((name) => ARPA.test(name))
  const name = arpa ?? names.find((each) => BINARY.test(each))
  if (name === undefined) return undefined
  const path = join(folder, name)
  const { size } = await stat(path)
  return { path, bytes: size, format: arpa === undefined ? 'binary' : 'arpa' }
}

/** @throws UserError NOT_FOUND where there is none that can be read */
export async function requireLanguageModel(directory: string): Promise<string> {
  const found = await findLanguageModel(directory)
  if (found?.format === 'arpa') return found.path
  throw new UserError(
    found === undefined
      ? `${directory} has no language model of its own`
      : `${found.path} is a KenLM binary, which does not run here`,
    {
      code: 'NOT_FOUND',
      remedy:
        found === undefined
          ? `name an ARPA file, or put one in ${FOLDER}/ beside ${ALPHABET}`
          : 'give the ARPA file that it was built from',
      exitStatus: 2,
    },
  )
}

/** The weights that the directory's author chose; none where it says nothing. @throws UserError for a file that is malformed */
export async function readPublishedWeights(directory: string): Promise<PublishedWeights> {
  const path = join(directory, FOLDER, ATTRIBUTES)
  if ((await stat(path).catch(() => undefined)) === undefined) return {}
  const read = attributes.safeParse(await readJsonObject(path))
  if (!read.success)
    throw refuse(path, `its ${read.error.issues[0]?.path.join('.') ?? 'content'} is not what is expected`)
  const { alpha, beta, unk_score_offset: unknownWordLog10, score_boundary: isSentence } = read.data
  return {
    ...(alpha === undefined ? {} : { alpha }),
    ...(beta === undefined ? {} : { beta }),
    ...(unknownWordLog10 === undefined ? {} : { unknownWordLog10 }),
    ...(isSentence === undefined ? {} : { isSentence }),
  }
}
