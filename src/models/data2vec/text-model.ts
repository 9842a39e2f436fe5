/** A data2vec text model, opened from its directory and ready to run. */
import { join } from 'node:path'
import { refuse } from '../../ml/files/refuse.js'
import { Graph } from '../../ml/graph/index.js'
import { encodeModel, quantise } from '../../ml/onnx/index.js'
import { Session, type SessionOptions, type TensorValue } from '../../ml/session/session.js'
import { ByteBpeTokenizer } from '../../ml/tokenizers/byte-bpe.js'
import { asConfigFault } from '../checkpoint/config-file.js'
import { data2vecWeights, openTextCheckpoint, type TextCheckpoint } from './checkpoint.js'
import { outputHiddenStates } from './hidden-states.js'
import type { TextTask } from './names.js'
import type { TextEncoderConfig } from './text-config.js'
import { textEncoder } from './text-encoder.js'
import { maskedLanguageModel, textClassifier, tiedCopies } from './text-heads.js'

export interface TextModelOptions extends Pick<SessionOptions, 'threads' | 'arena'> {
  /** `encoder` takes the encoder out of any checkpoint; otherwise what config.json says. */
  readonly task?: 'encoder'
  readonly hiddenStates?: readonly number[]
  /** Matrix products on 8-bit integers. */
  readonly int8?: boolean
}

/** Token ids as the model takes them: rows padded on the right with the padding id. */
export interface TextBatch {
  /** [rows, tokens] in C order. */
  readonly ids: readonly number[]
  /** 1 for a token that counts, 0 for padding; likewise. */
  readonly mask: readonly number[]
  readonly rows: number
  readonly tokens: number
}

export class TextModel {
  readonly directory: string
  readonly config: TextEncoderConfig
  readonly task: TextTask
  readonly tokenizer: ByteBpeTokenizer
  readonly #session: Session
  readonly #checkpoint: TextCheckpoint

  private constructor(
    checkpoint: TextCheckpoint,
    task: TextTask,
    tokenizer: ByteBpeTokenizer,
    session: Session,
  ) {
    this.directory = checkpoint.directory
    this.config = checkpoint.config
    this.task = task
    this.tokenizer = tokenizer
    this.#session = session
    this.#checkpoint = checkpoint
  }

  /** @throws UserError naming the file, where the directory does not hold such a model. */
  static async open(directory: string, options: TextModelOptions = {}): Promise<TextModel> {
    const checkpoint = await openTextCheckpoint(directory)
    try {
      const tokenizer = await ByteBpeTokenizer.read(directory)
      const { config } = checkpoint
      if (tokenizer.padId !== config.padId)
        throw refuse(join(directory, 'config.json'), `pad_token_id ${config.padId} is not the tokenizer's`)
      const { task = checkpoint.task, threads, arena } = options
      const graph = buildText(checkpoint, task, options.hiddenStates)
      if (options.int8 === true) quantise(graph)
      const session = await Session.open(encodeModel(graph), {
        ...(threads === undefined ? {} : { threads }),
        ...(arena === undefined ? {} : { arena }),
        weightsFolder: checkpoint.files.folder,
      })
      return new TextModel(checkpoint, task, tokenizer, session)
    } catch (error) {
      await checkpoint.close()
      throw asConfigFault(error, directory)
    }
  }

  /** Tokens of the longest text, begin and end counted. */
  get mostTokens(): number {
    return Math.min(this.config.mostTokens, this.tokenizer.mostTokens ?? Number.POSITIVE_INFINITY)
  }

  /** Token ids as rows of one batch. @throws UserError for an id that the model lacks, RangeError for no rows. */
  prepare(texts: readonly (readonly number[])[]): TextBatch {
    if (texts.length === 0) throw new RangeError('a batch of no texts')
    const { vocabulary, padId } = this.config
    const tokens = Math.max(...texts.map((ids) => ids.length))
    const pad = (ids: readonly number[], value: number) =>
      Array.from({ length: tokens - ids.length }, () => value)
    for (const ids of texts)
      for (const id of ids)
        if (id >= vocabulary)
          throw refuse(join(this.directory, 'vocab.json'), `token ${id} is beyond the model's ${vocabulary}`)
    return {
      ids: texts.flatMap((ids) => [...ids, ...pad(ids, padId)]),
      mask: texts.flatMap((ids) => [...ids.map(() => 1), ...pad(ids, 0)]),
      rows: texts.length,
      tokens,
    }
  }

  /**
   * Runs a batch; blocks this thread.
   * @returns `last` [rows, tokens, width], `hidden.N` as asked for, `logits` of a model with a head.
   * @throws RangeError for more tokens than there are positions.
   */
  run({ ids, mask, rows, tokens }: TextBatch): Promise<Record<string, TensorValue>> {
    if (tokens > this.config.mostTokens)
      throw new RangeError(`${tokens} tokens, more than ${this.config.mostTokens}`)
    const value = (values: readonly number[]): TensorValue => ({
      dtype: 'int64',
      shape: [rows, tokens],
      data: BigInt64Array.from(values, BigInt),
    })
    return this.#session.run({ ids: value(ids), mask: value(mask) })
  }

  async close(): Promise<void> {
    await this.#session.close()
    await this.#checkpoint.close()
  }
}

/** Inputs `ids` and `mask`, outputs as {@link TextModel.run} returns them: one graph for every length and batch. */
function buildText(checkpoint: TextCheckpoint, task: TextTask, hiddenStates?: readonly number[]): Graph {
  const { config } = checkpoint
  const graph = new Graph('data2vec-text')
  const weights = data2vecWeights(graph, checkpoint, {
    heads: task !== 'encoder',
    unused: tiedCopies(config),
  })
  const p = weights.parameters()
  const ids = graph.input('ids', 'int64', ['batch', 'tokens'])
  const mask = graph.input('mask', 'int64', ['batch', 'tokens'])
  const encoding = textEncoder(p, { ids, mask }, config)
  if (task === 'masked-lm') graph.output('logits', maskedLanguageModel(p, encoding.last, config))
  if (task === 'classification') graph.output('logits', textClassifier(p, encoding.last, config))
  graph.output('last', encoding.last)
  outputHiddenStates(graph, encoding.hiddenStates, hiddenStates)
  weights.finish()
  return graph
}
