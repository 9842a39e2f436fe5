/**
 * Whether a label is likely enough to be believed, by the files of a model that this machine has: what is bought says how
 * likely each is, and no more (a field that the nodes of today do not know would make the answer none to them).
 */
import { join } from 'node:path'
import { parseConfig, readConfig } from '../../models/checkpoint/config-file.js'
import { languageIdConfigSchema } from '../../models/language-id/config.js'
import type { JobAnswer } from '../job.js'
import { Catalogue } from './catalogue.js'
import { ModelHashes } from './model-hash.js'

/** The others have no threshold. */
const FAMILY = 'language-id'

export class Sureness {
  readonly #dataDir: string
  /** By hash, of what was found once: files of a hash do not change. */
  readonly #thresholds = new Map<string, number>()

  constructor(dataDir: string) {
    this.#dataDir = dataDir
  }

  /**
   * As a model of this machine would have said it; as it is where the model is not here, or has no threshold.
   * @param sha256 of the model that answered
   */
  async judged(answer: JobAnswer, sha256: string): Promise<JobAnswer> {
    const { output } = answer
    if (output.kind !== 'labels' || output.isSure !== undefined) return answer
    // What was paid is not lost over files that cannot be read.
    const threshold = await this.#thresholdOf(sha256).catch(() => undefined)
    if (threshold === undefined) return answer
    return { ...answer, output: { ...output, isSure: (output.labels[0]?.probability ?? 0) >= threshold } }
  }

  async #thresholdOf(sha256: string): Promise<number | undefined> {
    const known = this.#thresholds.get(sha256)
    if (known !== undefined) return known
    const [catalogue, hashes] = [await Catalogue.open(this.#dataDir), await ModelHashes.open(this.#dataDir)]
    for (const card of catalogue.list()) {
      if (card.family !== FAMILY || (await hashes.of(card)) !== sha256) continue
      const { directory } = card
      const { threshold } = parseConfig(
        languageIdConfigSchema,
        await readConfig(directory),
        join(directory, 'config.json'),
      )
      this.#thresholds.set(sha256, threshold)
      return threshold
    }
    return undefined
  }
}
