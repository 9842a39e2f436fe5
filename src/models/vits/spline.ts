/**
 * Monotonic rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032, section 3.1): an invertible map of
 * [-tail, tail] onto itself, the identity beyond.
 */
import {
  abs,
  add,
  cast,
  clip,
  cumulativeSum,
  div,
  gatherElements,
  lessEqual,
  log,
  maximum,
  mul,
  neg,
  pad,
  slice,
  softmax,
  softplus,
  split,
  sqrt,
  square,
  staticDimAt,
  sub,
  sum,
  type Tensor,
  where,
} from '../../ml/graph/index.js'

/** Least width, height and slope, so that the map stays invertible. */
const LEAST = 1e-3
/** softplus of this, plus the least slope, is 1: the slope at both ends meets the identity's. */
const END_SLOPE = Math.log(Math.exp(1 - LEAST) - 1)

export interface SplineOptions {
  readonly bins: number
  readonly tail: number
}

/** The bin that a value falls into; each tensor [..., 1]. */
interface Bin {
  readonly left: Tensor
  readonly width: Tensor
  readonly bottom: Tensor
  readonly height: Tensor
  /** height / width. */
  readonly slope: Tensor
  readonly leftSlope: Tensor
  readonly rightSlope: Tensor
}

/**
 * @param x [..., 1]. @param shape [..., 3 bins - 1]: unnormalised widths, heights, and slopes between the bins.
 * @returns f(x), and log |f'(x)|.
 */
export function spline(
  x: Tensor,
  shape: Tensor,
  options: SplineOptions,
): { readonly y: Tensor; readonly logSlope: Tensor } {
  const held = clip(x, -options.tail, options.tail)
  const bin = binOf(held, shape, options, 'left')
  const bend = bendOf(bin)
  const share = div(sub(held, bin.left), bin.width)
  const rest = sub(1, share)
  const both = mul(share, rest)
  const rise = mul(bin.height, add(mul(bin.slope, square(share)), mul(bin.leftSlope, both)))
  const divisor = add(bin.slope, mul(bend, both))
  const slope = mul(
    square(bin.slope),
    add(
      add(mul(bin.rightSlope, square(share)), mul(mul(bin.slope, 2), both)),
      mul(bin.leftSlope, square(rest)),
    ),
  )
  const inside = lessEqual(abs(x), options.tail)
  return {
    y: where(inside, add(bin.bottom, div(rise, divisor)), x),
    logSlope: where(inside, sub(log(slope), mul(log(divisor), 2)), 0),
  }
}

/** The inverse of {@link spline}: x where y = f(x), by the quadratic formula. */
export function inverseSpline(y: Tensor, shape: Tensor, options: SplineOptions): Tensor {
  const held = clip(y, -options.tail, options.tail)
  const bin = binOf(held, shape, options, 'bottom')
  const above = sub(held, bin.bottom)
  const bent = mul(above, bendOf(bin))
  const a = add(mul(bin.height, sub(bin.slope, bin.leftSlope)), bent)
  const b = sub(mul(bin.height, bin.leftSlope), bent)
  const c = neg(mul(bin.slope, above))
  const discriminant = maximum(sub(square(b), mul(mul(a, c), 4)), 0)
  const share = div(mul(c, 2), sub(neg(b), sqrt(discriminant)))
  return where(lessEqual(abs(y), options.tail), add(mul(share, bin.width), bin.left), y)
}

/** How far the slopes at both ends depart from the straight line's. */
const bendOf = (bin: Bin): Tensor => sub(add(bin.leftSlope, bin.rightSlope), mul(bin.slope, 2))

function binOf(value: Tensor, shape: Tensor, { bins, tail }: SplineOptions, by: 'left' | 'bottom'): Bin {
  const [rawWidths, rawHeights, rawSlopes] = split(shape, [bins, bins, bins - 1], -1)
  if (rawWidths === undefined || rawHeights === undefined || rawSlopes === undefined)
    throw new Error('a spline has three parts')
  const across = knots(rawWidths, bins, tail)
  const up = knots(rawHeights, bins, tail)
  const slopes = add(softplus(pad(rawSlopes, [{ axis: -1, before: 1, after: 1 }], END_SLOPE)), LEAST)
  const reached = cast(lessEqual(by === 'left' ? across : up, value), 'int64')
  // A value at the far end belongs to the last bin.
  const bin = clip(sub(sum(reached, { axes: [-1], keep: true }), 1), 0, bins - 1)
  const pick = (table: Tensor): Tensor => gatherElements(table, bin, -1)
  const starts = (table: Tensor): Tensor => slice(table, -1, 0, bins)
  const steps = (table: Tensor): Tensor => sub(slice(table, -1, 1, bins + 1), starts(table))
  const width = pick(steps(across))
  const height = pick(steps(up))
  return {
    left: pick(starts(across)),
    width,
    bottom: pick(starts(up)),
    height,
    slope: div(height, width),
    leftSlope: pick(starts(slopes)),
    rightSlope: pick(slice(slopes, -1, 1, bins + 1)),
  }
}

/** bins + 1 places from -tail to tail. */
function knots(raw: Tensor, bins: number, tail: number): Tensor {
  const shares = add(mul(softmax(raw), 1 - LEAST * bins), LEAST)
  const places = sub(mul(cumulativeSum(shares, -1), 2 * tail), tail)
  const inner = slice(places, -1, 0, staticDimAt('knots', raw.shape, -1) - 1)
  return pad(
    pad(inner, [{ axis: -1, before: 1, after: 0 }], -tail),
    [{ axis: -1, before: 0, after: 1 }],
    tail,
  )
}
