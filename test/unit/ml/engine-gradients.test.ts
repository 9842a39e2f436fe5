/** Every differentiable operation against central differences, on shapes and values drawn at random. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gradients } from '../../../src/ml/autodiff/index.js'
import * as g from '../../../src/ml/graph/index.js'
import * as l from '../../../src/ml/layers/index.js'
import { crossEntropy, ctcLoss, gumbelSoftmax, smoothL1 } from '../../../src/ml/losses/index.js'
import { encodeModel } from '../../../src/ml/onnx/index.js'
import { floats } from '../../../src/ml/session/evaluate.js'
import { Session, type TensorValues } from '../../../src/ml/session/session.js'
import { Random } from '../../../src/ml/train/random.js'

/** Runs of each property: each builds, opens and runs a graph of its own. */
const RUNS = 6
/** The step of the differences: float32 rounding (1e-7 / STEP) and curvature (STEP^2) both stay below the tolerance. */
const STEP = 1e-2
const TOLERANCE = 2e-3

type Build = (x: readonly g.Tensor[], random: Random) => g.Tensor

interface Check {
  /** Shapes of the operands, by sizes drawn from 1 to 4. */
  readonly shapes: (n: readonly number[]) => readonly (readonly number[])[]
  readonly build: Build
  /** Keeps values where the operation is smooth. */
  readonly value?: (x: number) => number
}

const positive = (x: number): number => 0.5 + Math.abs(x)
/** Away from a kink at 0. */
const awayFromZero = (x: number): number => x + (x < 0 ? -0.2 : 0.2)
const unary = (f: (x: g.Tensor) => g.Tensor, value?: (x: number) => number): Check => ({
  shapes: ([a = 1, b = 1]) => [[a, b]],
  build: ([x]) => f(need(x)),
  ...(value === undefined ? {} : { value }),
})
const broadcast = (f: (a: g.Tensor, b: g.Tensor) => g.Tensor, value?: (x: number) => number): Check => ({
  shapes: ([a = 1, b = 1, c = 1]) => [
    [a, b, c],
    [b, 1],
  ],
  build: ([x, y]) => f(need(x), need(y)),
  ...(value === undefined ? {} : { value }),
})

function need(tensor: g.Tensor | undefined): g.Tensor {
  if (tensor === undefined) throw new Error('an operand is missing')
  return tensor
}

/** Layer parameters from the operands, in the order they are asked for. */
function parameters(graph: g.Graph, tensors: readonly (g.Tensor | undefined)[]): l.Parameters {
  const rest = [...tensors]
  const p: l.Parameters = { graph, get: () => need(rest.shift()), at: () => p }
  return p
}

const ids = (graph: g.Graph, random: Random, shape: readonly number[], below: number): g.Tensor =>
  graph.constant(
    BigInt64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => BigInt(random.below(below))),
    shape,
  )

