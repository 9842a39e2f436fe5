/**
 * The self-supervised objective of wav2vec 2.0 (Baevski et al. 2020, sections 2 and 3.2): tell the true quantised frame
 * from others of the same recording, and use all of the codebook.
 */
import {
  add,
  argMax,
  cast,
  concat,
  div,
  equal,
  exp,
  gather,
  log,
  matmul,
  mul,
  neg,
  oneHot,
  reshape,
  softmax,
  staticShape,
  sub,
  sum,
  type Tensor,
  transpose,
  where,
} from '../../ml/graph/index.js'
import { cosineSimilarity, linear, type Parameters } from '../../ml/layers/index.js'
import { crossEntropy, gumbelSoftmax } from '../../ml/losses/index.js'
import type { SpeechEncoderConfig } from './config.js'
import { speechEncoder } from './encoder.js'

/** Within a logarithm, so that a code never used counts as 0 log 0 = 0. */
const LOG_FLOOR = 1e-7
/** Targets that do not count, as PyTorch spells it. */
const IGNORED = -100

export interface Quantised {
  /** The frames' codes put together: [batch, frames, code width]. */
  readonly features: Tensor
  /** Entry chosen in each group: int64 [batch, frames, groups]. */
  readonly codes: Tensor
  /** [batch, frames, groups * entries]. */
  readonly logits: Tensor
  /** How many entries are in use, over masked frames: between groups and groups * entries. */
  readonly perplexity: Tensor
}

export interface Sampling {
  /** Gumbel(0, 1) draws [batch * frames * groups, entries]. */
  readonly noise: Tensor
  readonly temperature: Tensor | number
}

/**
 * Product quantisation (Jegou et al. 2011): an entry of each group, side by side.
 * @param x [batch, frames, front end's width]. @param mask bool [batch, frames]: frames that the perplexity counts.
 * @param sampling draws a code in training (Gumbel, straight through); the likeliest where it is left out.
 */
export function quantiser(
  p: Parameters,
  x: Tensor,
  mask: Tensor,
  config: SpeechEncoderConfig,
  sampling?: Sampling,
): Quantised {
  const { groups, entries, codeWidth } = config.pretraining
  const [batch = 1, frames = 1] = staticShape('quantiser', x.shape)
  const logits = linear(p.at('weight_proj'), x, groups * entries, {
    initial: { kind: 'normal', deviation: 1 },
  })
  const rows = reshape(logits, [batch * frames * groups, entries])
  const chosen =
    sampling === undefined
      ? oneHot(argMax(rows, -1), entries)
      : gumbelSoftmax(rows, sampling.noise, { temperature: sampling.temperature, hard: true })
  // Of the soft distribution in training, so that the diversity term has a gradient.
  const spread = sampling === undefined ? chosen : softmax(rows)
  const each = codeWidth / groups
  const codebook = p.get('codevectors', [1, groups * entries, each], { kind: 'uniform', bound: 1 })
  const perGroup = transpose(reshape(chosen, [batch * frames, groups, entries]), [1, 0, 2])
  const picked = matmul(perGroup, reshape(codebook, [groups, entries, each]))
  return {
    features: reshape(transpose(picked, [1, 0, 2]), [batch, frames, codeWidth]),
    codes: reshape(argMax(chosen, -1), [batch, frames, groups]),
    logits,
    perplexity: perplexity(reshape(spread, [batch * frames, groups, entries]), mask),
  }
}

/** exp of the entropy of the mean distribution, summed over groups. @param probabilities [rows, groups, entries]. */
function perplexity(probabilities: Tensor, mask: Tensor): Tensor {
  const [rows = 1] = staticShape('perplexity', probabilities.shape)
  const weight = cast(reshape(mask, [rows, 1, 1]), 'float32')
  const marginal = div(sum(mul(probabilities, weight), { axes: [0] }), sum(weight))
  const entropy = neg(sum(mul(marginal, log(add(marginal, LOG_FLOOR))), { axes: [-1] }))
  return sum(exp(entropy))
}

export interface PretrainingInput {
  /** [batch, samples]; sizes are static. */
  readonly sound: Tensor
  /** int64 [batch]. */
  readonly frames?: Tensor
  /** bool [batch, frames]. */
  readonly timeMask: Tensor
  /** int64 [batch, frames, negatives]: places among all batch * frames frames. Rows of unmasked frames are not used. */
  readonly negatives: Tensor
  readonly sampling?: Sampling
  readonly dropout?: (x: Tensor, rate: number) => Tensor
}

export interface Pretraining {
  /** contrastive + weight * diversity; a sum over masked frames, as both its terms. */
  readonly loss: Tensor
  readonly contrastive: Tensor
  readonly diversity: Tensor
  readonly quantised: Quantised
  /** Predictions and targets in the width in which they are compared: [batch, frames, projected width]. */
  readonly predicted: Tensor
  readonly target: Tensor
  readonly extracted: Tensor
}

/** @param p names as in a Wav2Vec2ForPreTraining checkpoint, the encoder's without prefix. */
export function pretraining(
  p: Parameters,
  input: PretrainingInput,
  config: SpeechEncoderConfig,
): Pretraining {
  const { groups, entries, projectedWidth, diversityWeight } = config.pretraining
  const dropout = input.dropout ?? ((x: Tensor) => x)
  const encoding = speechEncoder(p, input, config)
  const predicted = linear(p.at('project_hid'), encoding.last, projectedWidth)
  const seen = dropout(encoding.extracted, config.dropout.quantiser)
  const quantised = quantiser(p.at('quantizer'), seen, input.timeMask, config, input.sampling)
  const target = linear(p.at('project_q'), quantised.features, projectedWidth)
  const contrastive = contrast(predicted, target, quantised.codes, input, config)
  const total = groups * entries
  const masked = sum(cast(input.timeMask, 'float32'))
  const diversity = mul(div(sub(total, quantised.perplexity), total), masked)
  return {
    loss: add(contrastive, mul(diversity, diversityWeight)),
    contrastive,
    diversity,
    quantised,
    predicted,
    target,
    extracted: encoding.extracted,
  }
}

/** -log of the share of the true frame among itself and the negatives (equation 3), summed over masked frames. */
function contrast(
  predicted: Tensor,
  target: Tensor,
  codes: Tensor,
  { timeMask, negatives }: PretrainingInput,
  config: SpeechEncoderConfig,
): Tensor {
  const { projectedWidth: width, temperature, groups } = config.pretraining
  const [batch = 1, frames = 1, count = 1] = staticShape('contrast', negatives.shape)
  const rows = batch * frames
  const places = reshape(negatives, [rows, count])
  const others = gather(reshape(target, [rows, width]), places)
  const candidates = concat([reshape(target, [rows, 1, width]), others], 1)
  const similarity = cosineSimilarity(reshape(predicted, [rows, 1, width]), candidates)
  // A negative with the very codes of the positive is no negative. Codes compare exactly, float vectors do not.
  const ownCodes = reshape(codes, [rows, 1, groups])
  const agreeing = sum(cast(equal(gather(reshape(codes, [rows, groups]), places), ownCodes), 'float32'), {
    axes: [-1],
  })
  const isPositive = equal(agreeing, groups)
  const truth = predicted.graph.constant(new Uint8Array(rows), [rows, 1], 'bool')
  const logits = where(concat([truth, isPositive], 1), Number.NEGATIVE_INFINITY, div(similarity, temperature))
  const first = predicted.graph.scalar(0, 'int64')
  return crossEntropy(logits, where(reshape(timeMask, [rows]), first, IGNORED), { ignore: IGNORED }).sum
}
