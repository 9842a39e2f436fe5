/**
 * Speech to text from a model directory: one vocabulary (wav2vec 2.0, XLS-R, HuBERT, data2vec) or one a language (MMS),
 * which are exchanged in milliseconds while the model stays as it is.
 */
import { join } from 'node:path'
import { UserError } from '../../errors.js'
import type { TensorValue, TensorValues } from '../../ml/session/session.js'
import { CtcTokenizer } from '../../ml/tokenizers/ctc.js'
import { readConfig } from '../checkpoint/config-file.js'
import { parseSpeechConfig } from './config.js'
import { readLanguage, readOwnLanguage } from './language.js'
import { adapterLanguages } from './languages.js'
import { type SoundBatch, SpeechModel, type SpeechModelOptions } from './model.js'

export interface RecogniserOptions extends Pick<SpeechModelOptions, 'threads' | 'arena' | 'int8'> {
  /** For a model with a vocabulary a language: the one to begin with; its own unless told. */
  readonly language?: string
}

export interface Transcript {
  readonly text: string
  /** Logits [frames, vocabulary] of the frames that count. */
  readonly logits: Float32Array
  readonly frames: number
  readonly vocabulary: number
}

/** What a language needs; 9 MB for the published billion-parameter model. */
interface Language {
  readonly name: string | undefined
  readonly tokenizer: CtcTokenizer
  readonly weights: TensorValues
}

/** Languages kept in memory, so that going back to one reads nothing. */
const KEPT_LANGUAGES = 16

export class Recogniser {
  readonly model: SpeechModel
  readonly #kept = new Map<string, Language>()
  #current: Language

  private constructor(model: SpeechModel, first: Language) {
    this.model = model
    this.#current = first
    if (first.name !== undefined) this.#kept.set(first.name, first)
  }

  /** @throws UserError where the directory holds no recogniser, or not the language. */
  static async open(directory: string, options: RecogniserOptions = {}): Promise<Recogniser> {
    const { language, ...rest } = options
    const json = await readConfig(directory)
    const config = parseSpeechConfig(json, join(directory, 'config.json'))
    const languages = await CtcTokenizer.languages(directory)
    if (language !== undefined && languages.length === 0)
      throw new UserError(`${directory} has one vocabulary for all languages`, {
        code: 'BAD_ARGUMENT',
        remedy: 'leave the language out',
      })
    const exchanges = config.languageAdapterWidth !== undefined && languages.length > 0
    const model = await SpeechModel.open(directory, { ...rest, languageInputs: exchanges })
    try {
      if (model.task !== 'ctc')
        throw new UserError(`${directory} holds no recogniser but a model for ${model.task}`, {
          code: 'BAD_ARGUMENT',
          remedy: 'use a ...ForCTC checkpoint',
        })
      return new Recogniser(model, await firstLanguage(model, exchanges, language))
    } catch (error) {
      await model.close()
      throw error
    }
  }

  /** Undefined for a model with one vocabulary. */
  get language(): string | undefined {
    return this.#current.name
  }

  get tokenizer(): CtcTokenizer {
    return this.#current.tokenizer
  }

  /** From the next sound on; one that is in use already costs nothing. @throws UserError where the directory lacks the adapter or the vocabulary. */
  async setLanguage(name: string): Promise<void> {
    if (name === this.#current.name) return
    const known = this.#kept.get(name) ?? (await readAll(this.model, name))
    this.#kept.delete(name)
    this.#kept.set(name, known)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > KEPT_LANGUAGES && oldest !== undefined) this.#kept.delete(oldest)
    this.#current = known
  }

  /**
   * Sounds at the model's rate, together as one batch where the model takes a mask, else one by one, as models without
   * one were trained.
   */
  async transcribe(sounds: readonly Float32Array[]): Promise<readonly Transcript[]> {
    const { attentionMask } = this.model.waveform
    const batches = attentionMask || sounds.length < 2 ? [sounds] : sounds.map((sound) => [sound])
    const transcripts: Transcript[] = []
    for (const batch of batches) transcripts.push(...(await this.run(this.model.prepare(batch))))
    return transcripts
  }

  /** Sounds that are prepared already. */
  async run(batch: SoundBatch): Promise<readonly Transcript[]> {
    const { tokenizer } = this.#current
    const results = await this.results(batch)
    const letters = this.model.letters(results)
    const lengths = batch.lengths ?? letters.map(() => batch.samples)
    return letters.map((row, i) => {
      const frames = Math.min(row.length, this.model.outputFrames(lengths[i] ?? 0))
      return { text: tokenizer.decode(row.slice(0, frames)), ...rowOf(results.logits, i, frames) }
    })
  }

  /** All that the graph returns, in the present language. */
  results(batch: SoundBatch): Promise<Readonly<Record<string, TensorValue>>> {
    return this.model.run(batch, this.#current.weights)
  }

  close(): Promise<void> {
    return this.model.close()
  }
}

async function firstLanguage(model: SpeechModel, exchanges: boolean, name?: string): Promise<Language> {
  if (!exchanges)
    return { name: undefined, tokenizer: await CtcTokenizer.read(model.directory, name), weights: {} }
  if (name !== undefined) return readAll(model, name)
  // The language that the published file was saved with is the tokenizer's target.
  const tokenizer = await CtcTokenizer.read(model.directory)
  return {
    name: tokenizer.language,
    tokenizer,
    weights: await readOwnLanguage(model.directory, model.config, model.prefix),
  }
}

async function readAll(model: SpeechModel, name: string): Promise<Language> {
  const { directory, config, prefix } = model
  const tokenizer = await CtcTokenizer.read(directory, name)
  const isSaved = name === (await CtcTokenizer.ownLanguage(directory))
  const weights =
    isSaved && !(await adapterLanguages(directory)).includes(name)
      ? await readOwnLanguage(directory, config, prefix)
      : await readLanguage(directory, name, config, prefix)
  return { name, tokenizer, weights }
}

function rowOf(logits: TensorValue | undefined, row: number, frames: number) {
  const [, perRow = 0, vocabulary = 0] = logits?.shape ?? []
  const start = row * perRow * vocabulary
  const data = logits?.data as Float32Array
  return { logits: data.subarray(start, start + frames * vocabulary), frames, vocabulary }
}
