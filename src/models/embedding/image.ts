/** Images as vectors: hidden states of data2vec vision, or the vector that the model itself pools them to. */
import { join } from 'node:path'
import type { Image } from '../../ml/image/index.js'
import { readConfig } from '../checkpoint/config-file.js'
import { parseVisionConfig } from '../data2vec/vision-config.js'
import { VisionModel } from '../data2vec/vision-model.js'
import { checkLayer, type Embedder, type EmbedderOptions } from './embedder.js'
import { meanOfRows, type Rows } from './vectors.js'

export class ImageEmbedder implements Embedder<Image> {
  readonly #model: VisionModel
  readonly #layer: number | undefined

  private constructor(model: VisionModel, layer: number | undefined) {
    this.#model = model
    this.#layer = layer
  }

  /** @throws UserError where the directory holds no such model, or it has not the layer. */
  static async open(directory: string, options: EmbedderOptions = {}): Promise<ImageEmbedder> {
    const { layer, ...rest } = options
    checkLayer(layer, parseVisionConfig(await readConfig(directory), join(directory, 'config.json')).blocks)
    const model = await VisionModel.open(directory, {
      ...rest,
      task: 'encoder',
      ...(layer === undefined ? {} : { hiddenStates: [layer] }),
    })
    return new ImageEmbedder(model, layer)
  }

  get width(): number {
    return this.#model.config.width
  }

  get blocks(): number {
    return this.#model.config.blocks
  }

  /** Rows and columns of patches. */
  get grid(): readonly [number, number] {
    return this.#model.config.grid
  }

  /** A row a patch, in reading order; the class token is left out. */
  async *rows(image: Image): AsyncGenerator<Rows> {
    const results = await this.#model.run(this.#model.prepare([image]))
    const { width } = this
    const data = results[this.#layer === undefined ? 'last' : `hidden.${this.#layer}`]?.data as Float32Array
    yield { data: data.subarray(width), count: this.grid[0] * this.grid[1], width }
  }

  /** The model's own pooled vector where no layer was chosen and the checkpoint has it, else the mean of the patches. */
  async vector(image: Image, onRows?: (count: number) => void): Promise<Float32Array> {
    if (this.#layer === undefined) {
      const { pooled } = await this.#model.run(this.#model.prepare([image]))
      if (pooled !== undefined) return pooled.data as Float32Array
    }
    return meanOfRows(this.rows(image), onRows)
  }

  close(): Promise<void> {
    return this.#model.close()
  }
}
