/** Convolutional positions: what a frame hears around it tells it where it is. */
import {
  add,
  conv,
  dimAt,
  div,
  mul,
  reshape,
  slice,
  sqrt,
  sub,
  subtractDims,
  type Tensor,
  transpose,
} from '../../ml/graph/index.js'
import { convolution, type Parameters, plainLayerNorm, weightNormed } from '../../ml/layers/index.js'
import type { Activation } from '../checkpoint/activation.js'
import type { PositionsConfig } from './config.js'

/** PyTorch's default for batch norm. */
const BATCH_EPSILON = 1e-5

/** @param x [batch, frames, width]. @returns what is added to x. */
export function positions(p: Parameters, x: Tensor, config: PositionsConfig, activation: Activation): Tensor {
  const turned = transpose(x, [0, 2, 1])
  const y = config.kind === 'one' ? one(p, turned, config, activation) : stack(p, turned, config, activation)
  return transpose(y, [0, 2, 1])
}

/** An even kernel, padded on both sides, makes one frame too many. */
function trimmed(x: Tensor, kernel: number): Tensor {
  const frames = dimAt('positions', x.shape, 2)
  return kernel % 2 === 0 ? slice(x, 2, 0, subtractDims(frames, 1)) : x
}

/** wav2vec 2.0: a grouped convolution, weight-normed along its kernel. @param x [batch, width, frames]. */
function one(
  p: Parameters,
  x: Tensor,
  { kernel, groups, norm }: Extract<PositionsConfig, { kind: 'one' }>,
  activation: Activation,
): Tensor {
  const width = Number(x.shape[1])
  const options = { padding: Math.floor(kernel / 2), groups }
  if (norm === 'batch') {
    const y = convolution(p.at('conv'), batchNorm(p.at('batch_norm'), x), width, [kernel], options)
    return activation(trimmed(y, kernel))
  }
  const weight = weightNormed(p.at('conv'), [width, width / groups, kernel], 2)
  const y = conv(x, weight, p.at('conv').get('bias', [width]), options)
  return activation(trimmed(y, kernel))
}

/** data2vec: narrow convolutions one after another, each with a norm that has no parameters. */
function stack(
  p: Parameters,
  x: Tensor,
  { layers, kernel, groups }: Extract<PositionsConfig, { kind: 'stack' }>,
  activation: Activation,
): Tensor {
  const width = Number(x.shape[1])
  let y = x
  for (let i = 0; i < layers; i++) {
    const options = { padding: Math.floor(kernel / 2), groups }
    const convolved = convolution(p.at('layers').at(i).at('conv'), y, width, [kernel], options)
    const normed = plainLayerNorm(transpose(trimmed(convolved, kernel), [0, 2, 1]))
    y = activation(transpose(normed, [0, 2, 1]))
  }
  return y
}

/** Batch norm with its running statistics. */
function batchNorm(p: Parameters, x: Tensor): Tensor {
  const width = Number(x.shape[1])
  const of = (name: string, initial: 'zeros' | 'ones'): Tensor =>
    reshape(p.get(name, [width], { kind: initial }), [width, 1])
  const scale = div(of('weight', 'ones'), sqrt(add(of('running_var', 'ones'), BATCH_EPSILON)))
  return add(mul(sub(x, of('running_mean', 'zeros')), scale), of('bias', 'zeros'))
}