const checks: Readonly<Record<string, Check>> = {
  add: broadcast(g.add),
  sub: broadcast(g.sub),
  mul: broadcast(g.mul),
  div: broadcast(g.div, positive),
  maximum: broadcast((a, b) => g.maximum(a, g.add(b, 10))),
  minimum: broadcast((a, b) => g.minimum(a, g.add(b, 10))),
  where: broadcast((a, b) => g.where(g.greater(g.stopGradient(g.add(a, b)), 100), a, b)),
  pow: unary((x) => g.pow(x, 2.5), positive),
  neg: unary(g.neg),
  exp: unary(g.exp),
  log: unary(g.log, positive),
  sqrt: unary(g.sqrt, positive),
  reciprocal: unary(g.reciprocal, positive),
  erf: unary(g.erf),
  sin: unary(g.sin),
  cos: unary(g.cos),
  abs: unary(g.abs, awayFromZero),
  clip: unary(
    (x) => g.clip(x, -5, 0.05),
    (x) => (Math.abs(x - 0.05) < 0.1 ? x + 0.3 : x),
  ),
  relu: unary(g.relu, awayFromZero),
  leakyRelu: unary((x) => g.leakyRelu(x, 0.1), awayFromZero),
  sigmoid: unary(g.sigmoid),
  tanh: unary(g.tanh),
  softplus: unary(g.softplus),
  silu: unary(g.silu),
  gelu: unary(g.gelu),
  geluTanh: unary(g.geluTanh),
  softCap: unary((x) => g.softCap(x, 2)),
  softmax: unary((x) => g.softmax(x, 0)),
  logSoftmax: unary((x) => g.logSoftmax(x, -1)),
  glu: { shapes: ([a = 1, b = 1]) => [[a, 2 * b]], build: ([x]) => g.glu(need(x), 1) },
  lerp: broadcast((a, b) => g.lerp(a, g.expand(b, a.shape), 0.3)),
  sum: unary((x) => g.sum(x, { axes: [0] })),
  mean: unary((x) => g.mean(x, { axes: [-1], keep: true })),
  max: unary((x) => g.max(g.add(x, g.cast(g.mul(g.iota(x, x.shape[1] ?? 1), 10), 'float32')), { axes: [1] })),
  variance: unary((x) => g.variance(x, { axes: [1] })),
  logSumExp: unary((x) => g.logSumExp(x, 1)),
  cumulativeSum: unary((x) => g.cumulativeSum(x, 1)),
  cumulativeSumReversed: unary((x) => g.cumulativeSum(x, 0, { reverse: true })),
  reshape: unary((x) => g.mul(g.reshape(x, [Number(x.shape[0]) * Number(x.shape[1])]), 2)),
  transpose: {
    shapes: ([a = 1, b = 1, c = 1]) => [[a, b, c]],
    build: ([x]) => g.transpose(g.transpose(need(x), [2, 0, 1]), [2, 1, 0]),
  },
  unsqueeze: unary((x) => g.squeeze(g.exp(g.unsqueeze(x, 1)), 1)),
  concat: {
    shapes: ([a = 1, b = 1, c = 1]) => [
      [a, b],
      [a, c],
    ],
    build: ([x, y]) => g.concat([need(x), need(y), need(x)], 1),
  },
  split: {
    shapes: ([a = 1, b = 1]) => [[a + b + 1, 2]],
    build: ([x], random) => {
      const whole = Number(need(x).shape[0])
      const first = 1 + random.below(whole - 1)
      const [head] = g.split(need(x), [first, whole - first], 0)
      return need(head)
    },
  },
  slice: {
    shapes: ([a = 1, b = 1]) => [[a, 3 * b + 2]],
    build: ([x], random) =>
      g.slice(need(x), 1, random.below(2), Number(need(x).shape[1]), 1 + random.below(3)),
  },
  pad: unary((x) =>
    g.pad(
      x,
      [
        { axis: 1, before: 2, after: -1 },
        { axis: 0, before: 0, after: 3 },
      ],
      7,
    ),
  ),
  expand: {
    shapes: ([a = 1]) => [[a, 1]],
    build: ([x]) => g.expand(need(x), [3, Number(need(x).shape[0]), 4]),
  },
  gather: {
    shapes: ([a = 1, b = 1]) => [[a, b, 3]],
    build: ([x], random) =>
      g.gather(need(x), ids(need(x).graph, random, [2, 3], Number(need(x).shape[1])), 1),
  },
  gatherLongTable: {
    shapes: () => [[1100, 2]],
    build: ([x], random) => g.gather(need(x), ids(need(x).graph, random, [7], 4)),
  },
  gatherElements: {
    shapes: ([a = 1, b = 1]) => [[a, b]],
    build: ([x], random) =>
      g.gatherElements(
        need(x),
        ids(need(x).graph, random, [Number(need(x).shape[0]), 5], Number(need(x).shape[1])),
        1,
      ),
  },
  scatterAdd: {
    shapes: ([a = 1, b = 1]) => [
      [a, b],
      [a, 4],
    ],
    build: ([x, y], random) =>
      g.scatterAdd(
        need(x),
        ids(need(x).graph, random, [Number(need(x).shape[0]), 4], Number(need(x).shape[1])),
        need(y),
        1,
      ),
  },
  topK: {
    shapes: ([a = 1]) => [[a, 5]],
    build: ([x]) => g.topK(g.add(need(x), g.cast(g.mul(g.iota(need(x), 5), 10), 'float32')), 2).values,
  },
  matmul: {
    shapes: ([a = 1, b = 1, c = 1]) => [
      [2, a, b],
      [b, c],
    ],
    build: ([x, y]) => g.matmul(need(x), need(y), { scale: 0.5 }),
  },
  matmulBatched: {
    shapes: ([a = 1, b = 1, c = 1]) => [
      [2, 3, a, b],
      [3, b, c],
    ],
    build: ([x, y]) => g.matmul(need(x), need(y)),
  },
  matmulTransposedRight: {
    shapes: ([a = 1, b = 1, c = 1]) => [
      [2, a, b],
      [2, c, b],
    ],
    build: ([x, y]) => g.matmul(need(x), need(y), { transposeB: true }),
  },
  matmulTransposedLeft: {
    shapes: ([a = 1, b = 1, c = 1]) => [
      [2, b, a],
      [2, b, c],
    ],
    build: ([x, y]) => g.matmul(need(x), need(y), { transposeA: true }),
  },
  matmulTransposedBoth: {
    shapes: ([a = 1, b = 1, c = 1]) => [
      [b, a],
      [c, b],
    ],
    build: ([x, y]) => g.matmul(need(x), need(y), { transposeA: true, transposeB: true, scale: 2 }),
  },
  linear: {
    shapes: ([a = 1, b = 1, c = 1]) => [[2, a, b], [c, b], [c]],
    build: ([x, ...rest]) => l.linear(parameters(need(x).graph, rest), need(x), Number(rest[0]?.shape[0])),
  },
  layerNorm: {
    shapes: ([a = 1, b = 1]) => [[2, a, b + 1], [b + 1], [b + 1]],
    build: ([x, ...rest]) => l.layerNorm(parameters(need(x).graph, rest), need(x), 0.1),
  },
  plainLayerNorm: {
    shapes: ([a = 1, b = 1]) => [[a, b + 1]],
    build: ([x]) => l.plainLayerNorm(need(x), 0.1),
  },
  rmsNorm: {
    shapes: ([a = 1, b = 1]) => [[a, b + 1], [b + 1]],
    build: ([x, ...rest]) => l.rmsNorm(parameters(need(x).graph, rest), need(x), 0.1),
  },
  groupNorm: {
    shapes: ([a = 1, b = 1, c = 1]) => [[a, 2 * b, c, 2], [2 * b], [2 * b]],
    build: ([x, ...rest]) => l.groupNorm(parameters(need(x).graph, rest), need(x), 2, 0.1),
  },
  instanceNorm: { shapes: ([a = 1, b = 1]) => [[a, b, 4]], build: ([x]) => l.instanceNorm(need(x), 0.1) },
  conv1d: convCheck(1, false),
  conv2d: convCheck(2, false),
  convTranspose1d: convCheck(1, true),
  convTranspose2d: convCheck(2, true),
  depthwise: {
    shapes: ([a = 1, b = 1]) => [[2, a + 4, b], [b, 1, 3], [b]],
    build: ([x, ...rest]) => l.depthwiseChannelsLast(parameters(need(x).graph, rest), need(x), 3),
  },
  convolutionChannelsLast: {
    shapes: ([a = 1, b = 1, c = 1, d = 1]) => [[2, 9 + a, b], [c, b, d + 1], [c]],
    build: ([x, ...rest], random) =>
      l.convolutionChannelsLast(
        parameters(need(x).graph, rest),
        need(x),
        Number(rest[0]?.shape[0]),
        Number(rest[0]?.shape[2]),
        {
          stride: 1 + random.below(4),
          padding: random.below(3),
        },
      ),
  },
  weightNorm: {
    shapes: ([a = 1, b = 1]) => [
      [a, b, 3],
      [1, 1, 3],
    ],
    build: ([v, size]) => l.weightNorm(need(v), need(size), 2),
    value: positive,
  },
  positionalConvolution: {
    shapes: () => [[1, 4, 6], [4, 2, 4], [1, 1, 4], [4]],
    build: ([x, ...rest]) => l.positionalConvolution(parameters(need(x).graph, rest), need(x), 4, 2),
    value: positive,
  },
  interpolateBilinear: {
    shapes: ([a = 1, b = 1]) => [[2, a, b]],
    build: ([x]) => g.interpolate(need(x), [3, 5], 'bilinear'),
  },
  interpolateNearest: {
    shapes: ([a = 1, b = 1]) => [[2, a, b]],
    build: ([x]) => g.interpolate(need(x), [4, 3], 'nearest'),
  },
  attention: {
    shapes: ([a = 1, b = 1, c = 1]) => [
      [1, 2, a, 4],
      [1, 2, b, 4],
      [1, 2, b, c],
      [2, a, b],
    ],
    build: ([q, k, v, bias]) => l.attention(need(q), need(k), need(v), { bias: need(bias) }),
  },
  multiHeadAttention: {
    // Scores of a hundred make a softmax that turns within a step.
    value: (x) => 0.3 * x,
    shapes: ([a = 1]) => [[2, a, 8], ...[8, 4, 4, 8].flatMap((out) => [[out, 8], [out]])],
    build: ([x, ...rest]) => {
      const { graph } = need(x)
      const time = Number(need(x).shape[1])
      const tables = l.rotaryTables(g.iota(need(x), time), 2)
      return l.multiHeadAttention(parameters(graph, rest), need(x), {
        heads: 4,
        keyValueHeads: 2,
        mask: l.causalMask(need(x), time),
        rotate: (t) => l.rotary(t, tables),
      }).output
    },
  },
  rotaryHalves: rotaryCheck('halves'),
  rotaryNeighbours: rotaryCheck('neighbours'),
  alibi: {
    shapes: ([a = 1]) => [[a]],
    build: ([slopes]) => l.alibiBias(need(slopes), g.iota(need(slopes), 3), g.iota(need(slopes), 4)),
  },
  relativeBias: {
    shapes: ([a = 1, b = 1]) => [[a, b]],
    build: ([table], random) =>
      l.relativeBias(need(table), ids(need(table).graph, random, [3, 3], Number(need(table).shape[0]))),
  },
  feedForward: {
    shapes: ([a = 1, b = 1]) => [[a, 3], [b, 3], [b], [3, b], [3]],
    build: ([x, ...rest]) =>
      l.feedForward(parameters(need(x).graph, rest), need(x), Number(rest[0]?.shape[0])),
  },
  swiGlu: {
    shapes: ([a = 1, b = 1]) => [
      [a, 3],
      [b, 3],
      [b, 3],
      [3, b],
    ],
    build: ([x, ...rest]) => l.swiGlu(parameters(need(x).graph, rest), need(x), Number(rest[0]?.shape[0])),
  },
  embedding: {
    shapes: ([a = 1, b = 1]) => [[a, b]],
    build: ([table], random) => {
      const [rows = 1, width = 1] = need(table).shape.map(Number)
      return l.embedding(
        parameters(need(table).graph, [table]),
        ids(need(table).graph, random, [2, 2], rows),
        rows,
        width,
      )
    },
  },
  cosineSimilarity: {
    shapes: ([a = 1, b = 1]) => [
      [a, b],
      [a, b],
    ],
    build: ([x, z]) => l.cosineSimilarity(need(x), need(z)),
    value: positive,
  },
  smoothL1: {
    shapes: ([a = 1, b = 1]) => [
      [a, b],
      [a, b],
    ],
    build: ([x, z]) => smoothL1(need(x), g.add(need(z), 12), 0.5),
  },
  smoothL1Near: {
    shapes: ([a = 1, b = 1]) => [
      [a, b],
      [a, b],
    ],
    build: ([x, z]) => smoothL1(need(x), need(z), 50),
  },
  crossEntropy: {
    shapes: ([a = 1, b = 1]) => [[a, b + 1]],
    build: ([x], random) =>
      crossEntropy(
        need(x),
        ids(need(x).graph, random, [Number(need(x).shape[0])], Number(need(x).shape[1])),
        {
          smoothing: 0.1,
          ignore: 0,
        },
      ).each,
  },
  gumbelSoftmax: {
    shapes: ([a = 1, b = 1]) => [
      [a, b + 1],
      [a, b + 1],
    ],
    build: ([x, noise]) => gumbelSoftmax(need(x), need(noise), { temperature: 1.5 }),
  },
  ctcLoss: {
    shapes: ([a = 1, b = 1]) => [[2, 6 + a, b + 2]],
    build: ([x], random) => {
      const { graph } = need(x)
      const [, time = 1, classes = 1] = need(x).shape.map(Number)
      const targets = graph.constant(
        BigInt64Array.from({ length: 6 }, () => BigInt(1 + random.below(classes - 1))),
        [2, 3],
      )
      const frames = graph.constant(BigInt64Array.of(BigInt(time), BigInt(time - 1)), [2])
      return ctcLoss(
        need(x),
        targets,
        frames,
        graph.constant(BigInt64Array.of(3n, BigInt(random.below(4))), [2]),
      ).each
    },
  },
}

