/**
 * Connectionist temporal classification (Graves et al. 2006). Forward and backward variables in the log domain, each
 * frame's rescaled to a maximum of 0, so that long recordings keep their precision; the gradient is the closed form
 * softmax - posterior (equation 16 there).
 */
import {
  add,
  and,
  cast,
  concat,
  div,
  equal,
  exp,
  expand,
  greater,
  iota,
  less,
  log,
  logSoftmax,
  logSumExp,
  matmul,
  max,
  maximum,
  mul,
  neg,
  not,
  oneHot,
  or,
  pad,
  reshape,
  ShapeError,
  sameShape,
  scan,
  softmax,
  staticDimAt,
  staticShape,
  sub,
  sum,
  type Tensor,
  transpose,
  unsqueeze,
  where,
  withGradient,
} from '../graph/index.js'

export interface CtcOptions {
  /** The class that stands for nothing; 0 unless told. */
  readonly blank?: number
  /** A target that its frames cannot spell counts 0 and gives no gradient, instead of infinity. */
  readonly zeroInfinity?: boolean
}

export interface Ctc {
  /** Negative log likelihood of each row; infinite where the frames cannot spell the target. */
  readonly each: Tensor
  readonly sum: Tensor
  /** Each row over its target's length (at least 1), averaged over rows: PyTorch's "mean". */
  readonly mean: Tensor
}

/** The logarithm of nothing: finite, so that sums of it stay numbers. */
const NOTHING = -1e30
/** Below this a row's likelihood is no rounding but an impossibility. */
const IMPOSSIBLE = -1e29

interface Problem {
  /** log p of each state's label: [time, batch, states]. */
  readonly emissions: Tensor
  /** 1 where the state two back may be skipped to this one, as an addend: 0 or NOTHING, [batch, states]. */
  readonly skip: Tensor
  /** 0 at a row's last two states, NOTHING elsewhere: [batch, states]. */
  readonly ends: Tensor
  /** bool [time, batch, 1]: frames that count. */
  readonly counts: Tensor
}

const logAdd3 = (a: Tensor, b: Tensor, c: Tensor): Tensor => {
  const top = maximum(maximum(a, b), c)
  return add(top, log(add(add(exp(sub(a, top)), exp(sub(b, top))), exp(sub(c, top)))))
}

/** States moved by n places along the last axis; negative towards the front. */
const shift = (x: Tensor, n: number): Tensor => pad(x, [{ axis: -1, before: n, after: -n }], NOTHING)

/** log alpha of each frame, each less its maximum, and the rows' log likelihoods. */
function forward({ emissions, skip, ends, counts }: Problem) {
  const [, batch = 1, states = 1] = staticShape('ctc', emissions.shape)
  const { graph } = emissions
  const before = new Float32Array(batch * states).fill(NOTHING)
  for (let row = 0; row < batch; row++) before[row * states] = 0
  const start = graph.constant(before, [batch, states])
  // The skips enter as a sequence of equal entries would; as states that do not change they cost nothing.
  const { states: last, collected } = scan(
    [start, graph.constant(new Float32Array(batch), [batch, 1]), skip],
    [emissions, counts],
    ([alpha, scale, skips], [emission, count]) => {
      if (!alpha || !scale || !skips || !emission || !count) throw new Error('ctc: a frame lacks an operand')
      const reached = add(logAdd3(alpha, shift(alpha, 1), add(shift(alpha, 2), skips)), emission)
      const top = max(reached, { axes: [-1], keep: true })
      const next = where(count, sub(reached, top), alpha)
      return { states: [next, add(scale, where(count, top, 0)), skips], collected: [next] }
    },
  )
  const [alpha, scale] = last
  const [alphas] = collected
  if (!alpha || !scale || !alphas) throw new Error('ctc: the scan made nothing')
  const logLikelihood = add(reshape(scale, [batch]), logSumExp(add(alpha, ends), -1))
  return { alphas, logLikelihood }
}

