/** Gated dilated convolutions with skip connections (van den Oord et al. 2016), as in WaveGlow (Prenger et al. 2019). */
import {
  add,
  conv,
  mul,
  sigmoid,
  slice,
  split,
  staticDimAt,
  type Tensor,
  tanh,
} from '../../ml/graph/index.js'
import { type Parameters, weightNormed } from '../../ml/layers/index.js'
import type { WaveNetConfig } from './config.js'

/**
 * @param x [batch, width, time]. @param mask [batch, 1, time]. @param speaker [batch, speaker width, 1].
 * @returns x's shape, 0 at padding.
 */
export function waveNet(
  p: Parameters,
  x: Tensor,
  mask: Tensor,
  speaker: Tensor | undefined,
  { layers, kernel, dilationRate }: WaveNetConfig,
): Tensor {
  const width = staticDimAt('waveNet', x.shape, 1)
  const told =
    speaker === undefined ? undefined : normed(p.at('cond_layer'), speaker, 2 * width * layers, 1, 1)
  let heard = x
  let skipped: Tensor | undefined
  for (let i = 0; i < layers; i++) {
    let both = normed(p.at('in_layers').at(i), heard, 2 * width, kernel, dilationRate ** i)
    if (told !== undefined) both = add(both, slice(told, 1, 2 * width * i, 2 * width * (i + 1)))
    const [signal, gate] = split(both, [width, width], 1)
    if (signal === undefined || gate === undefined) throw new Error('no halves')
    const isLast = i === layers - 1
    const gated = mul(tanh(signal), sigmoid(gate))
    const mixed = normed(p.at('res_skip_layers').at(i), gated, isLast ? width : 2 * width, 1, 1)
    const skip = isLast ? mixed : slice(mixed, 1, width, 2 * width)
    skipped = skipped === undefined ? skip : add(skipped, skip)
    if (!isLast) heard = mul(add(heard, slice(mixed, 1, 0, width)), mask)
  }
  if (skipped === undefined) throw new RangeError('a WaveNet has a layer')
  return mul(skipped, mask)
}

/** A weight-normed convolution that keeps the length. */
function normed(p: Parameters, x: Tensor, out: number, kernel: number, dilation: number): Tensor {
  const weight = weightNormed(p, [out, staticDimAt('waveNet', x.shape, 1), kernel], 0)
  return conv(x, weight, p.get('bias', [out]), { dilation, padding: (dilation * (kernel - 1)) / 2 })
}
