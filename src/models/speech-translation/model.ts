/** A speech translator opened from its directory: sound in one language, text in another. */
import { join } from 'node:path'
import { UserError } from '../../errors.js'
import {
  prepareWaveforms,
  readWaveformOptions,
  type WaveformBatch,
  type WaveformOptions,
} from '../../ml/audio/normalise.js'
import { openCheckpoint } from '../../ml/files/open.js'
import { WeightNormView } from '../../ml/files/weight-norm.js'
import { Graph } from '../../ml/graph/index.js'
import { encodeModel, quantise } from '../../ml/onnx/index.js'
import {
  Session,
  type SessionOptions,
  type TensorValue,
  type TensorValues,
} from '../../ml/session/session.js'
import { MBart50Tokenizer } from '../../ml/tokenizers/mbart50.js'
import { asConfigFault, readConfig } from '../checkpoint/config-file.js'
import { WeightFiles } from '../checkpoint/weight-files.js'
import { CheckpointWeights } from '../checkpoint/weights.js'
import { adaptedCount, frameCount, leastSamples } from '../wav2vec2/config.js'
import { maskEmbedding } from '../wav2vec2/names.js'
import { CachedDecoder } from './cached-decoder.js'
import { parseTranslationConfig, type TranslationConfig } from './config.js'
import { type GenerationConfig, readGenerationConfig } from './generation-config.js'
import { buildDecoder, buildEncoder } from './graphs.js'
import { type Generated, generate } from './search.js'

export interface TranslatorOptions extends Pick<SessionOptions, 'threads' | 'arena'> {
  /** Return the decoder's hidden states from {@link SpeechTranslator.decode}. */
  readonly hiddenStates?: boolean
  /** Matrix products on 8-bit integers: less memory, faster, slightly different numbers. */
  readonly int8?: boolean
}

/** Sounds as the model takes them. Rows without `lengths` count whole. */
export type SoundBatch = Pick<WaveformBatch, 'values' | 'rows' | 'samples'> & {
  readonly lengths?: readonly number[] | undefined
}

/** One recording as the decoder hears it: `cross.N.key` and `cross.N.value` [1, heads, frames, width of a head]. */
export interface EncodedRecording {
  readonly frames: number
  readonly cross: TensorValues
}

export interface EncodedBatch {
  /** [batch, frames, width]: the encoder's output before any projection. */
  readonly encoded: TensorValue
  /** The same at the decoder's width. */
  readonly memory: TensorValue
  /** Frames that count in each row. */
  readonly frames: readonly number[]
  readonly recordings: readonly EncodedRecording[]
}

export interface Translation extends Generated {
  readonly text: string
}

export class SpeechTranslator {
  readonly config: TranslationConfig
  readonly generation: GenerationConfig
  readonly waveform: WaveformOptions
  readonly #directory: string
  readonly #encoder: Session
  readonly #decoder: Session
  readonly #files: WeightFiles
  #tokenizer: MBart50Tokenizer | undefined

