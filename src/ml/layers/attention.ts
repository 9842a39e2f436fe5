/** Scaled dot-product attention (Vaswani et al. 2017, section 3.2): any mask, any bias, shared keys, a cache. */
import {
  add,
  concat,
  dimAt,
  expand,
  matmul,
  reshape,
  type Shape,
  ShapeError,
  softmax,
  staticDimAt,
  type Tensor,
  transpose,
  unsqueeze,
} from '../graph/index.js'
import { linear } from './linear.js'
import { maskToBias } from './masks.js'
import type { Parameters } from './parameters.js'

export interface AttentionOptions {
  /** bool, true where a query may see a key; broadcasts to [batch, heads, queries, keys]. */
  readonly mask?: Tensor
  /** Added to the scores: relative positions, ALiBi, or a mask made by maskToBias. Broadcasts likewise. */
  readonly bias?: Tensor
  /** The factor on the scores; 1/sqrt(width of a head) unless told. */
  readonly scale?: number
}

/**
 * softmax(scale q k^T + bias) v.
 * @param q [batch, heads, queries, width]. @param k [batch, heads, keys, width]. @param v as k.
 * @returns [batch, heads, queries, width].
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const width = staticDimAt('attention', q.shape, -1)
  let scores = matmul(q, k, { transposeB: true, scale: options.scale ?? 1 / Math.sqrt(width) })
  if (options.bias !== undefined) scores = add(scores, options.bias)
  if (options.mask !== undefined) scores = add(scores, maskToBias(options.mask))
  return matmul(softmax(scores), v)
}

/** Keys and values of what came before: [batch, heads, time, width] each. */
export interface KeyValue {
  readonly key: Tensor
  readonly value: Tensor
}

export interface MultiHeadOptions extends AttentionOptions {
  readonly heads: number
  /** Heads of keys and values where several queries share them (Ainslie et al. 2023); as `heads` unless told. */
  readonly keyValueHeads?: number
  /** Width of a head; the model's width over the heads unless told. */
  readonly headWidth?: number
  /** What keys and values are made of, [batch, keys, ...]; the queries' own input unless told. */
  readonly context?: Tensor
  /** Keys and values that go in front of the new ones. */
  readonly past?: KeyValue
  /** Keys and values used as they are: the encoder's, computed once for all steps of a decoder. */
  readonly fixed?: KeyValue
  /** Changes queries and keys before they meet: rotary positions, normalisation of heads. */
  readonly rotate?: (x: Tensor, which: 'query' | 'key') => Tensor
  readonly bias?: Tensor
  readonly biases?: boolean
  /** Of the keys, where it differs from `biases` (BEiT has none: softmax does not see it). */
  readonly keyBias?: boolean
  readonly names?: AttentionNames
}

/** The projections' names in the checkpoint. */
export interface AttentionNames {
  readonly query: string
  readonly key: string
  readonly value: string
  readonly output: string
}

const NAMES: AttentionNames = { query: 'q_proj', key: 'k_proj', value: 'v_proj', output: 'out_proj' }

/** [batch, time, heads * width] -> [batch, heads, time, width]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch = 1, time = 1] = x.shape
  const width = staticDimAt('splitHeads', x.shape, -1) / heads
  if (!Number.isInteger(width))
    throw new ShapeError('splitHeads', [x.shape], `does not divide into ${heads} heads`)
  return transpose(reshape(x, [batch, time, heads, width]), [0, 2, 1, 3])
}

/** [batch, heads, time, width] -> [batch, time, heads * width]. */
export function joinHeads(x: Tensor): Tensor {
  const heads = staticDimAt('joinHeads', x.shape, 1)
  const width = staticDimAt('joinHeads', x.shape, 3)
  return reshape(transpose(x, [0, 2, 1, 3]), [
    dimAt('joinHeads', x.shape, 0),
    dimAt('joinHeads', x.shape, 2),
    heads * width,
  ])
}

/** Every head `times` times over, neighbours staying neighbours. */
function repeatHeads(x: Tensor, times: number): Tensor {
  if (times === 1) return x
  const [batch = 1, heads = 1, time = 1, width = 1] = x.shape
  const wide: Shape = [batch, heads, times, time, width]
  return reshape(expand(unsqueeze(x, 2), wide), [batch, Number(heads) * times, time, width])
}

/**
 * Multi-head attention with its projections.
 * @param x [batch, queries, width]. @returns the output, of x's shape, and the keys and values to keep as `past`.
 */
export function multiHeadAttention(
  p: Parameters,
  x: Tensor,
  options: MultiHeadOptions,
): { readonly output: Tensor; readonly present: KeyValue } {
  const width = staticDimAt('multiHeadAttention', x.shape, -1)
  const { heads, keyValueHeads = heads, headWidth = width / heads, names = NAMES } = options
  if (heads % keyValueHeads !== 0)
    throw new ShapeError('multiHeadAttention', [x.shape], `${heads} heads over ${keyValueHeads} key heads`)
  const bias = options.biases ?? true
  const rotate = options.rotate ?? ((t: Tensor) => t)
  const query = rotate(splitHeads(linear(p.at(names.query), x, heads * headWidth, { bias }), heads), 'query')
  const present = options.fixed ?? fresh()
  function fresh(): KeyValue {
    const context = options.context ?? x
    const project = (name: string, biased: boolean): Tensor =>
      splitHeads(linear(p.at(name), context, keyValueHeads * headWidth, { bias: biased }), keyValueHeads)
    const key = rotate(project(names.key, options.keyBias ?? bias), 'key')
    const value = project(names.value, bias)
    const { past } = options
    return past === undefined
      ? { key, value }
      : { key: concat([past.key, key], 2), value: concat([past.value, value], 2) }
  }
  const times = heads / keyValueHeads
  const seen = attention(query, repeatHeads(present.key, times), repeatHeads(present.value, times), options)
  return { output: linear(p.at(names.output), joinHeads(seen), width, { bias }), present }
}
