/** Sounds as vectors: hidden states of wav2vec 2.0, HuBERT and data2vec audio, of recordings of any length. */
import { join } from 'node:path'
import { UserError } from '../../errors.js'
import { readConfig } from '../checkpoint/config-file.js'
import {
  type FrameGeometry,
  frameGeometry,
  framesOf,
  planChunks,
  samplesOf,
  servingWindows,
} from '../speech/chunks.js'
import { parseSpeechConfig } from '../wav2vec2/config.js'
import { SpeechModel } from '../wav2vec2/model.js'
import { checkLayer, type Embedder, type EmbedderOptions } from './embedder.js'
import { meanOfRows, type Rows } from './vectors.js'

export class SoundEmbedder implements Embedder<Float32Array> {
  readonly geometry: FrameGeometry
  readonly #model: SpeechModel
  readonly #layer: number

  private constructor(model: SpeechModel, layer: number) {
    this.#model = model
    this.#layer = layer
    this.geometry = frameGeometry(model.config.frontEnd.layers)
  }

  /** @throws UserError where the directory holds no such model, or it has not the layer. */
  static async open(directory: string, options: EmbedderOptions = {}): Promise<SoundEmbedder> {
    const { layer, ...rest } = options
    const { blocks } = parseSpeechConfig(await readConfig(directory), join(directory, 'config.json'))
    checkLayer(layer, blocks)
    const chosen = layer ?? blocks
    const model = await SpeechModel.open(directory, { ...rest, task: 'encoder', hiddenStates: [chosen] })
    return new SoundEmbedder(model, chosen)
  }

  get width(): number {
    return this.#model.config.width
  }

  get blocks(): number {
    return this.#model.config.blocks
  }

  /** Hz. */
  get sampleRate(): number {
    return this.#model.waveform.sampleRate
  }

  /**
   * A row a frame. @param samples at {@link sampleRate}, in windows that hear their neighbourhood.
   * @throws UserError for sound too short to make a frame.
   */
  async *rows(samples: Float32Array): AsyncGenerator<Rows> {
    const { geometry, width } = this
    const frames = framesOf(samples.length, geometry)
    if (frames === 0)
      throw new UserError(`a sound of ${samples.length} samples is too short`, {
        code: 'BAD_ARGUMENT',
        remedy: `give at least ${geometry.receptiveSamples} samples at ${this.sampleRate} Hz`,
      })
    for (const chunk of planChunks(frames, servingWindows(this.sampleRate, geometry))) {
      const { start, end } = samplesOf(chunk, geometry)
      // The last window takes the odd samples too: they make no frame, yet the normalisation hears them.
      const heard = samples.subarray(start, chunk.keepTo === frames ? samples.length : end)
      const results = await this.#model.run(this.#model.prepare([heard]))
      const data = results[`hidden.${this.#layer}`]?.data as Float32Array
      const [from, to] = [chunk.keepFrom - chunk.first, chunk.keepTo - chunk.first]
      yield { data: data.subarray(from * width, to * width), count: to - from, width }
    }
  }

  vector(samples: Float32Array, onRows?: (count: number) => void): Promise<Float32Array> {
    return meanOfRows(this.rows(samples), onRows)
  }

  close(): Promise<void> {
    return this.#model.close()
  }
}
