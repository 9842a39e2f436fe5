/** The language identifier in service: a directory with config.json and the weights, sound in, languages out. */
import { join } from 'node:path'
import type { SessionOptions } from '../../ml/session/session.js'
import { extractFeatures, type StoredFeatures } from '../asr-small/features.js'
import { parseConfig, readConfig } from '../checkpoint/config-file.js'
import { type LanguageIdConfig, languageIdConfigSchema } from './config.js'
import { PhoneHearing } from './hearing.js'
import { LANGUAGES, type Language } from './languages.js'
import {
  type Bigrams,
  heardPhones,
  PHONOTACTICS_FILE,
  readPhonotactics,
  scorePhones,
} from './phonotactics.js'

export interface LanguageProbability {
  readonly language: Language
  readonly probability: number
}

export interface Identified {
  /** The likeliest first; empty for a sound in which nothing is heard. */
  readonly labels: readonly LanguageProbability[]
  /** Whether the first is likely enough to be believed. */
  readonly isSure: boolean
}

export class LanguageIdentifier {
  readonly #hearing: PhoneHearing
  readonly #bigrams: readonly Bigrams[]
  readonly #config: LanguageIdConfig

  private constructor(hearing: PhoneHearing, bigrams: readonly Bigrams[], config: LanguageIdConfig) {
    this.#hearing = hearing
    this.#bigrams = bigrams
    this.#config = config
  }

  /** @throws UserError naming the file, where the directory does not hold such a model. */
  static async open(
    directory: string,
    options: Pick<SessionOptions, 'threads'> = {},
  ): Promise<LanguageIdentifier> {
    const config = parseConfig(
      languageIdConfigSchema,
      await readConfig(directory),
      join(directory, 'config.json'),
    )
    const bigrams = await readPhonotactics(join(directory, PHONOTACTICS_FILE))
    const hearing = await PhoneHearing.open(directory, options)
    return new LanguageIdentifier(hearing, bigrams, config)
  }

  /** @param samples in [-1, 1). @param sampleRate Hz. */
  identify(samples: Float32Array, sampleRate: number): Promise<Identified> {
    return this.ofFeatures(extractFeatures(samples, sampleRate))
  }

  /** The same for features that are at hand. */
  async ofFeatures(features: StoredFeatures): Promise<Identified> {
    const evidence = await this.evidence(features)
    if (evidence === undefined) return { labels: [], isSure: false }
    const most = Math.max(...evidence)
    const { scale } = this.#config.tuning
    const likelihoods = evidence.map((value) => Math.exp(scale * (value - most)))
    const total = likelihoods.reduce((sum, value) => sum + value, 0)
    const labels = LANGUAGES.map((language, i) => ({
      language,
      probability: (likelihoods[i] ?? 0) / total,
    })).sort((a, b) => b.probability - a.probability)
    return { labels, isSure: (labels[0]?.probability ?? 0) >= this.#config.threshold }
  }

  /** What speaks for each language, a phone adding to it as to a logarithm; undefined where nothing is heard. */
  async evidence(features: StoredFeatures): Promise<readonly number[] | undefined> {
    if (features.frames === 0) return undefined
    const phones = heardPhones(await this.#hearing.hear(features))
    if (phones.length === 0) return undefined
    const { offsets } = this.#config.tuning
    return Array.from(
      scorePhones(phones, this.#bigrams),
      (score, i) => phones.length * (score - (offsets[i] ?? 0)),
    )
  }

  async close(): Promise<void> {
    await this.#hearing.close()
  }
}