function rotaryCheck(pairs: l.RotaryPairs): Check {
  return {
    shapes: ([a = 1, b = 1]) => [[1, 2, a, 2 * b]],
    build: ([x]) =>
      l.rotary(
        need(x),
        l.rotaryTables(g.iota(need(x), Number(need(x).shape[2])), Number(need(x).shape[3])),
        pairs,
      ),
  }
}

/** Kernel, stride, dilation, padding on each side and groups are drawn too. */
function convCheck(axes: number, transposed: boolean): Check {
  const space = axes === 1 ? [9] : [7, 8]
  const kernel = axes === 1 ? [3] : [3, 2]
  return {
    shapes: ([a = 1, b = 1, c = 1]) => {
      const groups = 1 + (c % 2)
      const weight = transposed ? [groups * a, b, ...kernel] : [groups * b, a, ...kernel]
      return [[2, groups * a, ...space], weight, [groups * b]]
    },
    build: ([x, weight, bias], random) => {
      const groups = transposed
        ? Number(need(bias).shape[0]) / Number(need(weight).shape[1])
        : Number(need(x).shape[1]) / Number(need(weight).shape[1])
      const options = {
        stride: space.map(() => 1 + random.below(3)),
        dilation: space.map(() => 1 + random.below(2)),
        padding: space.map(() => [random.below(3), random.below(3)] as const),
        groups,
      }
      if (!transposed) return g.conv(need(x), need(weight), need(bias), options)
      const outputPadding = options.stride.map((stride) => random.below(stride))
      return g.convTranspose(need(x), need(weight), need(bias), { ...options, outputPadding })
    },
  }
}

