/**
 * What a model is called by on the network: one hash over the files that a run may read. As coreutils compute it:
 *
 *     LC_ALL=C sha256sum config.json model.safetensors ... | sha256sum
 *
 * names in byte order. Eight-bit weights, which are made of the same files as a model opens, decide otherwise here and
 * there: a model that is served with them is another one, called by
 *
 *     echo "<hash of the files> int8" | sha256sum
 *
 * So is one that hears with n-grams, wherever their file lies:
 *
 *     echo "<hash of the files> lm <hash of the ARPA file> alpha=0.5 beta=1.5 unknown=-10 sentence=true" | sha256sum
 *
 * with ` language=deu` at the end of the line for one of several languages. On eight bits that is what ` int8` follows.
 *
 * What is only read by people, by other frameworks, or shadowed by a preferred file is left out, so
 * that two who downloaded the same model have the same hash.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { UserError } from '../../errors.js'
import type { ModelCard } from './card.js'
import { languageModelLine } from './language-model.js'

/** Texts for people, and weights of frameworks that do not run here. */
const LEFT_OUT = /^\.|\.(?:md|msgpack|h5|ot|tflite|gguf|png|jpe?g)$|^licen[cs]e|^notice/i
const PICKLE = /^(?:pytorch_model|training_args|optimizer|scheduler).*\.(?:bin|pt)$|\.index\.json$/
/** Exports of a model whose weights are there. */
const ONNX = /\.onnx(?:[._]data)?$/
const WEIGHTS = /^(?:model(?:-\d+-of-\d+)?\.safetensors|pytorch_model(?:-\d+-of-\d+)?\.bin)$/
const SAFETENSORS = /^model(?:-\d+-of-\d+)?\.safetensors$/
const SAFETENSORS_INDEX = 'model.safetensors.index.json'
const PICKLE_INDEX = 'pytorch_model.bin.index.json'
/** MMS has a vocabulary's weights for each of a thousand languages. */
const MOST_FILES = 10_000
const MOST_KEPT = 1000

/** Names of the files that count, in byte order. */
export async function hashedFiles(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  const names = entries
    .filter((each) => !each.isDirectory() && !LEFT_OUT.test(each.name))
    .map(({ name }) => name)
  // Shards may go by any name that an index gives them.
  const hasSafetensors = names.some((name) => SAFETENSORS.test(name) || name === SAFETENSORS_INDEX)
  const hasWeights = hasSafetensors || names.some((name) => WEIGHTS.test(name) || name === PICKLE_INDEX)
  const counted = names.filter(
    (name) => !(hasSafetensors && PICKLE.test(name)) && !(hasWeights && ONNX.test(name)),
  )
  if (counted.length > MOST_FILES)
    throw new UserError(`${directory} has ${counted.length} files: no model has so many`, {
      code: 'BAD_CONFIG',
    })
  return counted.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

/** All that decides what a model answers. */
export type HashedModel = Pick<ModelCard, 'directory' | 'precision' | 'languageModel'>

/**
 * What a model is called by.
 * @param files hex: {@link hashModel}
 * @param ngrams of the ARPA file that it hears with, hex
 */
export function modelId(model: Omit<HashedModel, 'directory'>, files: string, ngrams?: string): string {
  const { languageModel, precision } = model
  const heard =
    languageModel === null || ngrams === undefined
      ? files
      : hashWith(files, languageModelLine(languageModel, ngrams))
  return precision === 'fp32' ? heard : hashWith(heard, precision)
}

const hashWith = (hash: string, what: string): string =>
  createHash('sha256').update(`${hash} ${what}\n`).digest('hex')

/** Hex, of the files. Reads every byte: some seconds a gigabyte. */
export async function hashModel(directory: string): Promise<string> {
  const whole = createHash('sha256')
  for (const name of await hashedFiles(directory))
    whole.update(`${await hashFile(join(directory, name))}  ${name}\n`)
  return whole.digest('hex')
}

/** Hex. */
async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

const keptSchema = z.strictObject({
  format: z.literal('plumbline-model-hashes'),
  version: z.literal(1),
  hashes: z
    .array(
      z.strictObject({
        /** Or a file by itself. */
        directory: z.string(),
        files: z.string().regex(/^[0-9a-f]{64}$/),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .max(MOST_KEPT),
})

/** Hashes that were computed before, for as long as the files' names, sizes and times are the same. */
export class ModelHashes {
  readonly #path: string
  readonly #known: Map<string, { readonly files: string; readonly sha256: string }>
  readonly #running = new Map<string, Promise<string>>()

  private constructor(path: string, known: Map<string, { readonly files: string; readonly sha256: string }>) {
    this.#path = path
    this.#known = known
  }

  /** A file that is damaged is begun anew: nothing but time is lost. */
  static async open(dataDir: string): Promise<ModelHashes> {
    const path = join(dataDir, 'model-hashes.json')
    const text = await readFile(path, 'utf8').catch(() => '')
    const read = keptSchema.safeParse(parsed(text))
    const hashes = read.success ? read.data.hashes : []
    return new ModelHashes(path, new Map(hashes.map(({ directory, ...rest }) => [directory, rest])))
  }

  /** Hex: {@link modelId}. */
  async of(model: HashedModel): Promise<string> {
    const { directory, languageModel } = model
    const files = await this.#once(directory, {
      stamp: async () => stampOf(directory, await hashedFiles(directory)),
      hash: () => hashModel(directory),
    })
    if (languageModel === null) return modelId(model, files)
    const { path } = languageModel
    const ngrams = await this.#once(path, {
      stamp: () => stampOf(dirname(path), [basename(path)]),
      hash: () => hashFile(path),
    })
    return modelId(model, files, ngrams)
  }

  /** One reads a directory, or a file, at a time: who asks meanwhile waits for the same answer. */
  async #once(path: string, reading: Reading): Promise<string> {
    const running = this.#running.get(path) ?? this.#find(path, reading)
    this.#running.set(path, running)
    return running.finally(() => this.#running.delete(path))
  }

  async #find(path: string, { stamp, hash }: Reading): Promise<string> {
    const files = await stamp()
    const known = this.#known.get(path)
    if (known?.files === files) return known.sha256
    const sha256 = await hash()
    this.#known.delete(path)
    this.#known.set(path, { files, sha256 })
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_KEPT) break
      this.#known.delete(oldest)
    }
    // A cache: a read-only data directory costs time, not the model.
    await this.#write().catch(() => undefined)
    return sha256
  }

  async #write(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    const temporary = `${this.#path}.${process.pid}.tmp`
    const file = await open(temporary, 'w', 0o600)
    try {
      const hashes = [...this.#known].map(([directory, rest]) => ({ directory, ...rest }))
      await file.writeFile(`${JSON.stringify({ format: 'plumbline-model-hashes', version: 1, hashes })}\n`)
    } finally {
      await file.close()
    }
    await rename(temporary, this.#path)
  }
}

interface Reading {
  /** Changes when what is hashed does. */
  readonly stamp: () => Promise<string>
  readonly hash: () => Promise<string>
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Changes when a file does, as far as the file system says. */
async function stampOf(directory: string, names: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const name of names) {
    const { size, mtimeMs, ino } = await stat(join(directory, name))
    hash.update(`${name}\0${size}\0${mtimeMs}\0${ino}\n`)
  }
  return hash.digest('hex')
}
