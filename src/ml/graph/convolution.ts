/** Convolution and transposed convolution over one or two axes of [batch, channels, ...space]. */
import { addDims, type Dim, floorDivideDim, multiplyDims } from './dims.js'
import { dimAt, ShapeError, staticDimAt } from './shape.js'
import { type Attributes, int, ints, type Tensor } from './tensor.js'

/** A number for all axes, or one for each. */
export type PerAxis = number | readonly number[]

export interface ConvOptions {
  readonly stride?: PerAxis
  readonly dilation?: PerAxis
  /** Zeros on both sides, or `[before, after]` an axis. */
  readonly padding?: number | readonly (readonly [before: number, after: number])[]
  /** Channels fall into groups that see only themselves; as many groups as channels is a depthwise convolution. */
  readonly groups?: number
}

export interface ConvTransposeOptions extends ConvOptions {
  /** Added on the far side of the result, where the stride leaves its size open. */
  readonly outputPadding?: PerAxis
}

/** The options, one number an axis. */
export interface Geometry {
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly before: readonly number[]
  readonly after: readonly number[]
  readonly groups: number
}

const spread = (value: PerAxis, axes: number): readonly number[] =>
  typeof value === 'number' ? Array.from({ length: axes }, () => value) : value

export function geometryOf(operation: string, weight: Tensor, options: ConvOptions): Geometry {
  const axes = weight.rank - 2
  const { stride = 1, dilation = 1, padding = 0, groups = 1 } = options
  const sides =
    typeof padding === 'number' ? Array.from({ length: axes }, () => [padding, padding] as const) : padding
  const geometry = {
    kernel: Array.from({ length: axes }, (_, i) => staticDimAt(operation, weight.shape, i + 2)),
    stride: spread(stride, axes),
    dilation: spread(dilation, axes),
    before: sides.map(([before]) => before),
    after: sides.map(([, after]) => after),
    groups,
  }
  if (
    axes < 1 ||
    geometry.stride.length !== axes ||
    geometry.dilation.length !== axes ||
    sides.length !== axes
  )
    throw new ShapeError(operation, [weight.shape], `options do not fit ${axes} axes of space`)
  return geometry
}

function attributesOf(geometry: Geometry): Attributes {
  return {
    kernel_shape: ints(geometry.kernel),
    strides: ints(geometry.stride),
    dilations: ints(geometry.dilation),
    pads: ints([...geometry.before, ...geometry.after]),
    group: int(geometry.groups),
  }
}

/**
 * Cross-correlation, as PyTorch's conv1d/conv2d.
 * @param x [batch, in, ...space]. @param weight [out, in / groups, ...kernel]. @param bias [out].
 * @returns [batch, out, ...floor((space + padding - dilation (kernel - 1) - 1) / stride) + 1].
 * @throws ShapeError where channels, groups or the kernel do not fit.
 */
export function conv(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
  if (x.rank !== weight.rank) throw new ShapeError('conv', [x.shape, weight.shape], 'as many axes on both')
  const geometry = geometryOf('conv', weight, options)
  const { groups } = geometry
  const out = staticDimAt('conv', weight.shape, 0)
  const channels = staticDimAt('conv', x.shape, 1)
  if (staticDimAt('conv', weight.shape, 1) * groups !== channels || out % groups !== 0)
    throw new ShapeError('conv', [x.shape, weight.shape], `channels do not fit ${groups} groups`)
  checkBias('conv', weight, bias, out)
  const space = geometry.kernel.map((kernel, i): Dim => {
    const reach = (geometry.dilation[i] ?? 1) * (kernel - 1) + 1
    const padded = addDims(
      dimAt('conv', x.shape, i + 2),
      (geometry.before[i] ?? 0) + (geometry.after[i] ?? 0),
    )
    if (typeof padded === 'number' && padded < reach)
      throw new ShapeError('conv', [x.shape, weight.shape], `a kernel that reaches ${reach} over ${padded}`)
    return addDims(floorDivideDim(addDims(padded, -reach), geometry.stride[i] ?? 1), 1)
  })
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias]
  const shape = [dimAt('conv', x.shape, 0), out, ...space]
  return x.graph.emitOne('Conv', inputs, { dtype: x.dtype, shape }, attributesOf(geometry))
}

/**
 * Transposed convolution, as PyTorch's conv_transpose1d/2d.
 * @param x [batch, in, ...space]. @param weight [in, out / groups, ...kernel]. @param bias [out].
 * @returns [batch, out, ...(space - 1) stride - padding + dilation (kernel - 1) + 1 + outputPadding].
 * @throws ShapeError where channels, groups or padding do not fit.
 */
export function convTranspose(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvTransposeOptions = {},
): Tensor {
  if (x.rank !== weight.rank)
    throw new ShapeError('convTranspose', [x.shape, weight.shape], 'as many axes on both')
  const geometry = geometryOf('convTranspose', weight, options)
  const { groups } = geometry
  const extra = spread(options.outputPadding ?? 0, weight.rank - 2)
  const channels = staticDimAt('convTranspose', x.shape, 1)
  const out = staticDimAt('convTranspose', weight.shape, 1) * groups
  if (staticDimAt('convTranspose', weight.shape, 0) !== channels || channels % groups !== 0)
    throw new ShapeError('convTranspose', [x.shape, weight.shape], `channels do not fit ${groups} groups`)
  checkBias('convTranspose', weight, bias, out)
  const space = geometry.kernel.map((kernel, i): Dim => {
    const spaced = multiplyDims(addDims(dimAt('convTranspose', x.shape, i + 2), -1), geometry.stride[i] ?? 1)
    const reach = (geometry.dilation[i] ?? 1) * (kernel - 1) + 1
    const trimmed = reach + (extra[i] ?? 0) - (geometry.before[i] ?? 0) - (geometry.after[i] ?? 0)
    const size = addDims(spaced, trimmed)
    if (typeof size === 'number' && size < 1)
      throw new ShapeError('convTranspose', [x.shape, weight.shape], 'padding takes everything')
    return size
  })
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias]
  const shape = [dimAt('convTranspose', x.shape, 0), out, ...space]
  return x.graph.emitOne(
    'ConvTranspose',
    inputs,
    { dtype: x.dtype, shape },
    { ...attributesOf(geometry), output_padding: ints(extra) },
  )
}

function checkBias(operation: string, weight: Tensor, bias: Tensor | undefined, out: number): void {
  if (bias !== undefined && (bias.rank !== 1 || bias.shape[0] !== out))
    throw new ShapeError(operation, [weight.shape, bias.shape], `the bias is not [${out}]`)
}
