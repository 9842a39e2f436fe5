/**
 * Self-attention that knows how far apart two tokens are, up to a window (Shaw et al. 2018, arXiv:1803.02155): a vector
 * for each distance is added to the keys and another to the values, shared by all heads.
 */
import {
  add,
  cast,
  clip,
  type Dim,
  dimAt,
  expand,
  gatherElements,
  iota,
  matmul,
  pad,
  reshape,
  softmax,
  staticDimAt,
  sub,
  type Tensor,
  unsqueeze,
} from '../../ml/graph/index.js'
import { joinHeads, linear, type Parameters, splitHeads } from '../../ml/layers/index.js'
import type { TextEncoderConfig } from './config.js'

/** Where a distance's score or weight stands; made once, used by every block. */
export interface RelativePlaces {
  readonly window: number
  /** int64 [batch, heads, queries, keys]: column of a query's scores by distance, beyond the window a zero's. */
  readonly keyColumns: Tensor
  /** int64 [batch, heads, queries, 2 window + 1]: column of a query's weights, padded by the window, by distance. */
  readonly weightColumns: Tensor
}

/** @param ids [batch, tokens]: what the sizes are read from. */
export function relativePlaces(ids: Tensor, heads: number, window: number): RelativePlaces {
  const batch = dimAt('relativePlaces', ids.shape, 0)
  const tokens = dimAt('relativePlaces', ids.shape, 1)
  const place = iota(ids, tokens)
  const distance = sub(unsqueeze(place, 0), unsqueeze(place, 1))
  const column = add(clip(distance, -window - 1, window + 1), window + 1)
  const reach = iota(ids, 2 * window + 1)
  const spread = (columns: Tensor, width: Dim): Tensor =>
    expand(reshape(columns, [1, 1, tokens, width]), [batch, heads, tokens, width])
  return {
    window,
    keyColumns: spread(column, tokens),
    weightColumns: spread(add(unsqueeze(place, 1), unsqueeze(reach, 0)), 2 * window + 1),
  }
}

/**
 * @param x [batch, tokens, width]. @param bias [batch, 1, 1, tokens]: far below every score where a key is padding.
 * @param places undefined for attention without positions. @returns x's shape.
 */
export function relativeAttention(
  p: Parameters,
  x: Tensor,
  bias: Tensor,
  places: RelativePlaces | undefined,
  { heads, attentionBias }: Pick<TextEncoderConfig, 'heads' | 'attentionBias'>,
): Tensor {
  const width = staticDimAt('relativeAttention', x.shape, -1)
  const headWidth = width / heads
  const project = (name: string): Tensor =>
    splitHeads(linear(p.at(name), x, width, { bias: attentionBias }), heads)
  const query = project('q_proj')
  const scale = 1 / Math.sqrt(headWidth)
  let scores = matmul(query, project('k_proj'), { transposeB: true, scale })
  const tableOf = (name: string, window: number): Tensor =>
    reshape(p.get(name, [1, 2 * window + 1, headWidth]), [2 * window + 1, headWidth])
  if (places !== undefined) {
    const { window, keyColumns } = places
    const byDistance = matmul(query, tableOf('emb_rel_k', window), { transposeB: true, scale })
    // Zeros at either end stand for all distances beyond the window.
    const padded = pad(byDistance, [{ axis: -1, before: 1, after: 1 }])
    scores = add(scores, gatherElements(padded, keyColumns, -1))
  }
  const weights = softmax(add(scores, cast(bias, scores.dtype)))
  let seen = matmul(weights, project('v_proj'))
  if (places !== undefined) {
    const { window, weightColumns } = places
    const padded = pad(weights, [{ axis: -1, before: window, after: window }])
    seen = add(seen, matmul(gatherElements(padded, weightColumns, -1), tableOf('emb_rel_v', window)))
  }
  return linear(p.at('out_proj'), joinHeads(seen), width, { bias: attentionBias })
}
