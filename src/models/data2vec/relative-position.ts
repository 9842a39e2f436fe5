/**
 * A bias on attention by where one patch lies from another (Bao et al. 2021, section 2; Liu et al. 2021, section 3.2):
 * a number a head for each difference of rows and columns, and three more for pairs with the class token.
 */
import type { Tensor } from '../../ml/graph/index.js'
import { type Parameters, relativeBias } from '../../ml/layers/index.js'

/** Differences of rows and columns, then class token to patch, patch to class token, class token to itself. */
export const relativePositionRows = (rows: number, columns: number): number =>
  (2 * rows - 1) * (2 * columns - 1) + 3

/** The table's row for each pair of query and key, [1 + patches, 1 + patches] in C order; the class token is first. */
export function relativePositionIndex(rows: number, columns: number): readonly number[] {
  const tokens = rows * columns + 1
  const special = relativePositionRows(rows, columns) - 3
  return Array.from({ length: tokens * tokens }, (_, pair) => {
    const query = Math.floor(pair / tokens) - 1
    const key = (pair % tokens) - 1
    if (query < 0) return key < 0 ? special + 2 : special
    if (key < 0) return special + 1
    const down = Math.floor(query / columns) - Math.floor(key / columns) + rows - 1
    const across = (query % columns) - (key % columns) + columns - 1
    return down * (2 * columns - 1) + across
  })
}

/** @returns [heads, 1 + patches, 1 + patches]. */
export function relativePositionBias(
  p: Parameters,
  heads: number,
  [rows, columns]: readonly [number, number],
): Tensor {
  const tokens = rows * columns + 1
  const table = p.get('relative_position_bias_table', [relativePositionRows(rows, columns), heads])
  const index = BigInt64Array.from(relativePositionIndex(rows, columns), BigInt)
  return relativeBias(table, p.graph.constant(index, [tokens, tokens]))
}
