/** Where numbers end: nothing to attend to, nothing to spell, no frames, values that are no numbers. */
import { describe, expect, it } from 'vitest'
import { gradients } from '../../../src/ml/autodiff/index.js'
import { Graph, ShapeError, softmax, sum, type Tensor } from '../../../src/ml/graph/index.js'
import { attention, lengthMask } from '../../../src/ml/layers/index.js'
import { crossEntropy, ctcLoss, gumbelSoftmax, smoothL1 } from '../../../src/ml/losses/index.js'
import { evaluate, floats, integers } from '../../../src/ml/session/evaluate.js'
import { Random } from '../../../src/ml/train/random.js'

const draws = (count: number): Float32Array => {
  const random = new Random(3)
  return Float32Array.from({ length: count }, () => random.normal())
}

/** Gives `loss` and the gradient by `x` their names as outputs. */
function withGradientOf(graph: Graph, loss: Tensor, x: Tensor): Graph {
  const [slope] = gradients(loss, [x])
  if (slope === undefined) throw new Error('no gradient')
  graph.output('loss', loss)
  graph.output('slope', slope)
  return graph
}

describe('attention', () => {
  it.each([0, 2, 3])('to %i of three keys is a number, and so is its gradient', async (seen) => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [1, 2, 3, 4])
    const lengths = graph.input('lengths', 'int64', [1])
    const y = attention(x, x, x, { mask: lengthMask(lengths, 3) })
    graph.output('y', y)
    const values = await evaluate(withGradientOf(graph, sum(y), x), {
      x: floats([1, 2, 3, 4], draws(24)),
      lengths: integers([1], [seen]),
    })
    for (const name of ['y', 'slope'])
      expect(Array.from(values[name]?.data as Float32Array).every(Number.isFinite)).toBe(true)
  })

  it('over no queries gives none', async () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [1, 2, 'time', 4])
    graph.output('y', attention(x, x, x))
    const { y } = await evaluate(graph, { x: floats([1, 2, 0, 4], new Float32Array(0)) })
    expect(y?.shape).toEqual([1, 2, 0, 4])
  })
})

describe('CTC', () => {
  const ctc = (labels: number, zeroInfinity: boolean): Graph => {
    const graph = new Graph()
    const logits = graph.input('logits', 'float32', [1, 3, 4])
    const loss = ctcLoss(
      logits,
      graph.input('targets', 'int64', [1, labels]),
      graph.input('frames', 'int64', [1]),
      graph.input('labels', 'int64', [1]),
      { zeroInfinity },
    )
    return withGradientOf(graph, loss.sum, logits)
  }
  const run = (labels: readonly number[], count: number, logits = draws(12), zeroInfinity = false) =>
    evaluate(ctc(labels.length, zeroInfinity), {
      logits: floats([1, 3, 4], logits),
      targets: integers([1, labels.length], [...labels]),
      frames: integers([1], [3]),
      labels: integers([1], [count]),
    })
  /** -log p of blanks alone. */
  const blanks = (logits: Float32Array): number =>
    [0, 1, 2].reduce((loss, frame) => {
      const row = Array.from(logits.subarray(4 * frame, 4 * frame + 4))
      return loss - (row[0] ?? 0) + Math.log(row.reduce((all, value) => all + Math.exp(value), 0))
    }, 0)

  it('of an empty target is the likelihood of blanks alone', async () => {
    const { loss, slope } = await run([1, 1], 0)
    expect(Number(loss?.data[0])).toBeCloseTo(blanks(draws(12)), 4)
    expect(Array.from(slope?.data as Float32Array).every(Number.isFinite)).toBe(true)
  })

  it('of a target longer than the sound is infinite, or nothing where that is asked for', async () => {
    expect(Number((await run([1, 2, 1, 2], 4)).loss?.data[0])).toBe(Number.POSITIVE_INFINITY)
    // Three frames cannot spell a doubled letter and one more: a blank must stand between.
    expect(Number((await run([1, 1, 2], 3)).loss?.data[0])).toBe(Number.POSITIVE_INFINITY)
    const { loss, slope } = await run([1, 2, 1, 2], 4, draws(12), true)
    expect(Number(loss?.data[0])).toBe(0)
    expect(Array.from(slope?.data as Float32Array).every((value) => value === 0)).toBe(true)
  })

  it('of values that are no numbers is none, so that the trainer can refuse the step', async () => {
    for (const zeroInfinity of [false, true]) {
      const { loss, slope } = await run([1, 2], 2, draws(12).fill(Number.NaN, 4, 5), zeroInfinity)
      expect(Number(loss?.data[0])).toBeNaN()
      expect(Array.from(slope?.data as Float32Array).some(Number.isNaN)).toBe(true)
    }
  })
})

describe('losses', () => {
  it('cross-entropy of targets that are all ignored is 0, and so is its gradient', async () => {
    const graph = new Graph()
    const logits = graph.input('logits', 'float32', [2, 5])
    const { mean } = crossEntropy(logits, graph.input('targets', 'int64', [2]), { smoothing: 0.1 })
    const { loss, slope } = await evaluate(withGradientOf(graph, mean, logits), {
      logits: floats([2, 5], draws(10)),
      targets: integers([2], [-100, -100]),
    })
    expect(Number(loss?.data[0])).toBe(0)
    expect(Array.from(slope?.data as Float32Array).every((value) => value === 0)).toBe(true)
  })

  it('softmax of huge scores is a number', async () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [1, 3])
    graph.output('y', softmax(x))
    const { y } = await evaluate(graph, { x: floats([1, 3], Float32Array.of(3e38, -3e38, 3e38)) })
    expect(Array.from(y?.data as Float32Array)).toEqual([0.5, 0, 0.5])
  })

  it('name the operation and the shapes that do not belong together', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2, 5])
    const ids = graph.input('ids', 'int64', [3])
    const two = graph.input('two', 'int64', [2])
    const other = graph.input('other', 'float32', [3, 5])
    const narrow = graph.input('narrow', 'float32', [3, 4])
    for (const [build, message] of [
      [() => crossEntropy(x, ids), /crossEntropy.*\[2, 5\], \[3\]/],
      [() => smoothL1(x, other), /\[2, 5\], \[3, 5\]/],
      [() => ctcLoss(x, ids, two, two), /ctc: needs .*\[2, 5\]/],
      [() => gumbelSoftmax(x, other, { temperature: 1 } as never), /\[2, 5\], \[3, 5\]/],
      [() => attention(x, narrow, narrow), /inner sizes 5 and 4 differ \(\[2, 5\]/],
    ] as const) {
      expect(build).toThrow(ShapeError)
      expect(build).toThrow(message)
    }
  })
})
