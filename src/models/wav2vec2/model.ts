/** A model of the family, opened from its directory and ready to run: encoder, CTC or classification. */
import { UserError } from '../../errors.js'
import {
  prepareWaveforms,
  readWaveformOptions,
  type WaveformBatch,
  type WaveformOptions,
} from '../../ml/audio/normalise.js'
import { Graph } from '../../ml/graph/index.js'
import { encodeModel, quantise } from '../../ml/onnx/index.js'
import {
  Session,
  type SessionOptions,
  type TensorValue,
  type TensorValues,
} from '../../ml/session/session.js'
import { asConfigFault } from '../checkpoint/config-file.js'
import { openSpeechCheckpoint, type SpeechCheckpoint, speechWeights } from './checkpoint.js'
import { adaptedCount, frameCount, leastSamples, type SpeechEncoderConfig } from './config.js'
import { buildServed } from './graph.js'
import type { Task } from './names.js'

export interface SpeechModelOptions extends Pick<SessionOptions, 'threads' | 'arena'> {
  /** `encoder` takes the encoder out of any checkpoint; otherwise what config.json says. */
  readonly task?: 'encoder'
  readonly hiddenStates?: readonly number[]
  readonly extracted?: boolean
  /** Matrix products on 8-bit integers: less memory, 1.5 to 2 times faster, slightly different numbers. */
  readonly int8?: boolean
  /** Weights of a language are given at each run instead of being fixed. */
  readonly languageInputs?: boolean
}

/** Sounds as the model takes them. Rows without `lengths` count whole. */
export type SoundBatch = Pick<WaveformBatch, 'values' | 'rows' | 'samples'> & {
  readonly lengths?: readonly number[] | undefined
}

export class SpeechModel {
  readonly directory: string
  readonly config: SpeechEncoderConfig
  readonly task: Task
  readonly waveform: WaveformOptions
  readonly #session: Session
  readonly #checkpoint: SpeechCheckpoint

  private constructor(checkpoint: SpeechCheckpoint, task: Task, waveform: WaveformOptions, session: Session) {
    this.directory = checkpoint.directory
    this.config = checkpoint.config
    this.task = task
    this.waveform = waveform
    this.#session = session
    this.#checkpoint = checkpoint
  }

  /** @throws UserError naming the file, where the directory does not hold such a model. */
  static async open(directory: string, options: SpeechModelOptions = {}): Promise<SpeechModel> {
    const waveform = await readWaveformOptions(directory)
    const checkpoint = await openSpeechCheckpoint(directory)
    try {
      // A pre-trained model without a head of use serves as an encoder.
      const made = checkpoint.task === 'pretraining' ? 'encoder' : checkpoint.task
      const task = options.task ?? made
      const { languageInputs = false } = options
      const graph = new Graph(checkpoint.config.modelType)
      const weights = speechWeights(graph, checkpoint, { task, languageInputs })
      buildServed(graph, weights.parameters(), checkpoint.config, {
        task,
        exchangedHead: languageInputs,
        ...(options.hiddenStates === undefined ? {} : { hiddenStates: options.hiddenStates }),
        ...(options.extracted === undefined ? {} : { extracted: options.extracted }),
      })
      weights.finish()
      if (options.int8 === true) quantise(graph)
      const { threads, arena } = options
      const session = await Session.open(encodeModel(graph), {
        ...(threads === undefined ? {} : { threads }),
        ...(arena === undefined ? {} : { arena }),
        weightsFolder: checkpoint.files.folder,
      })
      return new SpeechModel(checkpoint, task, waveform, session)
    } catch (error) {
      await checkpoint.close()
      throw asConfigFault(error, directory)
    }
  }

  /** What stands before the encoder's names in the checkpoint. */
  get prefix(): string {
    return this.#checkpoint.prefix
  }

  /** One row a sound at {@link waveform}'s rate, normalised and padded as the model wants it. */
  prepare(sounds: readonly Float32Array[]): WaveformBatch {
    return prepareWaveforms(sounds, this.waveform)
  }

  /** Frames that a sound of so many samples makes (before a length adapter). */
  frames(samples: number): number {
    return frameCount(this.config.frontEnd, samples)
  }

  /** Frames of `last` and `logits` that a sound of so many samples makes. */
  outputFrames(samples: number): number {
    const { lengthAdapter } = this.config
    const frames = this.frames(samples)
    return lengthAdapter === undefined ? frames : adaptedCount(lengthAdapter, frames)
  }

  /**
   * Runs a batch; blocks this thread.
   * @param language weights of a language, where the model was opened for that.
   * @throws UserError for a sound too short to make a frame.
   */
  async run(batch: SoundBatch, language: TensorValues = {}): Promise<Record<string, TensorValue>> {
    const { values, rows, samples, lengths = Array.from({ length: rows }, () => samples) } = batch
    const least = leastSamples(this.config)
    if (lengths.length !== rows) throw new RangeError(`${lengths.length} lengths for ${rows} rows`)
    const shortest = Math.min(samples, ...lengths)
    if (shortest < least)
      throw new UserError(`a sound of ${shortest} samples is too short`, {
        code: 'BAD_ARGUMENT',
        remedy: `give at least ${least} samples (${Math.ceil((1000 * least) / this.waveform.sampleRate)} ms)`,
      })
    const frames = BigInt64Array.from(lengths, (length) => BigInt(this.frames(length)))
    return this.#session.run({
      ...language,
      sound: { dtype: 'float32', shape: [rows, samples], data: values },
      frames: { dtype: 'int64', shape: [rows], data: frames },
    })
  }

  /** The likeliest class of each frame (or of each recording), a list a row, of what {@link run} returned. */
  letters({ logits }: Readonly<Record<string, TensorValue>>): readonly (readonly number[])[] {
    if (logits === undefined) throw new Error(`a model for ${this.task} has no logits`)
    return likeliest(logits)
  }

  async close(): Promise<void> {
    await this.#session.close()
    await this.#checkpoint.close()
  }
}

function likeliest({ data, shape }: TensorValue): readonly (readonly number[])[] {
  const [rows = 0, ...rest] = shape
  const classes = rest.at(-1) ?? 1
  const perRow = rest.slice(0, -1).reduce((product, size) => product * size, 1)
  const values = data as Float32Array
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: perRow }, (_, frame) => {
      const start = (row * perRow + frame) * classes
      let best = 0
      for (let i = 1; i < classes; i++) if ((values[start + i] ?? 0) > (values[start + best] ?? 0)) best = i
      return best
    }),
  )
}
