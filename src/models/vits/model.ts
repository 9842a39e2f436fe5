/** A VITS model opened from its directory: token ids to sound. */
import { UserError } from '../../errors.js'
import { Graph } from '../../ml/graph/index.js'
import type { Parameters } from '../../ml/layers/index.js'
import { encodeModel } from '../../ml/onnx/index.js'
import {
  Session,
  type SessionOptions,
  type TensorValue,
  type TensorValues,
} from '../../ml/session/session.js'
import { Random } from '../../ml/train/random.js'
import { asConfigFault } from '../checkpoint/config-file.js'
import { align, priorLatents } from './alignment.js'
import { openVitsCheckpoint, type VitsCheckpoint, weightsOf } from './checkpoint.js'
import type { VitsConfig } from './config.js'
import { decoderReach } from './decoder.js'
import { buildDecoder, buildFlow, buildText } from './graphs.js'

export interface VitsModelOptions extends Pick<SessionOptions, 'threads' | 'arena'> {
  /** Frames that the decoder makes sound of at a time; its memory grows with them. */
  readonly windowFrames?: number
}

export interface SynthesisOptions {
  /** From 0; the first unless told. */
  readonly speaker?: number
  /** 1 as trained, 2 twice as fast; what the checkpoint says unless told. */
  readonly speakingRate?: number
  /** How far latents stray from their means; what the checkpoint says unless told. */
  readonly noiseScale?: number
  /** How far durations stray; what the checkpoint says unless told. */
  readonly durationNoiseScale?: number
  /** The same seed gives the same sound; 0 unless told. */
  readonly seed?: number
  /** Standard normal noise of one's own: [rows, 2, tokens] and [rows, latent width, frames]. */
  readonly noise?: { readonly durations?: Float32Array; readonly prior?: Float32Array }
}

/** One row a text; what is past a row's end is 0 in `frames`, and no sound in `sounds`. */
export interface Synthesis {
  /** Each in [-1, 1] at the model's rate. */
  readonly sounds: readonly Float32Array[]
  /** Frames of each token. */
  readonly durations: readonly (readonly number[])[]
  /** Outputs of the text encoder and the duration predictor: see buildText. */
  readonly text: Readonly<Record<string, TensorValue>>
  /** [rows, latent width, frames]: what goes into the flow, comes out, and is heard by the decoder. */
  readonly latents: { readonly prior: TensorValue; readonly moved: TensorValue; readonly frames: TensorValue }
  /** The decoder's output, [rows, 1, samples]. */
  readonly waveform: TensorValue
}

/** About seven seconds of the published voices, whose last layers then take 15 MB each. */
const WINDOW_FRAMES = 448
/** Beyond this a sentence is a mistake: two and a half minutes without a pause for breath. */
const MOST_SECONDS = 150
/** Memory of attention grows with the square. */
export const MOST_TOKENS = 2048

type Kind = 'text' | 'flow' | 'decoder'
const BUILDERS: Readonly<Record<Kind, (graph: Graph, p: Parameters, config: VitsConfig) => void>> = {
  text: buildText,
  flow: buildFlow,
  decoder: buildDecoder,
}

export class VitsModel {
  readonly config: VitsConfig
  readonly #sessions: Readonly<Record<Kind, Session>>
  readonly #checkpoint: VitsCheckpoint
  readonly #windowFrames: number

  private constructor(
    checkpoint: VitsCheckpoint,
    sessions: Readonly<Record<Kind, Session>>,
    windowFrames: number,
  ) {
    this.config = checkpoint.config
    this.#checkpoint = checkpoint
    this.#sessions = sessions
    this.#windowFrames = windowFrames
  }

  /** @throws UserError naming the file, where the directory does not hold such a model. */
  static async open(directory: string, options: VitsModelOptions = {}): Promise<VitsModel> {
    const { windowFrames = WINDOW_FRAMES, ...session } = options
    if (!(windowFrames >= 1)) throw new RangeError(`a window of ${windowFrames} frames`)
    const checkpoint = await openVitsCheckpoint(directory)
    const opened: Session[] = []
    const open = async (kind: Kind): Promise<Session> => {
      const graph = new Graph(`vits_${kind}`)
      BUILDERS[kind](graph, weightsOf(graph, checkpoint).parameters(), checkpoint.config)
      const made = await Session.open(encodeModel(graph), {
        ...session,
        weightsFolder: checkpoint.files.folder,
      })
      opened.push(made)
      return made
    }
    try {
      const sessions = { text: await open('text'), flow: await open('flow'), decoder: await open('decoder') }
      return new VitsModel(checkpoint, sessions, windowFrames)
    } catch (error) {
      for (const each of opened) await each.close()
      await checkpoint.close()
      throw asConfigFault(error, directory)
    }
  }

