/**
 * Models that this machine knows by their files: those that come with the package, and those of its own catalogue.
 * Whoever offers a model may call it as they like; a name that is used here means the files that have it here.
 */
import type { Logger } from '../../telemetry/logger.js'
import type { ModelStanding } from '../job.js'
import { Catalogue } from './catalogue.js'
import { ModelHashes } from './model-hash.js'

export interface NamedModel {
  readonly name: string
  /** Hex; absent where the files cannot be read: the name is taken nevertheless. */
  readonly sha256?: string
}

export class KnownModels {
  readonly #hashes: ReadonlyMap<string, string | undefined>
  readonly #names = new Map<string, string[]>()

  constructor(models: readonly NamedModel[]) {
    this.#hashes = new Map(models.map(({ name, sha256 }) => [name, sha256]))
    for (const { name, sha256 } of models)
      if (sha256 !== undefined) this.#names.set(sha256, [...(this.#names.get(sha256) ?? []), name])
  }

  /** @param id as whoever offers it calls it */
  standing(id: string, sha256: string): ModelStanding {
    const names = this.#names.get(sha256) ?? []
    return { names, isNamesake: names.length === 0 && this.#hashes.has(id) }
  }
}

/**
 * As the catalogue is now: the first call in a data directory reads every byte of its models, later ones a small file.
 * @throws UserError BAD_CONFIG for a catalogue that is none
 */
export async function readKnownModels(dataDir: string, log: Logger): Promise<KnownModels> {
  const [catalogue, hashes] = [await Catalogue.open(dataDir), await ModelHashes.open(dataDir)]
  const models: NamedModel[] = []
  for (const { name, ...model } of catalogue.list()) {
    try {
      models.push({ name, sha256: await hashes.of(model) })
    } catch (error) {
      log.warn({ model: name, err: error }, 'the files of a model cannot be read')
      models.push({ name })
    }
  }
  return new KnownModels(models)
}