/** The gradient's slope along a random direction against the function's own. */
async function compare(
  { shapes, build, value = (x) => x }: Check,
  seed: number,
  sizes: readonly number[],
): Promise<void> {
  const random = new Random(seed)
  const graph = new g.Graph('check')
  const operands = shapes(sizes).map((shape, i) => graph.input(`x${i}`, 'float32', shape))
  const y = build(operands, random)
  const count = y.shape.reduce<number>((product, dim) => product * Number(dim), 1)
  const weights = Float32Array.from({ length: count }, () => random.normal())
  const loss = graph.output('loss', g.sum(g.mul(y, graph.constant(weights, y.shape.map(Number)))))
  gradients(loss, operands).forEach((gradient, i) => {
    graph.output(`d${i}`, gradient)
  })
  const session = await Session.open(encodeModel(graph), { runtime: 'native' })
  const draws = operands.map((operand) => {
    const length = operand.shape.reduce<number>((product, dim) => product * Number(dim), 1)
    return {
      at: Array.from({ length }, () => value(random.normal())),
      along: Array.from({ length }, () => random.normal()),
    }
  })
  const at = (step: number): TensorValues =>
    Object.fromEntries(
      operands.map((operand, i) => [
        `x${i}`,
        floats(
          operand.shape.map(Number),
          (draws[i]?.at ?? []).map((x, k) => x + step * (draws[i]?.along[k] ?? 0)),
        ),
      ]),
    )
  const lossAt = async (step: number): Promise<number> => Number((await session.run(at(step))).loss?.data[0])
  const { loss: _, ...slopes } = await session.run(at(0))
  let expected = 0
  let size = 0
  draws.forEach(({ along }, i) => {
    const slope = slopes[`d${i}`]?.data as Float32Array
    along.forEach((direction, k) => {
      expected += direction * (slope[k] ?? Number.NaN)
      size += Math.abs(direction * (slope[k] ?? 0))
    })
  })
  // Richardson: the error of the two differences together is of fourth order.
  const wide = ((await lossAt(2 * STEP)) - (await lossAt(-2 * STEP))) / (4 * STEP)
  const near = ((await lossAt(STEP)) - (await lossAt(-STEP))) / (2 * STEP)
  await session.close()
  const measured = (4 * near - wide) / 3
  expect(Math.abs(measured - expected), `${measured} measured, ${expected} computed`).toBeLessThanOrEqual(
    TOLERANCE * (1 + size),
  )
}

describe('gradients against central differences', () => {
  it.each(Object.entries(checks))('%s', async (_name, check) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1e9 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 4, maxLength: 4 }),
        (seed, sizes) => compare(check, seed, sizes),
      ),
      { numRuns: RUNS },
    )
  })
})
