/** Convolution layers; parameters in PyTorch's layout and names. */
import {
  add,
  affine,
  type ConvOptions,
  type ConvTransposeOptions,
  concat,
  conv,
  convTranspose,
  dimAt,
  div,
  gelu,
  mul,
  pad,
  reshape,
  ShapeError,
  slice,
  sqrt,
  square,
  staticDimAt,
  staticShape,
  subtractDims,
  sum,
  type Tensor,
  transpose,
} from '../graph/index.js'
import type { Initial, Parameters } from './parameters.js'

export interface ConvLayerOptions extends ConvOptions {
  readonly bias?: boolean
}

const uniform = (fanIn: number): Initial => ({ kind: 'uniform', bound: 1 / Math.sqrt(fanIn) })

/**
 * Convolution over one axis or two, by the length of `kernel`; parameters `weight` [out, in / groups, ...kernel] and
 * `bias` [out].
 * @param x [batch, in, ...space].
 */
export function convolution(
  p: Parameters,
  x: Tensor,
  out: number,
  kernel: readonly number[],
  options: ConvLayerOptions = {},
): Tensor {
  const per = staticDimAt('conv', x.shape, 1) / (options.groups ?? 1)
  const initial = uniform(kernel.reduce((product, size) => product * size, per))
  const weight = p.get('weight', [out, per, ...kernel], initial)
  return conv(x, weight, options.bias === false ? undefined : p.get('bias', [out], initial), options)
}

/** Transposed convolution; parameters `weight` [in, out / groups, ...kernel] and `bias` [out]. */
export function transposedConvolution(
  p: Parameters,
  x: Tensor,
  out: number,
  kernel: readonly number[],
  options: ConvTransposeOptions & { readonly bias?: boolean } = {},
): Tensor {
  const channels = staticDimAt('convTranspose', x.shape, 1)
  const per = out / (options.groups ?? 1)
  const initial = uniform(kernel.reduce((product, size) => product * size, per))
  const weight = p.get('weight', [channels, per, ...kernel], initial)
  return convTranspose(x, weight, options.bias === false ? undefined : p.get('bias', [out], initial), options)
}

/**
 * g v / ||v||, the norm over every axis but `dim` (Salimans and Kingma 2016; torch's weight_norm).
 * @param v the direction. @param g the length, of size 1 on every axis but `dim`.
 */
export function weightNorm(v: Tensor, g: Tensor, dim: number): Tensor {
  const axes = v.shape.map((_, i) => i).filter((i) => i !== dim)
  if (g.shape.some((size, i) => size !== (i === dim ? v.shape[i] : 1)) || g.rank !== v.rank)
    throw new ShapeError('weightNorm', [v.shape, g.shape], `the length does not fit axis ${dim}`)
  return mul(v, div(g, sqrt(sum(square(v), { axes, keep: true }))))
}

/** A weight kept as `weight_g` and `weight_v`, normed over every axis but `dim`. */
export function weightNormed(
  p: Parameters,
  shape: readonly number[],
  dim: number,
  initial: Initial = uniform(shape.slice(1).reduce((product, size) => product * size, 1)),
): Tensor {
  const v = p.get('weight_v', shape, initial)
  const g = p.get(
    'weight_g',
    shape.map((size, i) => (i === dim ? size : 1)),
    { kind: 'ones' },
  )
  return weightNorm(v, g, dim)
}

/**
 * The convolutional relative position of wav2vec 2.0 (Baevski et al. 2020, section 2): a wide grouped convolution,
 * weight-normed along its kernel; an even kernel makes one frame too many, which goes.
 * @param x [batch, channels, time]. @returns the same shape, after GELU.
 */
export function positionalConvolution(p: Parameters, x: Tensor, kernel: number, groups: number): Tensor {
  const channels = staticDimAt('positionalConvolution', x.shape, 1)
  const weight = weightNormed(p, [channels, channels / groups, kernel], 2)
  const bias = p.get('bias', [channels])
  const y = conv(x, weight, bias, { padding: Math.floor(kernel / 2), groups })
  const time = dimAt('positionalConvolution', y.shape, 2)
  return gelu(kernel % 2 === 0 ? slice(y, 2, 0, subtractDims(time, 1)) : y)
}

/**
 * A convolution over time on channels-last data, as one matrix product over unfolded frames: forward and backward
 * together cost about half of {@link convolution}'s. Static shapes; no groups, no dilation. Parameters as there.
 * @param x [batch, time, in]. @returns [batch, floor((time + padding - kernel) / stride) + 1, out].
 */
export function convolutionChannelsLast(
  p: Parameters,
  x: Tensor,
  out: number,
  kernel: number,
  options: { readonly stride?: number; readonly padding?: number; readonly bias?: boolean } = {},
): Tensor {
  const { stride = 1, padding = 0 } = options
  const [batch = 1, time = 1, channels = 1] = staticShape('convolutionChannelsLast', x.shape)
  const initial = uniform(channels * kernel)
  const weight = p.get('weight', [out, channels, kernel], initial)
  const bias = options.bias === false ? undefined : p.get('bias', [out], initial)
  const frames = Math.floor((time + 2 * padding - kernel) / stride) + 1
  if (frames < 1)
    throw new ShapeError('convolutionChannelsLast', [x.shape], `is shorter than the kernel of ${kernel}`)
  // Rows of `stride` samples; a frame is as many whole rows as cover the kernel, its surplus cut off.
  const rowsPerFrame = Math.ceil(kernel / stride)
  const rows = frames - 1 + rowsPerFrame
  const padded = pad(x, [{ axis: 1, before: padding, after: rows * stride - time - padding }])
  const folded = reshape(padded, [batch, rows, stride * channels])
  const shifted = Array.from({ length: rowsPerFrame }, (_, i) => slice(folded, 1, i, i + frames))
  const unfolded = slice(concat(shifted, 2), 2, 0, kernel * channels)
  const flat = reshape(transpose(weight, [0, 2, 1]), [out, kernel * channels])
  return affine(unfolded, flat, bias)
}

/**
 * A depthwise convolution over time on channels-last data that keeps the length (odd kernels).
 * Parameters `weight` [channels, 1, kernel] and `bias` [channels].
 * @param x [batch, time, channels].
 */
export function depthwiseChannelsLast(p: Parameters, x: Tensor, kernel: number): Tensor {
  const channels = staticDimAt('depthwise', x.shape, 2)
  const options = { padding: (kernel - 1) / 2, groups: channels }
  return transpose(convolution(p, transpose(x, [0, 2, 1]), channels, [kernel], options), [0, 2, 1])
}

/** x + f(x). */
export const residual = (x: Tensor, f: (x: Tensor) => Tensor): Tensor => add(x, f(x))