  private constructor(parts: {
    readonly directory: string
    readonly config: TranslationConfig
    readonly generation: GenerationConfig
    readonly waveform: WaveformOptions
    readonly sessions: readonly [encoder: Session, decoder: Session]
    readonly files: WeightFiles
  }) {
    this.#directory = parts.directory
    this.config = parts.config
    this.generation = parts.generation
    this.waveform = parts.waveform
    ;[this.#encoder, this.#decoder] = parts.sessions
    this.#files = parts.files
  }

  /** @throws UserError naming the file, where the directory does not hold such a model. */
  static async open(directory: string, options: TranslatorOptions = {}): Promise<SpeechTranslator> {
    const config = parseTranslationConfig(await readConfig(directory), join(directory, 'config.json'))
    const generation = await readGenerationConfig(directory)
    const waveform = await readWaveformOptions(directory)
    const checkpoint = new WeightNormView(await openCheckpoint(directory))
    const files = await WeightFiles.of(checkpoint).finally(() => checkpoint.close())
    const opened: Session[] = []
    try {
      for (const graph of graphsOf(files, config, options.hiddenStates ?? false)) {
        if (options.int8 === true) quantise(graph)
        const { threads, arena } = options
        opened.push(
          await Session.open(encodeModel(graph), {
            ...(threads === undefined ? {} : { threads }),
            ...(arena === undefined ? {} : { arena }),
            weightsFolder: files.folder,
          }),
        )
      }
      const [encoder, decoder] = opened
      if (encoder === undefined || decoder === undefined) throw new Error('a graph is missing')
      const sessions = [encoder, decoder] as const
      return new SpeechTranslator({ directory, config, generation, waveform, sessions, files })
    } catch (error) {
      for (const session of opened) await session.close()
      await files.close()
      throw asConfigFault(error, directory)
    }
  }

  /** One row a sound at {@link waveform}'s rate, normalised and padded as the model wants it. */
  prepare(sounds: readonly Float32Array[]): WaveformBatch {
    return prepareWaveforms(sounds, this.waveform)
  }

  /** Frames that the decoder hears of a sound of so many samples. */
  frames(samples: number): number {
    const { frontEnd, lengthAdapter } = this.config.encoder
    const frames = frameCount(frontEnd, samples)
    return lengthAdapter === undefined ? frames : adaptedCount(lengthAdapter, frames)
  }

  /** Runs the encoder; blocks this thread. @throws UserError for a sound too short to make a frame. */
  async encode(batch: SoundBatch): Promise<EncodedBatch> {
    const { values, rows, samples, lengths = Array.from({ length: rows }, () => samples) } = batch
    const { frontEnd } = this.config.encoder
    const least = leastSamples(this.config.encoder)
    if (lengths.length !== rows) throw new RangeError(`${lengths.length} lengths for ${rows} rows`)
    const shortest = Math.min(samples, ...lengths)
    if (shortest < least)
      throw new UserError(`a sound of ${shortest} samples is too short`, {
        code: 'BAD_ARGUMENT',
        remedy: `give at least ${least} samples (${Math.ceil((1000 * least) / this.waveform.sampleRate)} ms)`,
      })
    const {
      encoded,
      memory = encoded,
      ...cross
    } = await this.#encoder.run({
      sound: { dtype: 'float32', shape: [rows, samples], data: values },
      frames: {
        dtype: 'int64',
        shape: [rows],
        data: BigInt64Array.from(lengths, (length) => BigInt(frameCount(frontEnd, length))),
      },
    })
    if (encoded === undefined || memory === undefined) throw new Error('the encoder gave nothing')
    const frames = lengths.map((length) => Math.min(this.frames(length), encoded.shape[1] ?? 0))
    const recordings = frames.map((count, row) => ({ frames: count, cross: rowOf(cross, row, count) }))
    return { encoded, memory, frames, recordings }
  }

  /**
   * Teacher forcing: the decoder's outputs for given tokens, start token first.
   * @returns `logits` [1, tokens, vocabulary], and `hidden.N` where the model was opened for that.
   */
  async decode(recording: EncodedRecording, tokens: readonly number[]): Promise<Record<string, TensorValue>> {
    this.#checkLength(tokens.length)
    return this.cache(recording).read([0], [tokens])
  }

  /** A decoder of one recording that has seen nothing yet, for searches of one's own. */
  cache(recording: EncodedRecording): CachedDecoder {
    return new CachedDecoder(this.#decoder, this.config.decoder, recording.cross)
  }

  /** Tokens by greedy or beam search. @param options over those of the directory. */
  async generate(recording: EncodedRecording, options: Partial<GenerationConfig> = {}): Promise<Generated> {
    const config = { ...this.generation, ...options }
    this.#checkLength(config.maxLength)
    return generate(this.cache(recording), config)
  }

  /**
   * Text of one sound.
   * @param targetLanguage a code of mBART-50 (`de_DE`), where the model speaks more than one.
   */
  async translate(
    sound: Float32Array,
    options: Partial<GenerationConfig> & { readonly targetLanguage?: string } = {},
  ): Promise<Translation> {
    const { targetLanguage, ...rest } = options
    const tokenizer = await this.tokenizer()
    const forced =
      targetLanguage === undefined ? {} : { forcedFirstToken: tokenizer.languageId(targetLanguage) }
    const { recordings } = await this.encode(this.prepare([sound]))
    const [recording] = recordings
    if (recording === undefined) throw new Error('the encoder gave no row')
    const generated = await this.generate(recording, { ...forced, ...rest })
    return { ...generated, text: tokenizer.decode(generated.tokens) }
  }

  /** @throws UserError where the directory has no tokenizer. */
  async tokenizer(): Promise<MBart50Tokenizer> {
    this.#tokenizer ??= await MBart50Tokenizer.read(this.#directory)
    return this.#tokenizer
  }

  async close(): Promise<void> {
    await this.#encoder.close()
    await this.#decoder.close()
    await this.#files.close()
  }

  #checkLength(length: number): void {
    const { maxPositions } = this.config.decoder
    if (length > maxPositions)
      throw new UserError(
        `${length} tokens are more than the ${maxPositions} that the decoder has positions for`,
        {
          code: 'BAD_ARGUMENT',
          remedy: 'ask for fewer tokens',
        },
      )
  }
}

