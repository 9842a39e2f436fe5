/** The recogniser in service: a directory with config.json and model.safetensors, sound in, characters out. */
import { join } from 'node:path'
import { openCheckpoint } from '../../ml/files/open.js'
import { Graph } from '../../ml/graph/index.js'
import { encodeModel, quantise } from '../../ml/onnx/index.js'
import { Session, type SessionOptions } from '../../ml/session/session.js'
import { Cache } from '../../ml/train/cache.js'
import { parseConfig, readConfig } from '../checkpoint/config-file.js'
import { WeightFiles } from '../checkpoint/weight-files.js'
import { CheckpointWeights } from '../checkpoint/weights.js'
import { bestPath } from '../ctc/greedy.js'
import { type LogProbabilities, logSoftmaxRows } from '../ctc/log-probabilities.js'
import { ROW_FRAMES } from './batches.js'
import { asrSmallConfigSchema, type ServedConfig } from './config.js'
import { logitsOf, outputFrames } from './definition.js'
import {
  bandsReached,
  extractFeatures,
  FRAME_RATE,
  MELS,
  normaliseFrames,
  type StoredFeatures,
  toLogEnergies,
} from './features.js'
import { ALPHABET, BLANK, CLASSES } from './text.js'
import type { Piece } from './words.js'

/** Sounds are cut into pieces of at most this, at their quietest place. */
const MOST_FRAMES = ROW_FRAMES.at(-1) ?? 3072
/** The last share of a piece in which a cut is looked for, and how wide the quiet place is, in frames. */
const CUT_WITHIN = 0.4
const QUIET_FRAMES = 20
/** Lengths that are kept ready; each holds some megabytes. */
const KEPT_SESSIONS = 6

export interface AsrSmallOptions extends Pick<SessionOptions, 'threads' | 'runtime'> {
  /** Matrix products on 8-bit integers, as the other families have them: for comparisons, it is small enough without. */
  readonly int8?: boolean
}

export class AsrSmall {
  readonly directory: string
  readonly config: ServedConfig
  readonly #files: WeightFiles
  readonly #options: AsrSmallOptions
  readonly #sessions = new Cache<Session>(KEPT_SESSIONS)

  private constructor(directory: string, config: ServedConfig, files: WeightFiles, options: AsrSmallOptions) {
    this.directory = directory
    this.config = config
    this.#files = files
    this.#options = options
  }

  /** @throws UserError naming the file, where the directory does not hold such a model. */
  static async open(directory: string, options: AsrSmallOptions = {}): Promise<AsrSmall> {
    const config = parseConfig(
      asrSmallConfigSchema,
      await readConfig(directory),
      join(directory, 'config.json'),
    )
    const checkpoint = await openCheckpoint(directory)
    try {
      const model = new AsrSmall(directory, config, await WeightFiles.of(checkpoint), options)
      // The shortest graph is made now, so that a wrong file is refused here and not at the first sound.
      await model.#session(ROW_FRAMES[0] ?? MOST_FRAMES)
      return model
    } finally {
      await checkpoint.close()
    }
  }

  /** What is heard, greedily spelt. @param samples in [-1, 1). @param sampleRate Hz. */
  async transcribe(samples: Float32Array, sampleRate: number): Promise<string> {
    const texts: string[] = []
    for await (const piece of this.pieces(samples, sampleRate)) texts.push(spell(piece))
    return texts.filter((text) => text !== '').join(' ')
  }

  /**
   * Class probabilities of each piece of the sound, 25 frames a second. One piece up to half a minute; none where the
   * sound is shorter than a frame.
   */
  async logProbabilities(samples: Float32Array, sampleRate: number): Promise<readonly Piece[]> {
    return this.ofFeatures(extractFeatures(samples, sampleRate))
  }

  /** The same, each piece as soon as it was heard. */
  pieces(samples: Float32Array, sampleRate: number): AsyncGenerator<Piece> {
    return this.#pieces(extractFeatures(samples, sampleRate))
  }

  /** The same for features that are at hand. */
  async ofFeatures(features: StoredFeatures): Promise<readonly Piece[]> {
    const pieces: Piece[] = []
    for await (const piece of this.#pieces(features)) pieces.push(piece)
    return pieces
  }

  async close(): Promise<void> {
    await this.#sessions.close()
    await this.#files.close()
  }

  async *#pieces(features: StoredFeatures): AsyncGenerator<Piece> {
    let frames = 0
    const reached = this.config.skips_empty_bands ? bandsReached(features) : MELS
    for (const energies of cut(toLogEnergies(features))) {
      const heard = await this.#run(normaliseFrames(energies, reached))
      yield { ...heard, startSeconds: frames / FRAME_RATE }
      frames += energies.length / MELS
    }
  }

  async #run(values: Float32Array): Promise<LogProbabilities> {
    const frames = values.length / MELS
    const row = ROW_FRAMES.find((size) => size >= frames) ?? MOST_FRAMES
    const session = await this.#session(row)
    const padded = new Float32Array(row * MELS)
    padded.set(values)
    const count = outputFrames(frames)
    const { logits } = await session.run({
      features: { dtype: 'float32', shape: [1, row, MELS], data: padded },
      lengths: { dtype: 'int64', shape: [1], data: BigInt64Array.of(BigInt(count)) },
    })
    if (!(logits?.data instanceof Float32Array)) throw new Error('the model gave no logits')
    return logSoftmaxRows(logits.data.slice(0, count * CLASSES), count, CLASSES)
  }

  #session(row: number): Promise<Session> {
    return this.#sessions.get(String(row), async () => {
      const graph = new Graph('asr-small')
      const weights = new CheckpointWeights(graph, this.#files)
      const features = graph.input('features', 'float32', [1, row, MELS])
      const lengths = graph.input('lengths', 'int64', [1])
      graph.output('logits', logitsOf(weights.parameters(), features, lengths, this.config))
      weights.finish()
      const { int8 = false, ...settings } = this.#options
      if (int8) quantise(graph)
      return Session.open(encodeModel(graph), { ...settings, weightsFolder: this.#files.folder })
    })
  }
}

/** Greedy text of one piece. */
export const spell = (piece: LogProbabilities): string =>
  bestPath(piece, BLANK)
    .tokens.map((token) => ALPHABET.charAt(token - 1))
    .join('')
    .replace(/ +/g, ' ')
    .trim()

/** Pieces of [frames, MELS] log energies, none longer than the longest row. */
export function cut(energies: Float32Array): readonly Float32Array[] {
  const pieces: Float32Array[] = []
  let rest = energies
  while (rest.length / MELS > MOST_FRAMES) {
    const at = quietest(rest) * MELS
    pieces.push(rest.subarray(0, at))
    rest = rest.subarray(at)
  }
  return rest.length === 0 ? pieces : [...pieces, rest]
}

/** The middle of the quietest stretch in the last part of the longest piece that fits. */
function quietest(energies: Float32Array): number {
  const loudness = (frame: number): number => {
    let sum = 0
    for (let m = 0; m < MELS; m++) sum += energies[frame * MELS + m] ?? 0
    return sum
  }
  const first = Math.floor(MOST_FRAMES * (1 - CUT_WITHIN))
  let window = 0
  for (let i = 0; i < QUIET_FRAMES; i++) window += loudness(first + i)
  let least = window
  let at = first
  for (let frame = first + 1; frame + QUIET_FRAMES <= MOST_FRAMES; frame++) {
    window += loudness(frame + QUIET_FRAMES - 1) - loudness(frame - 1)
    if (window < least) {
      least = window
      at = frame
    }
  }
  return at + QUIET_FRAMES / 2
}
