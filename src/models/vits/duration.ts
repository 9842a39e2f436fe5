/** How long each token lasts (section 2.2.2 of VITS): the logarithm of a number of frames. */
import {
  add,
  concat,
  exp,
  log,
  maximum,
  mul,
  neg,
  relu,
  sigmoid,
  softplus,
  split,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
} from '../../ml/graph/index.js'
import { convolution, type Parameters } from '../../ml/layers/index.js'
import type { DurationConfig } from './config.js'
import { channelNorm, separable } from './separable.js'
import { inverseSpline, spline } from './spline.js'

type Stochastic = Extract<DurationConfig, { kind: 'stochastic' }>
type Plain = Extract<DurationConfig, { kind: 'plain' }>

/** What a duration depends on. */
export interface SpokenText {
  /** [batch, width, tokens]. */
  readonly hidden: Tensor
  /** [batch, 1, tokens]. */
  readonly mask: Tensor
  /** [batch, speaker width, 1]. */
  readonly speaker: Tensor | undefined
  readonly width: number
}

/** Log durations [batch, 1, tokens] by two convolutions. */
export function plainDurations(p: Parameters, text: SpokenText, config: Plain): Tensor {
  const { width, kernel, normEpsilon } = config
  const { mask } = text
  let x = withSpeaker(p, text.hidden, text)
  for (const i of [1, 2]) {
    const convolved = convolution(p.at(`conv_${i}`), mul(x, mask), width, [kernel], {
      padding: (kernel - 1) / 2,
    })
    x = channelNorm(p.at(`norm_${i}`), relu(convolved), normEpsilon)
  }
  return mul(convolution(p.at('proj'), mul(x, mask), 1, [1]), mask)
}

/**
 * Log durations [batch, 1, tokens] drawn by running the flows backwards.
 * @param noise [batch, 2, tokens], already scaled.
 */
export function drawDurations(p: Parameters, text: SpokenText, noise: Tensor, config: Stochastic): Tensor {
  const condition = conditionOf(p, text, config)
  let [first, second] = halves(noise)
  // Backwards, without the first spline, which the published class leaves out when it draws.
  for (let i = config.flows; i >= 2; i--) {
    const shape = splineShape(p.at('flows').at(i), second, condition, text, config)
    const straight = row(inverseSpline(column(first), shape, config))
    ;[first, second] = [mul(second, text.mask), mul(straight, text.mask)]
  }
  const [scale, shift] = affineOf(p.at('flows').at(0))
  const latents = mul(mul(sub(concat([second, first], 1), shift), exp(neg(scale))), text.mask)
  return halves(latents)[0]
}

/**
 * The variational bound on the negative log likelihood of durations, [batch] (equation 7 of VITS).
 * @param durations frames, [batch, 1, tokens]. @param noise standard normal, [batch, 2, tokens].
 */
export function durationBound(
  p: Parameters,
  text: SpokenText,
  durations: Tensor,
  noise: Tensor,
  config: Stochastic,
): Tensor {
  const { mask, width } = text
  const over = { axes: [1, 2] }
  const condition = conditionOf(p, text, config)
  const lifted = convolution(p.at('post_conv_pre'), durations, width, [1])
  const heard = separable(p.at('post_conv_dds'), lifted, mask, { ...config, width })
  const about = mul(convolution(p.at('post_conv_proj'), heard, width, [1]), mask)
  const drawn = mul(noise, mask)
  const posterior = runFlows(p.at('post_flows'), drawn, add(condition, about), text, config)
  const [u, v] = halves(posterior.latents)
  // log sigmoid(u) + log sigmoid(-u)
  const squashed = sum(mul(neg(add(softplus(neg(u)), softplus(u))), mask), over)
  const entropy = sum(mul(mul(add(square(drawn), LOG_TWO_PI), -0.5), mask), over)
  const logPosterior = sub(entropy, add(posterior.logDeterminant, squashed))
  const dequantised = mul(sub(durations, sigmoid(u)), mask)
  const logs = mul(log(maximum(dequantised, 1e-5)), mask)
  const prior = runFlows(p.at('flows'), concat([logs, v], 1), condition, text, config)
  const likelihood = sum(mul(mul(add(square(prior.latents), LOG_TWO_PI), 0.5), mask), over)
  const logDeterminant = sub(prior.logDeterminant, sum(logs, over))
  return add(sub(likelihood, logDeterminant), logPosterior)
}

const LOG_TWO_PI = Math.log(2 * Math.PI)

/** Flows in their own direction: an affine one, then splines that take turns between the two channels. */
function runFlows(p: Parameters, x: Tensor, condition: Tensor, text: SpokenText, config: Stochastic) {
  const { mask } = text
  const [scale, shift] = affineOf(p.at(0))
  const moved = mul(add(shift, mul(exp(scale), x)), mask)
  let logDeterminant = sum(mul(scale, mask), { axes: [1, 2] })
  let [first, second] = halves(moved)
  ;[first, second] = [second, first]
  for (let i = 1; i <= config.flows; i++) {
    const shape = splineShape(p.at(i), first, condition, text, config)
    const bent = spline(column(second), shape, config)
    logDeterminant = add(logDeterminant, sum(mul(row(bent.logSlope), mask), { axes: [1, 2] }))
    ;[first, second] = [mul(row(bent.y), mask), mul(first, mask)]
  }
  return { latents: concat([first, second], 1), logDeterminant }
}

/** The spline of one channel at each token, by the other channel and the text: [batch, tokens, 3 bins - 1]. */
function splineShape(
  p: Parameters,
  given: Tensor,
  condition: Tensor,
  { mask, width }: SpokenText,
  config: Stochastic,
): Tensor {
  const lifted = convolution(p.at('conv_pre'), given, width, [1])
  const heard = separable(p.at('conv_dds'), lifted, mask, { ...config, width }, condition)
  const shape = mul(convolution(p.at('conv_proj'), heard, 3 * config.bins - 1, [1]), mask)
  const { bins } = config
  const [extents, slopes] = split(transpose(shape, [0, 2, 1]), [2 * bins, bins - 1], 2)
  if (extents === undefined || slopes === undefined) throw new Error('a spline has extents and slopes')
  return concat([mul(extents, 1 / Math.sqrt(width)), slopes], 2)
}

/** [batch, 1, tokens] <-> [batch, tokens, 1]. */
const column = (x: Tensor): Tensor => transpose(x, [0, 2, 1])
const row = column

/** What the splines are told of text and speaker: [batch, width, tokens]. */
function conditionOf(p: Parameters, text: SpokenText, config: Stochastic): Tensor {
  const { mask, width } = text
  const x = withSpeaker(p, convolution(p.at('conv_pre'), text.hidden, width, [1]), text)
  const heard = separable(p.at('conv_dds'), x, mask, { ...config, width })
  return mul(convolution(p.at('conv_proj'), heard, width, [1]), mask)
}

const withSpeaker = (p: Parameters, x: Tensor, { speaker, width }: SpokenText): Tensor =>
  speaker === undefined ? x : add(x, convolution(p.at('cond'), speaker, width, [1]))

/** Of both channels: log scale and shift, [2, 1]. */
const affineOf = (p: Parameters): readonly [Tensor, Tensor] => [
  p.get('log_scale', [2, 1]),
  p.get('translate', [2, 1]),
]

function halves(x: Tensor): readonly [Tensor, Tensor] {
  const [first, second] = split(x, [1, 1], 1)
  if (first === undefined || second === undefined) throw new Error('two channels have two halves')
  return [first, second]
}
