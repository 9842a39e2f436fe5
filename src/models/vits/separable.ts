/** Dilated depthwise-separable convolutions with residuals: the network inside the stochastic duration predictor. */
import { add, gelu, mul, type Tensor, transpose } from '../../ml/graph/index.js'
import { convolution, layerNorm, type Parameters } from '../../ml/layers/index.js'

export interface SeparableOptions {
  readonly width: number
  readonly kernel: number
  /** Layer i is dilated by kernel to the power i. */
  readonly layers: number
}

/**
 * @param x [batch, width, time]. @param mask [batch, 1, time]. @param condition added to x, of its shape.
 * @returns x's shape, 0 at padding.
 */
export function separable(
  p: Parameters,
  x: Tensor,
  mask: Tensor,
  { width, kernel, layers }: SeparableOptions,
  condition?: Tensor,
): Tensor {
  let y = condition === undefined ? x : add(x, condition)
  for (let i = 0; i < layers; i++) {
    const dilation = kernel ** i
    const wide = convolution(p.at('convs_dilated').at(i), mul(y, mask), width, [kernel], {
      groups: width,
      dilation,
      padding: (dilation * (kernel - 1)) / 2,
    })
    const across = convolution(
      p.at('convs_pointwise').at(i),
      gelu(channelNorm(p.at('norms_1').at(i), wide)),
      width,
      [1],
    )
    y = add(y, gelu(channelNorm(p.at('norms_2').at(i), across)))
  }
  return mul(y, mask)
}

/** Layer normalisation over the channels of each moment. @param x [batch, channels, time]. */
export function channelNorm(p: Parameters, x: Tensor, epsilon?: number): Tensor {
  return transpose(layerNorm(p, transpose(x, [0, 2, 1]), epsilon), [0, 2, 1])
}
