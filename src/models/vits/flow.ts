/**
 * Between the latents that the decoder hears and those that the text predicts: affine coupling layers (Dinh et al.
 * 2017) that shift only, so that volume is kept; and the posterior, which makes latents of a recording.
 */
import { add, concat, exp, gather, mul, split, staticDimAt, sub, type Tensor } from '../../ml/graph/index.js'
import { convolution, type Parameters } from '../../ml/layers/index.js'
import type { VitsConfig } from './config.js'
import { waveNet } from './wavenet.js'

/**
 * @param latents [batch, latent width, frames]. @param mask [batch, 1, frames].
 * @param direction `forward` as in training, from a recording's latents; `reverse` from the text's.
 */
export function couplingFlow(
  p: Parameters,
  latents: Tensor,
  mask: Tensor,
  speaker: Tensor | undefined,
  config: VitsConfig,
  direction: 'forward' | 'reverse',
): Tensor {
  let x = latents
  for (let step = 0; step < config.flows; step++) {
    const i = direction === 'forward' ? step : config.flows - 1 - step
    const flow = p.at('flows').at(i)
    x = p.graph.scoped(`flow${i}`, () =>
      direction === 'forward'
        ? reverseChannels(couple(flow, x, mask, speaker, config, add))
        : couple(flow, reverseChannels(x), mask, speaker, config, sub),
    )
  }
  return x
}

/** One half moves by what the other half says. */
function couple(
  p: Parameters,
  x: Tensor,
  mask: Tensor,
  speaker: Tensor | undefined,
  { width, latentWidth, flowNet }: VitsConfig,
  move: (x: Tensor, by: Tensor) => Tensor,
): Tensor {
  const half = latentWidth / 2
  const [given, moved] = split(x, [half, half], 1)
  if (given === undefined || moved === undefined) throw new Error('no halves')
  const lifted = mul(convolution(p.at('conv_pre'), given, width, [1]), mask)
  const heard = waveNet(p.at('wavenet'), lifted, mask, speaker, flowNet)
  const by = mul(convolution(p.at('conv_post'), heard, half, [1]), mask)
  return concat([given, move(mul(moved, mask), by)], 1)
}

function reverseChannels(x: Tensor): Tensor {
  const channels = staticDimAt('reverseChannels', x.shape, 1)
  const order = Array.from({ length: channels }, (_, i) => channels - 1 - i)
  return gather(x, x.graph.indices(order), 1)
}

export interface Posterior {
  /** Each [batch, latent width, frames]. */
  readonly latents: Tensor
  readonly means: Tensor
  readonly logDeviations: Tensor
}

/** @param spectrogram linear, [batch, bins, frames]. @param noise standard normal, [batch, latent width, frames]. */
export function posterior(
  p: Parameters,
  spectrogram: Tensor,
  mask: Tensor,
  noise: Tensor,
  speaker: Tensor | undefined,
  { width, latentWidth, posteriorNet }: VitsConfig,
): Posterior {
  const lifted = mul(convolution(p.at('conv_pre'), spectrogram, width, [1]), mask)
  const heard = waveNet(p.at('wavenet'), lifted, mask, speaker, posteriorNet)
  const statistics = mul(convolution(p.at('conv_proj'), heard, 2 * latentWidth, [1]), mask)
  const [means, logDeviations] = split(statistics, [latentWidth, latentWidth], 1)
  if (means === undefined || logDeviations === undefined) throw new Error('no halves')
  return { latents: mul(add(means, mul(noise, exp(logDeviations))), mask), means, logDeviations }
}
