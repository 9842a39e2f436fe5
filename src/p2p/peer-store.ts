/**
 * libp2p's records of peers, on the disk. libp2p resets each stream whose peer it cannot write down, so that a full disk would cut a
 * node off without a word: here what cannot be written is left out, and said once.
 */
import { LevelDatastore } from 'datastore-level'
import type { Logger } from '../telemetry/logger.js'

type Put = LevelDatastore['put']
type Delete = LevelDatastore['delete']
type MakeBatch = LevelDatastore['batch']

/** As much as our own store has (store/database.ts): LevelDB's own 4 and 8 MiB fill up over the first hours. */
const BOUNDS = { writeBufferSize: 512 * 1024, cacheSize: 1024 * 1024 }

export class PeerStore extends LevelDatastore {
  readonly #log: Logger
  #isFailing = false

  constructor(path: string, log: Logger) {
    super(path, BOUNDS)
    this.#log = log
  }

  override async put(...[key, value, options]: Parameters<Put>): ReturnType<Put> {
    await this.#tried(async () => void (await super.put(key, value, options)))
    return key
  }

  override async delete(...[key, options]: Parameters<Delete>): ReturnType<Delete> {
    await this.#tried(async () => super.delete(key, options))
  }

  override batch(): ReturnType<MakeBatch> {
    const batch = super.batch()
    return { ...batch, commit: (options) => this.#tried(async () => batch.commit(options)) }
  }

  async #tried(write: () => Promise<void>): Promise<void> {
    try {
      await write()
      if (this.#isFailing) this.#log.warn('peers are kept again')
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing)
        this.#log.error(
          { reason: error instanceof Error ? error.message : String(error) },
          'the disk cannot be written: peers are not kept, and challenges will fail until there is room',
        )
      this.#isFailing = true
    }
  }
}
