/** Cross-entropy of class ids, with label smoothing in both published conventions. */
import {
  add,
  cast,
  div,
  equal,
  exp,
  expand,
  gatherElements,
  logSoftmax,
  maximum,
  mul,
  neg,
  not,
  reshape,
  ShapeError,
  sameShape,
  scatterAdd,
  squeeze,
  staticDimAt,
  sum,
  type Tensor,
  unsqueeze,
  where,
  withGradient,
} from '../graph/index.js'

export interface CrossEntropyOptions {
  /** Probability taken from the target and given to all classes; 0 unless told. */
  readonly smoothing?: number
  /**
   * `all`: smoothing/V on each of the V classes, the target's included (PyTorch). `others`: smoothing/(V-1) on each
   * class and 1 - smoothing - smoothing/(V-1) more on the target (fairseq).
   */
  readonly spread?: 'all' | 'others'
  /** A target that does not count; -100 unless told. */
  readonly ignore?: number
}

export interface CrossEntropy {
  /** Each position's loss, 0 where ignored: the targets' shape. */
  readonly each: Tensor
  /** Each position's loss without smoothing, 0 where ignored; no gradient flows through it. */
  readonly negativeLogLikelihood: Tensor
  /** Sum over positions. */
  readonly sum: Tensor
  /** Mean over the positions that count. */
  readonly mean: Tensor
}

/** @param logits [..., classes]. @param targets int64 [...]. @throws ShapeError where they do not fit. */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  options: CrossEntropyOptions = {},
): CrossEntropy {
  const { smoothing = 0, spread = 'all', ignore = -100 } = options
  const classes = staticDimAt('crossEntropy', logits.shape, -1)
  if (!sameShape(logits.shape.slice(0, -1), targets.shape))
    throw new ShapeError('crossEntropy', [logits.shape, targets.shape], 'one target a position')
  const onAll = spread === 'all' ? smoothing / classes : smoothing / (classes - 1)
  const onTarget = spread === 'all' ? 1 - smoothing : 1 - smoothing - onAll

  const counts = not(equal(targets, ignore))
  const weight = cast(counts, 'float32')
  const place = unsqueeze(where(counts, targets, 0), -1)
  const logP = logSoftmax(logits)
  const negativeLogLikelihood = mul(neg(squeeze(gatherElements(logP, place, -1), -1)), weight)
  const spreadLoss = mul(neg(sum(logP, { axes: [-1] })), weight)
  const value =
    onAll === 0
      ? mul(negativeLogLikelihood, onTarget)
      : add(mul(negativeLogLikelihood, onTarget), mul(spreadLoss, onAll))

  // d/dlogits = (onTarget + V onAll) softmax - onAll - onTarget at the target.
  const each = withGradient(value, [logits], (gradient) => {
    const slope = add(mul(exp(logP), onTarget + classes * onAll), -onAll)
    const atTarget = expand(
      reshape(
        logits.graph.scalar(-onTarget),
        place.shape.map(() => 1),
      ),
      place.shape,
    )
    const whole = scatterAdd(slope, place, atTarget, -1)
    return [mul(whole, unsqueeze(mul(gradient, weight), -1))]
  })
  const total = sum(each)
  return {
    each,
    negativeLogLikelihood,
    sum: total,
    mean: div(total, maximum(sum(weight), 1)),
  }
}
