/** Who may attend to whom, as bool tensors (true: may) that broadcast to [batch, heads, queries, keys]. */
import {
  add,
  and,
  type Dim,
  iota,
  less,
  lessEqual,
  reshape,
  sub,
  type Tensor,
  unsqueeze,
  where,
} from '../graph/index.js'

/** Far below any score, and finite, so that a row in which nothing may be seen stays a number. */
const NEVER = -1e30

/** 0 where the mask holds, far below every score elsewhere. Make it once and share it between layers. */
export const maskToBias = (mask: Tensor): Tensor => where(mask, mask.graph.scalar(0), NEVER)

/** Keys up to the query's own position. @returns [queries, keys]; keys before the first query are the past. */
export function causalMask(
  like: Tensor,
  queries: Dim,
  keys: Dim = queries,
  past: Tensor | number = 0,
): Tensor {
  const from = unsqueeze(add(iota(like, queries), past), 1)
  return lessEqual(unsqueeze(iota(like, keys), 0), from)
}

/** Keys within a row's own length. @param lengths int64 [batch]. @returns [batch, 1, 1, keys]. */
export function lengthMask(lengths: Tensor, keys: Dim): Tensor {
  const within = less(iota(lengths, keys), unsqueeze(lengths, 1))
  return reshape(within, [lengths.shape[0] ?? 1, 1, 1, keys])
}

/** Keys less than `window` positions away on either side. @returns [size, size]. */
export function bandMask(like: Tensor, size: Dim, window: number): Tensor {
  const place = iota(like, size)
  const distance = sub(unsqueeze(place, 1), unsqueeze(place, 0))
  return and(less(distance, window), less(sub(unsqueeze(place, 0), unsqueeze(place, 1)), window))
}