/** log beta of each frame (without that frame's own emission), each up to a factor. */
function backward({ emissions, skip, ends, counts }: Problem): Tensor {
  // Leaving a state by two needs the skip of the state it goes to.
  const leaps = shift(skip, -2)
  const { collected } = scan(
    [ends, leaps],
    [emissions, counts],
    ([beta, leap], [emission, count]) => {
      if (!beta || !leap || !emission || !count) throw new Error('ctc: a frame lacks an operand')
      const onward = add(beta, emission)
      const reached = logAdd3(onward, shift(onward, -1), add(shift(onward, -2), leap))
      const top = max(reached, { axes: [-1], keep: true })
      return { states: [where(count, sub(reached, top), beta), leap], collected: [beta] }
    },
    { reverse: true },
  )
  const [betas] = collected
  if (!betas) throw new Error('ctc: the scan made nothing')
  return betas
}

/**
 * @param logits [batch, time, classes], not normalised. @param targets int64 [batch, labels], padded with anything
 * valid. @param frames int64 [batch]: frames that count. @param labels int64 [batch]: labels that count.
 * Sizes are static. @throws ShapeError where they do not fit.
 */
export function ctcLoss(
  logits: Tensor,
  targets: Tensor,
  frames: Tensor,
  labels: Tensor,
  { blank = 0, zeroInfinity = false }: CtcOptions = {},
): Ctc {
  const [batch = 1, time = 1, classes = 1] = staticShape('ctc', logits.shape)
  if (logits.rank !== 3 || targets.shape[0] !== batch || targets.rank !== 2)
    throw new ShapeError(
      'ctc',
      [logits.shape, targets.shape],
      'needs [batch, time, classes] and [batch, labels]',
    )
  if (!sameShape(frames.shape, [batch]) || !sameShape(labels.shape, [batch]))
    throw new ShapeError('ctc', [frames.shape, labels.shape], `lengths are [${batch}]`)
  const { graph } = logits
  const count = staticDimAt('ctc', targets.shape, 1)
  const states = 2 * count + 1
  // Blanks around and between the labels.
  const blanks = expand(graph.scalar(blank, 'int64'), [batch, count, 1])
  const pairs = reshape(concat([blanks, unsqueeze(targets, 2)], 2), [batch, 2 * count])
  const extended = concat([pairs, expand(graph.scalar(blank, 'int64'), [batch, 1])], 1)
  const chosen = oneHot(extended, classes)
  const logP = logSoftmax(logits)
  const state = iota(logits, states)
  const twoBack = pad(extended, [{ axis: 1, before: 2, after: -2 }], blank)
  const skippable = and(not(equal(extended, blank)), not(equal(extended, twoBack)))
  const lastBlank = unsqueeze(mul(labels, 2), 1)
  const isEnd = or(
    equal(state, lastBlank),
    and(equal(state, sub(lastBlank, 1)), less(graph.scalar(0, 'int64'), lastBlank)),
  )
  const problem: Problem = {
    emissions: transpose(matmul(logP, chosen, { transposeB: true }), [1, 0, 2]),
    skip: where(skippable, graph.scalar(0), NOTHING),
    ends: where(isEnd, graph.scalar(0), NOTHING),
    counts: unsqueeze(less(unsqueeze(iota(logits, time), 1), unsqueeze(frames, 0)), 2),
  }
  const { alphas, logLikelihood } = forward(problem)
  // What is no number must stay none: taken for an impossibility it would count 0, and training would stand still.
  const isNumber = equal(logLikelihood, logLikelihood)
  const possible = or(greater(logLikelihood, IMPOSSIBLE), not(isNumber))
  const value = where(possible, neg(logLikelihood), zeroInfinity ? 0 : Number.POSITIVE_INFINITY)

  const each = withGradient(value, [logits], (gradient) => {
    // alpha beta summed over states is the likelihood at every frame, so a softmax gives the posteriors.
    const posteriors = softmax(add(alphas, backward(problem)))
    const occupied = matmul(transpose(posteriors, [1, 0, 2]), chosen)
    const weight = unsqueeze(where(possible, gradient, 0), 1)
    const valid = cast(reshape(transpose(problem.counts, [1, 0, 2]), [batch, time, 1]), 'float32')
    return [mul(mul(sub(exp(logP), occupied), valid), unsqueeze(weight, 2))]
  })
  const lengths = maximum(cast(labels, 'float32'), 1)
  return { each, sum: sum(each), mean: div(sum(div(each, lengths)), batch) }
}
