/** Models that stay open between jobs, within a limit on memory: those used longest ago make room for others. */
import { UserError } from '../../errors.js'
import type { RuntimeKind } from '../../ml/session/index.js'
import type { ModelCard } from '../catalogue/card.js'
import { servedMemoryOf } from '../catalogue/memory.js'
import type { EmbeddingOptions } from './embedding-service.js'
import { LocalModel } from './local-model.js'
import { doesNotFit, gibAtLeast, limitFor } from './memory-limit.js'

export interface ModelPoolOptions {
  /** All open models together. */
  readonly memoryBytes: number
  /** What sets that, for who may raise it; nothing does unless given: it is half of the machine. */
  readonly memorySetting?: string
  readonly threads: number
  readonly niceness: number
  /** For an auditor's second, independent execution. */
  readonly runtime?: RuntimeKind
}

/** A model of the catalogue, and what it is called by: other files in its directory are another model. */
export interface PooledModel {
  readonly card: ModelCard
  /** Hex. */
  readonly sha256: string
}

/** What stays the same while a model is open. */
export interface Opening {
  readonly embedding?: EmbeddingOptions
}

interface Entry {
  readonly card: ModelCard
  readonly model: Promise<LocalModel>
  users: number
}

export class ModelPool {
  readonly #options: ModelPoolOptions
  /** Those used longest ago first. */
  readonly #entries = new Map<string, Entry>()
  readonly #leaving = new Set<Promise<void>>()
  #isSuspended = false
  #isClosed = false

  constructor(options: ModelPoolOptions) {
    this.#options = options
  }

  /**
   * Opens it unless it is open.
   * @throws UserError UNAVAILABLE with have and need where it never fits; BUSY where it does not fit beside those in use
   */
  async use<T>(pooled: PooledModel, opening: Opening, work: (model: LocalModel) => Promise<T>): Promise<T> {
    const entry = await this.#take(pooled, opening)
    try {
      return await work(await entry.model)
    } finally {
      entry.users--
    }
  }

  /** @throws UserError UNAVAILABLE with have and need where it would not fit alone */
  requireRoom(card: ModelCard): void {
    const { memoryBytes, memorySetting } = this.#options
    const needBytes = servedMemoryOf(card)
    if (needBytes > memoryBytes)
      throw doesNotFit(
        card.name,
        memoryBytes,
        needBytes,
        memorySetting === undefined
          ? 'models may take half of the machine: use one with more memory, or a smaller model'
          : `raise ${memorySetting} to ${gibAtLeast(needBytes)}, or use a smaller model`,
      )
  }

  /** Stops the processes of all models where they are, and of those that open meanwhile. */
  suspend(): void {
    this.#isSuspended = true
    this.#each((model) => model.suspend())
  }

  resume(): void {
    this.#isSuspended = false
    this.#each((model) => model.resume())
  }

  /** What runs gets a moment's grace. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.resume()
    for (const key of [...this.#entries.keys()]) this.#evict(key)
    await Promise.all(this.#leaving)
  }

  async #take({ card, sha256 }: PooledModel, opening: Opening): Promise<Entry> {
    const key = JSON.stringify([sha256, card.directory, card.precision, card.languageModel, opening])
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.users++
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return known
    }
    await this.#makeRoom(card)
    const again = this.#entries.get(key)
    if (again !== undefined) {
      again.users++
      return again
    }
    if (this.#isClosed) throw new UserError('the models of this machine are closed', { code: 'UNAVAILABLE' })
    const { threads, niceness, runtime } = this.#options
    const which = runtime === undefined ? {} : { runtime }
    const memoryBytes = limitFor(servedMemoryOf(card), threads)
    const model = LocalModel.open(card, { threads, niceness, memoryBytes, ...which, ...opening })
    const entry: Entry = { card, model, users: 1 }
    this.#entries.set(key, entry)
    model.then(
      (opened) => {
        if (this.#isSuspended) opened.suspend()
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key)
      },
    )
    return entry
  }

  async #makeRoom(card: ModelCard): Promise<void> {
    this.requireRoom(card)
    const { memoryBytes, memorySetting } = this.#options
    const needBytes = servedMemoryOf(card)
    for (const [key, { users }] of [...this.#entries]) {
      if (this.#usedBytes() + needBytes <= memoryBytes) break
      if (users === 0) this.#evict(key)
    }
    await Promise.all(this.#leaving)
    if (this.#usedBytes() + needBytes > memoryBytes)
      throw new UserError(`${card.name} does not fit beside the models that are in use`, {
        code: 'BUSY',
        remedy: `try again in a moment${memorySetting === undefined ? '' : `, or raise ${memorySetting}`}`,
        details: { retryAfterSeconds: 1 },
      })
  }

  #usedBytes(): number {
    return [...this.#entries.values()].reduce((sum, { card }) => sum + servedMemoryOf(card), 0)
  }

  #evict(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    const leaving = entry.model.then(
      (model) => model.close(),
      () => undefined,
    )
    this.#leaving.add(leaving)
    void leaving.finally(() => this.#leaving.delete(leaving))
  }

  #each(act: (model: LocalModel) => void): void {
    for (const { model } of this.#entries.values()) model.then(act, () => undefined)
  }
}
