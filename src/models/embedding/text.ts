/** Texts as vectors: hidden states of data2vec text; what is longer than the model's positions goes in pieces. */
import { join } from 'node:path'
import { UserError } from '../../errors.js'
import { readConfig } from '../checkpoint/config-file.js'
import { parseTextConfig } from '../data2vec/text-config.js'
import { TextModel } from '../data2vec/text-model.js'
import { checkLayer, type Embedder, type EmbedderOptions } from './embedder.js'
import { meanOfRows, type Rows } from './vectors.js'

/** A short novel. */
export const MAX_TEXT_BYTES = 2 ** 20

export class TextEmbedder implements Embedder<string> {
  readonly #model: TextModel
  readonly #layer: number

  private constructor(model: TextModel, layer: number) {
    this.#model = model
    this.#layer = layer
  }

  /** @throws UserError where the directory holds no such model, or it has not the layer. */
  static async open(directory: string, options: EmbedderOptions = {}): Promise<TextEmbedder> {
    const { layer, ...rest } = options
    const { blocks } = parseTextConfig(await readConfig(directory), join(directory, 'config.json'))
    checkLayer(layer, blocks)
    const chosen = layer ?? blocks
    const model = await TextModel.open(directory, { ...rest, task: 'encoder', hiddenStates: [chosen] })
    return new TextEmbedder(model, chosen)
  }

  get width(): number {
    return this.#model.config.width
  }

  get blocks(): number {
    return this.#model.config.blocks
  }

  /** Ids of each piece, begin and end around it. @throws UserError for an empty or overlong text. */
  pieces(text: string): readonly (readonly number[])[] {
    const { tokenizer, mostTokens } = this.#model
    const bytes = Buffer.byteLength(text)
    if (bytes > MAX_TEXT_BYTES || text.trim() === '')
      throw new UserError(
        bytes === 0 || text.trim() === '' ? 'the text is empty' : `the text has ${bytes} bytes`,
        {
          code: 'BAD_ARGUMENT',
          remedy: `give a text of at most ${MAX_TEXT_BYTES} bytes`,
        },
      )
    const ids = tokenizer.encode(text).slice(1, -1)
    const room = mostTokens - 2
    if (room < 1) throw new Error(`a model of ${mostTokens} tokens has no room for a text`)
    return Array.from({ length: Math.ceil(ids.length / room) }, (_, i) => [
      tokenizer.beginId,
      ...ids.slice(i * room, (i + 1) * room),
      tokenizer.endId,
    ])
  }

  /** The tokens that {@link rows} has a row for, begin and end of each piece among them. */
  tokens(text: string): readonly string[] {
    const { vocabulary } = this.#model.tokenizer
    return this.pieces(text).flatMap((ids) => ids.map((id) => vocabulary.tokenOf(id) ?? ''))
  }

  /** A row a token. */
  async *rows(text: string): AsyncGenerator<Rows> {
    for (const ids of this.pieces(text)) {
      const results = await this.#model.run(this.#model.prepare([ids]))
      const data = results[`hidden.${this.#layer}`]?.data as Float32Array
      yield { data, count: ids.length, width: this.width }
    }
  }

  vector(text: string, onRows?: (count: number) => void): Promise<Float32Array> {
    return meanOfRows(this.rows(text), onRows)
  }

  close(): Promise<void> {
    return this.#model.close()
  }
}