/** The table of embeddings, and the output layer that is tied to it. */
const TABLE = 'decoder.model.decoder.embed_tokens.weight'
const HEAD = 'decoder.lm_head.weight'

/** Both graphs; what neither uses of the file is told. */
function graphsOf(files: WeightFiles, config: TranslationConfig, hidden: boolean): readonly Graph[] {
  const encoder = new Graph('speech_translation_encoder')
  const encoderWeights = new CheckpointWeights(encoder, files, {
    isIgnored: (stored) => stored === `encoder.${maskEmbedding}` || stored.startsWith('decoder.'),
  })
  buildEncoder(encoder, encoderWeights.parameters(), config)
  encoderWeights.finish()

  const { blocks, tied } = config.decoder
  // A tied pair is one tensor, under either name. Where a file has two that differ, it was not tied when it was saved.
  const isOne = tied && !(files.has(TABLE) && files.has(HEAD) && !files.isSame(TABLE, HEAD))
  const one = files.has(TABLE) ? TABLE : HEAD
  const ofCross = /^decoder\.model\.decoder\.layers\.(\d+)\.encoder_attn\.[kv]_proj\.(?:weight|bias)$/
  const decoder = new Graph('speech_translation_decoder')
  const decoderWeights = new CheckpointWeights(decoder, files, {
    storedName: (name) => (isOne && name === TABLE && files.has(one) ? one : name),
    isIgnored: (stored) => {
      const cross = ofCross.exec(stored)
      return (
        !stored.startsWith('decoder.') ||
        (cross !== null && Number(cross[1]) < blocks) ||
        // Some files repeat the table that the configuration ties the head to.
        (isOne && (stored === TABLE || stored === HEAD))
      )
    },
  })
  buildDecoder(decoder, decoderWeights.parameters(), { ...config.decoder, tied: isOne }, hidden)
  decoderWeights.finish()
  return [encoder, decoder]
}

/** One row of [batch, heads, frames, width], its valid frames alone. */
function rowOf(cross: TensorValues, row: number, frames: number): TensorValues {
  const entries = Object.entries(cross).map(([name, { shape, data }]) => {
    const [, heads = 1, all = 1, width = 1] = shape
    const from = data as Float32Array
    const to = new Float32Array(heads * frames * width)
    for (let head = 0; head < heads; head++) {
      const start = (row * heads + head) * all * width
      to.set(from.subarray(start, start + frames * width), head * frames * width)
    }
    return [name, { dtype: 'float32', shape: [1, heads, frames, width], data: to } as TensorValue] as const
  })
  return Object.fromEntries(entries)
}
