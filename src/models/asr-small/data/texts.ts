/** What the language model of the free dictation is estimated from: the recipe's texts without what is held out. */
import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'
import { arpaLines, estimateNgrams, type NgramEntry, type WeightedSentence } from '../language-model.js'
import { versesToClauses, wordNetExamples } from './sentences.js'

const WORDNET = ['noun', 'verb', 'adj', 'adv'].map((part) => `/usr/share/wordnet/data.${part}`)
const BIBLE_BYTES = 1 << 24

export interface GeneralText {
  readonly wordNet: readonly string[]
  readonly verses: readonly string[]
}

/** Sentences of everyday and of old English, each once. @throws Error where a source is missing. */
export async function readGeneralText(): Promise<GeneralText> {
  const wordNet: string[] = []
  for (const path of WORDNET) wordNet.push(...wordNetExamples(await readFile(path, 'latin1')))
  const { stdout } = await promisify(execFile)('bible', ['-f', 'gen1:1-rev22:21'], { maxBuffer: BIBLE_BYTES })
  return { wordNet: [...new Set(wordNet)], verses: [...new Set(versesToClauses(stdout))] }
}

/** How often a sentence of each kind counts: a prompt says more about prompts than a verse does. */
const WEIGHTS = { prompt: 6, domain: 1, general: 1 } as const
/** Trigrams that occur once are most of the file and say least. */
const LEAST_TRIGRAM = 2

export interface LanguageModelTexts {
  readonly prompts: readonly string[]
  readonly domain: readonly string[]
  readonly general: readonly string[]
}

export function estimateLanguageModel(texts: LanguageModelTexts): readonly NgramEntry[] {
  const weighted: WeightedSentence[] = [
    ...texts.prompts.map((text) => ({ text, weight: WEIGHTS.prompt })),
    ...texts.domain.map((text) => ({ text, weight: WEIGHTS.domain })),
    ...texts.general.map((text) => ({ text, weight: WEIGHTS.general })),
  ]
  return estimateNgrams(weighted, 3, LEAST_TRIGRAM)
}

export const LANGUAGE_MODEL_FILE = 'language-model.arpa.gz'

/** Writes the model as a gzipped ARPA file, whole or not at all. */
export async function writeLanguageModel(directory: string, entries: readonly NgramEntry[]): Promise<void> {
  const path = join(directory, LANGUAGE_MODEL_FILE)
  await pipeline(
    Readable.from(arpaLines(entries)),
    createGzip({ level: 9 }),
    createWriteStream(`${path}.tmp`),
  )
  await rename(`${path}.tmp`, path)
}
