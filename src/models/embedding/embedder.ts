/** What turns inputs of one kind into vectors. */
import { UserError } from '../../errors.js'
import type { SessionOptions } from '../../ml/session/session.js'
import type { Rows } from './vectors.js'

export interface EmbedderOptions extends Pick<SessionOptions, 'threads'> {
  readonly int8?: boolean
  /** Hidden state to take: 0 goes into the first block, N comes out of block N. The model's output unless told. */
  readonly layer?: number
}

export interface Embedder<Input> {
  readonly width: number
  /** Blocks of the model: the greatest layer. */
  readonly blocks: number
  /** A row for each part that counts (frame, token, patch), a stretch of the input at a time. */
  rows(input: Input): AsyncIterable<Rows>
  /** One vector for the whole. @param onRows told after each stretch of the input how many rows it had */
  vector(input: Input, onRows?: (count: number) => void): Promise<Float32Array>
  close(): Promise<void>
}

/** @throws UserError for a layer that the model does not have. */
export function checkLayer(layer: number | undefined, blocks: number): void {
  if (layer === undefined || (Number.isInteger(layer) && layer >= 0 && layer <= blocks)) return
  throw new UserError(`the model has no layer ${layer}`, {
    code: 'BAD_ARGUMENT',
    remedy: `choose one from 0 (before the first block) to ${blocks}`,
    exitStatus: 2,
  })
}
