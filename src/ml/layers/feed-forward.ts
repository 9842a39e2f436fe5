/** What stands between attentions. */
import { gelu, mul, silu, staticDimAt, type Tensor } from '../graph/index.js'
import { linear } from './linear.js'
import type { Parameters } from './parameters.js'

export interface FeedForwardOptions {
  /** GELU unless told. */
  readonly activation?: (x: Tensor) => Tensor
  readonly names?: readonly [inner: string, output: string]
  readonly bias?: boolean
}

/** W2 f(W1 x). @param x [..., width]. @param inner width between the two. */
export function feedForward(
  p: Parameters,
  x: Tensor,
  inner: number,
  options: FeedForwardOptions = {},
): Tensor {
  const { activation = gelu, names = ['fc1', 'fc2'], bias = true } = options
  const width = staticDimAt('feedForward', x.shape, -1)
  return linear(p.at(names[1]), activation(linear(p.at(names[0]), x, inner, { bias })), width, { bias })
}

/** W_down (silu(W_gate x) * W_up x) (Shazeer 2020, SwiGLU), without biases, by Llama's names. */
export function swiGlu(p: Parameters, x: Tensor, inner: number): Tensor {
  const width = staticDimAt('swiGlu', x.shape, -1)
  const gate = silu(linear(p.at('gate_proj'), x, inner, { bias: false }))
  const up = linear(p.at('up_proj'), x, inner, { bias: false })
  return linear(p.at('down_proj'), mul(gate, up), width, { bias: false })
}
