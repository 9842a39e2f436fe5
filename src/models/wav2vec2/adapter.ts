/** Adapters: a small bottleneck after each block for a language (MMS), and convolutions that shorten the output. */
import { glu, relu, type Tensor, transpose } from '../../ml/graph/index.js'
import { convolution, layerNorm, linear, type Parameters } from '../../ml/layers/index.js'
import { ADAPTER_PADDING, type LengthAdapterConfig } from './config.js'

/**
 * W2 relu(W1 norm(x)), to be added to x (Pratap et al. 2023, section 4; Houlsby et al. 2019).
 * @param x [batch, frames, width]. @param inner the bottleneck's width.
 */
export function languageAdapter(p: Parameters, x: Tensor, inner: number): Tensor {
  const width = Number(x.shape.at(-1))
  return linear(p.at('linear_2'), relu(linear(p.at('linear_1'), layerNorm(p.at('norm'), x), inner)), width)
}

/**
 * Convolutions of stride 2, each with a gate, between a speech encoder and a text decoder (Li et al. 2021). Where its
 * width is not the encoder's, a projection and a norm go first.
 * @param x [batch, frames, width]. @returns [batch, fewer frames, adapter's width].
 */
export function lengthAdapter(p: Parameters, x: Tensor, config: LengthAdapterConfig): Tensor {
  const { width, kernel, stride } = config
  const projects = x.shape.at(-1) !== width
  const entered = projects ? layerNorm(p.at('proj_layer_norm'), linear(p.at('proj'), x, width)) : x
  const options = { stride, padding: ADAPTER_PADDING }
  let y = transpose(entered, [0, 2, 1])
  for (let i = 0; i < config.layers; i++)
    y = glu(convolution(p.at('layers').at(i).at('conv'), y, 2 * width, [kernel], options), 1)
  return transpose(y, [0, 2, 1])
}