  /**
   * Token ids, one list a row, to sound; blocks this thread.
   * @throws UserError for an unknown speaker, no or too many tokens, or a sound beyond all bounds.
   */
  async synthesise(rows: readonly (readonly number[])[], options: SynthesisOptions = {}): Promise<Synthesis> {
    const { config } = this
    const { noiseScale = config.noiseScale, speakingRate = config.speakingRate } = options
    const random = (name: string) => Random.named(options.seed ?? 0, name)
    const lengths = rows.map((ids) => ids.length)
    const speaker = this.#speakerInput(options.speaker ?? 0, rows.length)
    const text = await this.#sessions.text.run({
      ...this.#textInputs(rows, options, random('durations')),
      ...speaker,
    })
    const mostFrames = Math.ceil((MOST_SECONDS * config.sampleRate) / config.samplesPerFrame)
    const alignment = align(floatsOf(text, 'logDurations'), lengths, speakingRate, mostFrames)
    const size = rows.length * config.latentWidth * Math.max(...alignment.frames)
    const noise = noiseScale === 0 ? undefined : (options.noise?.prior ?? normals(random('prior'), size))
    const { values, frames } = priorLatents({
      means: floatsOf(text, 'means'),
      logDeviations: floatsOf(text, 'logDeviations'),
      width: config.latentWidth,
      alignment,
      noiseScale,
      ...(noise === undefined ? {} : { noise }),
    })
    const prior = float32([rows.length, config.latentWidth, frames], values)
    const flowed = await this.#sessions.flow.run({
      latents: prior,
      lengths: integers(alignment.frames),
      ...speaker,
    })
    const heard = flowed.frames
    const { moved } = flowed
    if (heard === undefined || moved === undefined) throw new Error('the flow gave nothing')
    const waveform = await this.#decode(heard, speaker)
    const samples = waveform.shape[2] ?? 0
    const sounds = alignment.frames.map((count, row) =>
      (waveform.data as Float32Array).slice(row * samples, row * samples + count * config.samplesPerFrame),
    )
    return {
      sounds,
      durations: alignment.durations,
      text,
      latents: { prior, moved, frames: heard },
      waveform,
    }
  }

  async close(): Promise<void> {
    for (const session of Object.values(this.#sessions)) await session.close()
    await this.#checkpoint.close()
  }

  #speakerInput(speaker: number, rows: number): TensorValues {
    const { speakers } = this.config
    if (!Number.isInteger(speaker) || speaker < 0 || speaker >= speakers)
      throw new UserError(`there is no speaker ${speaker}`, {
        code: 'BAD_ARGUMENT',
        remedy: speakers === 1 ? 'this voice has one, 0' : `this model has the speakers 0 to ${speakers - 1}`,
      })
    return speakers === 1 ? {} : { speaker: integers(Array.from({ length: rows }, () => speaker)) }
  }

  #textInputs(rows: readonly (readonly number[])[], options: SynthesisOptions, random: Random): TensorValues {
    const { text, duration, durationNoiseScale } = this.config
    const tokens = Math.max(0, ...rows.map((ids) => ids.length))
    if (rows.some((ids) => ids.length === 0)) throw new RangeError('a row without tokens')
    if (tokens > MOST_TOKENS)
      throw new UserError(`${tokens} tokens are more than the ${MOST_TOKENS} that are spoken at once`, {
        code: 'BAD_ARGUMENT',
        remedy: 'cut the text into sentences',
      })
    for (const id of rows.flat())
      if (id < 0 || id >= text.vocabulary)
        throw new UserError(`the tokenizer gives id ${id}, the model has ${text.vocabulary}`, {
          code: 'BAD_CONFIG',
          remedy: 'use the vocab.json that was published with the weights',
        })
    const ids = rows.flatMap((row) => Array.from({ length: tokens }, (_, i) => row[i] ?? 0))
    const inputs = {
      ids: { ...integers(ids), shape: [rows.length, tokens] },
      lengths: integers(rows.map((row) => row.length)),
    }
    if (duration.kind === 'plain') return inputs
    const scale = options.durationNoiseScale ?? durationNoiseScale
    const size = rows.length * 2 * tokens
    const drawn = options.noise?.durations ?? normals(random, size)
    return {
      ...inputs,
      noise: float32(
        [rows.length, 2, tokens],
        drawn.map((value) => value * scale),
      ),
    }
  }

  /** In windows of frames, each with as many around it as its samples depend on. */
  async #decode(frames: TensorValue, speaker: TensorValues): Promise<TensorValue> {
    const [rows = 0, width = 0, count = 0] = frames.shape
    const { samplesPerFrame, decoder } = this.config
    const reach = decoderReach(decoder)
    const whole = new Float32Array(rows * count * samplesPerFrame)
    for (let start = 0; start < count; start += this.#windowFrames) {
      const end = Math.min(count, start + this.#windowFrames)
      const from = Math.max(0, start - reach)
      const to = Math.min(count, end + reach)
      const window = columns(frames.data as Float32Array, rows * width, count, from, to)
      const { sound } = await this.#sessions.decoder.run({
        frames: float32([rows, width, to - from], window),
        ...speaker,
      })
      const made = columns(
        sound?.data as Float32Array,
        rows,
        (to - from) * samplesPerFrame,
        (start - from) * samplesPerFrame,
        (end - from) * samplesPerFrame,
      )
      const size = (end - start) * samplesPerFrame
      for (let row = 0; row < rows; row++)
        whole.set(made.subarray(row * size, (row + 1) * size), (row * count + start) * samplesPerFrame)
    }
    return float32([rows, 1, count * samplesPerFrame], whole)
  }
}

/** Columns `from` up to `to` of a matrix [rows, width]. */
function columns(data: Float32Array, rows: number, width: number, from: number, to: number): Float32Array {
  if (from === 0 && to === width) return data
  const out = new Float32Array(rows * (to - from))
  for (let row = 0; row < rows; row++)
    out.set(data.subarray(row * width + from, row * width + to), row * (to - from))
  return out
}

const normals = (random: Random, size: number): Float32Array =>
  Float32Array.from({ length: size }, () => random.normal())

const float32 = (shape: readonly number[], data: Float32Array): TensorValue => ({
  dtype: 'float32',
  shape,
  data,
})

const integers = (values: readonly number[]): TensorValue => ({
  dtype: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
})

function floatsOf(values: Readonly<Record<string, TensorValue>>, name: string): Float32Array {
  const data = values[name]?.data
  if (!(data instanceof Float32Array)) throw new Error(`the graph gave no ${name}`)
  return data
}
