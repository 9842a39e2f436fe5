/**
 * The models that come with the package, and those that an operator has added: one small file in the data directory,
 * written whole or not at all.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { UserError } from '../../errors.js'
import { readBuiltIns } from './built-in.js'
import { type ModelCard, TASKS } from './card.js'
import { PRECISIONS } from './precision.js'

const MAX_MODELS = 1000
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

const languageModel = z.strictObject({
  path: z.string().min(1),
  memoryBytes: z.int().min(0),
  alpha: z.number(),
  beta: z.number(),
  unknownWordLog10: z.number(),
  isSentence: z.boolean(),
  language: z.string().min(1).nullable(),
})
const card = z.strictObject({
  name: z.string().regex(NAME),
  directory: z.string().min(1),
  architecture: z.string().min(1),
  family: z.string().min(1),
  task: z.enum(TASKS),
  fileBytes: z.int().min(0),
  // Older versions served nothing on eight bits.
  precision: z.enum(PRECISIONS).default('fp32'),
  memoryBytes: z.int().min(0),
  int8MemoryBytes: z.int().min(0).nullable().default(null),
  // Older versions heard without, whatever was there: a model that somebody buys does not change by itself.
  languageModel: languageModel.nullable().default(null),
  languages: z.array(z.string()).max(5000),
  licence: z.string().nullable(),
  baseModel: z.string().nullable(),
  addedAtMs: z.int().min(0),
})
const fileSchema = z.strictObject({
  format: z.literal('plumbline-models'),
  version: z.literal(1),
  models: z.array(card).max(MAX_MODELS),
})

export function cataloguePath(dataDir: string): string {
  return join(dataDir, 'models.json')
}

export class Catalogue {
  readonly path: string
  /** Those that were added. */
  readonly #cards: Map<string, ModelCard>
  readonly #builtIn: ReadonlyMap<string, ModelCard>

  private constructor(path: string, builtIn: readonly ModelCard[], cards: readonly ModelCard[]) {
    this.path = path
    this.#builtIn = new Map(builtIn.map((each) => [each.name, each]))
    this.#cards = new Map(cards.map((each) => [each.name, each]))
  }

  /** Nothing but what comes with the package where nothing was added yet. @throws UserError BAD_CONFIG for a file that is something else */
  static async open(dataDir: string): Promise<Catalogue> {
    const path = cataloguePath(dataDir)
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    const builtIn = await readBuiltIns()
    if (text === undefined) return new Catalogue(path, builtIn, [])
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      value = undefined
    }
    const read = fileSchema.safeParse(value)
    if (read.success) return new Catalogue(path, builtIn, read.data.models)
    throw new UserError(`${path} is no catalogue of models`, {
      code: 'BAD_CONFIG',
      remedy: 'move it away and add the models again',
    })
  }

  /** In alphabetical order. */
  list(): readonly ModelCard[] {
    return [...new Map([...this.#builtIn, ...this.#cards]).values()].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )
  }

  /** Whether it comes with the package. One that was added under the same name stands before it. */
  isBuiltIn(name: string): boolean {
    return this.#builtIn.has(name) && !this.#cards.has(name)
  }

  /** @throws UserError NOT_FOUND with the names there are */
  get(name: string): ModelCard {
    const found = this.#cards.get(name) ?? this.#builtIn.get(name)
    if (found !== undefined) return found
    const names = this.list().map((each) => each.name)
    throw new UserError(`there is no model "${name}"`, {
      code: 'NOT_FOUND',
      remedy:
        names.length === 0 ? 'add one: plumbline models add <directory>' : `there are ${names.join(', ')}`,
    })
  }

  /** @throws UserError EXISTS, BAD_ARGUMENT */
  async add(model: ModelCard): Promise<void> {
    if (!NAME.test(model.name))
      throw new UserError(`"${model.name}" is no name for a model`, {
        code: 'BAD_ARGUMENT',
        remedy: 'use letters, digits, points, hyphens and underscores, with --name',
        exitStatus: 2,
      })
    if (this.isBuiltIn(model.name))
      throw new UserError(`"${model.name}" is a model that comes with plumbline`, {
        code: 'EXISTS',
        remedy: 'choose another --name',
      })
    if (this.#cards.has(model.name))
      throw new UserError(`there is a model "${model.name}" already`, {
        code: 'EXISTS',
        remedy: `choose another --name, or remove it first: plumbline models remove ${model.name}`,
      })
    if (this.#cards.size >= MAX_MODELS)
      throw new UserError(`there are ${MAX_MODELS} models already`, { code: 'BUSY', remedy: 'remove some' })
    this.#cards.set(model.name, model)
    await this.#write()
  }

  /** The files stay where they are. @throws UserError NOT_FOUND, DENIED for one that comes with the package */
  async remove(name: string): Promise<ModelCard> {
    const removed = this.get(name)
    if (this.isBuiltIn(name))
      throw new UserError(`${name} comes with plumbline and stays`, {
        code: 'DENIED',
        remedy: 'it takes no memory while it is not used',
      })
    this.#cards.delete(name)
    await this.#write()
    return removed
  }

  async #write(): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
    const temporary = `${this.path}.${process.pid}.tmp`
    const file = await open(temporary, 'w', 0o600)
    try {
      const value = { format: 'plumbline-models', version: 1, models: [...this.#cards.values()] }
      await file.writeFile(`${JSON.stringify(value, null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.path)
  }
}
