/**
 * The network: four seconds of log mel energies to a language. Convolutions over time, each followed by layer
 * normalisation and SiLU; mean and deviation over time; one linear layer (Snyder et al. 2018, x-vectors, made small).
 */
import {
  add,
  cast,
  concat,
  div,
  iota,
  less,
  mul,
  silu,
  sqrt,
  square,
  staticDimAt,
  sub,
  sum,
  type Tensor,
  unsqueeze,
} from '../../ml/graph/index.js'
import { convolutionChannelsLast, layerNorm, linear, type Parameters } from '../../ml/layers/index.js'

/** Frames of one look: 4 s. */
export const WINDOW_FRAMES = 400
/** In the order of the output. */
export const LANGUAGES = ['en', 'fr', 'es', 'it', 'ru', 'nl', 'cs'] as const
export type Language = (typeof LANGUAGES)[number]

interface Layer {
  readonly width: number
  readonly kernel: number
  readonly stride: number
}
const LAYERS: readonly Layer[] = [
  { width: 96, kernel: 5, stride: 2 },
  { width: 128, kernel: 5, stride: 2 },
  { width: 128, kernel: 3, stride: 1 },
  { width: 128, kernel: 5, stride: 2 },
  { width: 160, kernel: 3, stride: 1 },
]
const STRIDE = LAYERS.reduce((product, { stride }) => product * stride, 1)
const EPSILON = 1e-4

/** Output frames of a window's real frames, at least one. */
export const pooledFrames = (frames: number): number => Math.max(1, Math.floor(frames / STRIDE))

/**
 * @param features [batch, WINDOW_FRAMES, MELS], each less its mean, zeros beyond its end.
 * @param lengths int64 [batch]: {@link pooledFrames}. @returns scores [batch, languages], not normalised.
 */
export function languageLogits(
  p: Parameters,
  features: Tensor,
  lengths: Tensor,
  dropout: (x: Tensor) => Tensor = (x) => x,
): Tensor {
  let x = features
  for (const [i, { width, kernel, stride }] of LAYERS.entries()) {
    const layer = p.at(`layers.${i}`)
    const options = { stride, padding: (kernel - 1) / 2 }
    x = silu(layerNorm(layer.at('norm'), convolutionChannelsLast(layer, x, width, kernel, options)))
    if (i > 0) x = dropout(x)
  }
  const time = staticDimAt('languageLogits', x.shape, 1)
  const counted = unsqueeze(cast(less(unsqueeze(iota(x, time), 0), unsqueeze(lengths, 1)), 'float32'), 2)
  const frames = unsqueeze(cast(lengths, 'float32'), 1)
  const mean = div(sum(mul(x, counted), { axes: [1] }), frames)
  const centred = mul(sub(x, unsqueeze(mean, 1)), counted)
  const deviation = sqrt(add(div(sum(square(centred), { axes: [1] }), frames), EPSILON))
  return linear(p.at('languages'), dropout(concat([mean, deviation], 1)), LANGUAGES.length)
}
