/** The language identifier in service: a directory with config.json and the weights, sound in, languages out. */
import { join } from 'node:path'
import type { SessionOptions } from '../../ml/session/session.js'
import { extractFeatures, type StoredFeatures } from '../asr-small/features.js'
import { parseConfig, readConfig } from '../checkpoint/config-file.js'
import { type LanguageIdConfig, languageIdConfigSchema } from './config.js'
import { PhoneHearing } from './hearing.js'
import { LANGUAGES, type Language } from './languages.js'
import { type Phonotactics, scorePhones } from './phonotactics.js'
import { PHONOTACTICS_FILE, readPhonotactics } from './phonotactics-file.js'
import { probabilitiesOf } from './probabilities.js'

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
  readonly #phonotactics: Phonotactics
  readonly #config: LanguageIdConfig

  private constructor(hearing: PhoneHearing, phonotactics: Phonotactics, config: LanguageIdConfig) {
    this.#hearing = hearing
    this.#phonotactics = phonotactics
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
    const phonotactics = await readPhonotactics(join(directory, PHONOTACTICS_FILE))
    const hearing = await PhoneHearing.open(directory, options)
    return new LanguageIdentifier(hearing, phonotactics, config)
  }

  /** @param samples in [-1, 1). @param sampleRate Hz. */
  identify(samples: Float32Array, sampleRate: number): Promise<Identified> {
    return this.ofFeatures(extractFeatures(samples, sampleRate))
  }

  /** The same for features that are at hand. */
  async ofFeatures(features: StoredFeatures): Promise<Identified> {
    const scores = await this.scores(features)
    if (scores === undefined) return { labels: [], isSure: false }
    const probabilities = probabilitiesOf(scores, this.#config.tuning)
    const labels = LANGUAGES.map((language, i) => ({ language, probability: probabilities[i] ?? 0 })).sort(
      (a, b) => b.probability - a.probability,
    )
    return { labels, isSure: (labels[0]?.probability ?? 0) >= this.#config.threshold }
  }

  /** As {@link scorePhones}, in the order of {@link LANGUAGES}; undefined where nothing is heard. */
  async scores(features: StoredFeatures): Promise<readonly number[] | undefined> {
    if (features.frames === 0) return undefined
    return scorePhones(await this.#hearing.hear(features), this.#phonotactics)
  }

  async close(): Promise<void> {
    await this.#hearing.close()
  }
}
