/** Positions: rotary (RoPE), linear biases (ALiBi), sinusoids. */
import {
  abs,
  add,
  cast,
  concat,
  cos,
  gather,
  mul,
  neg,
  reshape,
  ShapeError,
  sin,
  slice,
  staticDimAt,
  sub,
  type Tensor,
  transpose,
  unsqueeze,
} from '../graph/index.js'

export interface RotaryTables {
  /** [..., time, width / 2]. */
  readonly cosine: Tensor
  readonly sine: Tensor
}

/** Pairs are (i, i + width/2), as Llama checkpoints have them, or neighbours (2i, 2i + 1), as the paper does. */
export type RotaryPairs = 'halves' | 'neighbours'

/** Angles position * base^(-2i/width) (Su et al. 2021, equation 15). @param positions int64 [..., time]. */
export function rotaryTables(positions: Tensor, width: number, base = 10_000): RotaryTables {
  const rates = Float32Array.from({ length: width / 2 }, (_, i) => base ** ((-2 * i) / width))
  const angles = mul(unsqueeze(cast(positions, 'float32'), -1), positions.graph.constant(rates, [width / 2]))
  return { cosine: cos(angles), sine: sin(angles) }
}

/** Rotates each pair by its angle. @param x [batch, heads, time, width]; tables broadcast to its first axes. */
export function rotary(x: Tensor, { cosine, sine }: RotaryTables, pairs: RotaryPairs = 'halves'): Tensor {
  const width = staticDimAt('rotary', x.shape, -1)
  if (width % 2 !== 0) throw new ShapeError('rotary', [x.shape], 'needs an even width')
  const half = width / 2
  if (pairs === 'halves') {
    const a = slice(x, -1, 0, half)
    const b = slice(x, -1, half, width)
    return concat([sub(mul(a, cosine), mul(b, sine)), add(mul(b, cosine), mul(a, sine))], -1)
  }
  const paired = reshape(x, [...x.shape.slice(0, -1), half, 2])
  const a = slice(paired, -1, 0, 1)
  const b = slice(paired, -1, 1, 2)
  const c = unsqueeze(cosine, -1)
  const s = unsqueeze(sine, -1)
  return reshape(concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], -1), x.shape)
}

/** The slopes of Press et al. 2022: 2^(-8i/n) for a power of two, and every second of the next for the rest. */
export function alibiSlopes(heads: number): Float32Array {
  const series = (n: number): number[] => Array.from({ length: n }, (_, i) => 2 ** ((-8 * (i + 1)) / n))
  const power = 2 ** Math.floor(Math.log2(heads))
  const rest = series(2 * power).filter((_, i) => i % 2 === 0)
  return Float32Array.from([...series(power), ...rest.slice(0, heads - power)])
}

/**
 * -slope |query - key| for each head.
 * @param slopes [heads]. @param queries, keys int64 [queries], [keys]. @returns [heads, queries, keys].
 */
export function alibiBias(slopes: Tensor, queries: Tensor, keys: Tensor): Tensor {
  const distance = abs(cast(sub(unsqueeze(queries, 1), unsqueeze(keys, 0)), 'float32'))
  return mul(neg(distance), reshape(slopes, [staticDimAt('alibi', slopes.shape, 0), 1, 1]))
}

/** sin and cos of position / 10000^(2i/width), halves side by side (Vaswani et al. 2017 as fairseq lays it out). */
export function sinusoids(positions: Tensor, width: number): Tensor {
  const half = width / 2
  const rates = Float32Array.from({ length: half }, (_, i) => Math.exp((-i * Math.log(10_000)) / (half - 1)))
  const angles = mul(unsqueeze(cast(positions, 'float32'), -1), positions.graph.constant(rates, [half]))
  return concat([sin(angles), cos(angles)], -1)
}

/** One bias a head from a table by relative position. @param table [count, heads]. @param index int64 [queries, keys]. */
export function relativeBias(table: Tensor, index: Tensor): Tensor {
  const rows = gather(table, index)
  return transpose(rows, [2, 0, 1])
}
