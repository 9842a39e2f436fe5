/** HiFi-GAN's generator (Kong et al. 2020, arXiv:2010.05646, section 2.2): from latent frames to samples. */
import { add, div, leakyRelu, type Tensor, tanh } from '../../ml/graph/index.js'
import { convolution, type Parameters, transposedConvolution } from '../../ml/layers/index.js'
import type { DecoderConfig, VitsConfig } from './config.js'

/** Kernel of the first and the last convolution. */
const OUTER_KERNEL = 7
const OUTER = { padding: (OUTER_KERNEL - 1) / 2 }
/** The last activation of the published class keeps PyTorch's default slope, whatever the configuration says. */
const LAST_SLOPE = 0.01

/**
 * @param frames [batch, latent width, frames], 0 at padding. @param speaker [batch, speaker width, 1].
 * @returns samples in [-1, 1], [batch, 1, frames * samples of a frame].
 */
export function decoder(
  p: Parameters,
  frames: Tensor,
  speaker: Tensor | undefined,
  { decoder: config }: VitsConfig,
): Tensor {
  const { width, stages, residuals, slope } = config
  let x = convolution(p.at('conv_pre'), frames, width, [OUTER_KERNEL], OUTER)
  if (speaker !== undefined) x = add(x, convolution(p.at('cond'), speaker, width, [1]))
  for (const [i, { rate, kernel }] of stages.entries())
    x = p.graph.scoped(`stage${i}`, () => {
      const out = Math.floor(width / 2 ** (i + 1))
      const raised = transposedConvolution(p.at('upsampler').at(i), leakyRelu(x, slope), out, [kernel], {
        stride: rate,
        padding: (kernel - rate) / 2,
      })
      const blocks = residuals.map((residual, j) =>
        residualBlock(p.at('resblocks').at(i * residuals.length + j), raised, out, residual, slope),
      )
      return div(blocks.reduce(add), blocks.length)
    })
  const last = convolution(p.at('conv_post'), leakyRelu(x, LAST_SLOPE), 1, [OUTER_KERNEL], {
    ...OUTER,
    bias: false,
  })
  return tanh(last)
}

function residualBlock(
  p: Parameters,
  x: Tensor,
  width: number,
  { kernel, dilations }: DecoderConfig['residuals'][number],
  slope: number,
): Tensor {
  const same = (name: 'convs1' | 'convs2', i: number, y: Tensor, dilation: number): Tensor =>
    convolution(p.at(name).at(i), leakyRelu(y, slope), width, [kernel], {
      dilation,
      padding: (dilation * (kernel - 1)) / 2,
    })
  return dilations.reduce((y, dilation, i) => add(y, same('convs2', i, same('convs1', i, y, dilation), 1)), x)
}

/**
 * Frames on either side that a sample of the output depends on, so that a long sound can be made in windows whose
 * seams cannot be told.
 */
export function decoderReach({ stages, residuals }: DecoderConfig): number {
  const outer = (OUTER_KERNEL - 1) / 2
  const block = Math.max(
    ...residuals.map(({ kernel, dilations }) =>
      dilations.reduce((sum, dilation) => sum + ((dilation + 1) * (kernel - 1)) / 2, 0),
    ),
  )
  // From the last layer back to the first, in units of that layer's input.
  let reach = outer
  for (const { rate, kernel } of [...stages].reverse())
    reach = Math.ceil((reach + block + kernel + rate) / rate)
  return reach + outer
}
