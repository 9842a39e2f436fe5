/** Properties of layers and losses that no single set of numbers shows. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gradients } from '../../../src/ml/autodiff/index.js'
import {
  add,
  addDims,
  type Dim,
  Graph,
  iota,
  sum,
  type Tensor,
  transpose,
} from '../../../src/ml/graph/index.js'
import {
  alibiSlopes,
  attention,
  causalMask,
  convolution,
  convolutionChannelsLast,
  depthwiseChannelsLast,
  lengthMask,
  multiHeadAttention,
  type Parameters,
  rotary,
  rotaryTables,
  sampleClass,
} from '../../../src/ml/layers/index.js'
import { ctcLoss } from '../../../src/ml/losses/index.js'
import { evaluate, floats, integers } from '../../../src/ml/session/evaluate.js'
import type { TensorValues } from '../../../src/ml/session/session.js'
import { Random } from '../../../src/ml/train/random.js'

/** Weights drawn by name, the same in every graph. */
function drawn(graph: Graph, prefix = ''): Parameters {
  return {
    graph,
    get: (name, shape) => {
      const random = Random.named(7, prefix + name)
      const count = shape.reduce((product, size) => product * size, 1)
      return graph.constant(
        Float32Array.from({ length: count }, () => random.normal() / 4),
        shape,
      )
    },
    at: (name) => drawn(graph, `${prefix}${name}.`),
  }
}

const dataOf = (values: TensorValues, name: string): Float32Array => {
  const data = values[name]?.data
  if (!(data instanceof Float32Array)) throw new Error(`no ${name}`)
  return data
}

const draws = (count: number, seed: number): Float32Array => {
  const random = new Random(seed)
  return Float32Array.from({ length: count }, () => random.normal())
}

function expectNear(actual: ArrayLike<number> | undefined, expected: ArrayLike<number>, within = 1e-5): void {
  expect(actual?.length).toBe(expected.length)
  for (let i = 0; i < expected.length; i++)
    expect(Math.abs((actual?.[i] ?? Number.NaN) - (expected[i] ?? 0))).toBeLessThanOrEqual(within)
}

describe('attention', () => {
  const WIDTH = 16
  const TIME = 7

  /** A causal step with rotary positions over `new` frames after `past` ones. */
  function causal(graph: Graph, fresh: Dim, past: Dim) {
    const x = graph.input('x', 'float32', [1, fresh, WIDTH])
    const key = graph.input('pastKey', 'float32', [1, 2, past, 4])
    const value = graph.input('pastValue', 'float32', [1, 2, past, 4])
    const seen = graph.input('seen', 'int64', [])
    const tables = rotaryTables(add(iota(x, fresh), seen), 4)
    const { output, present } = multiHeadAttention(drawn(graph), x, {
      heads: 4,
      keyValueHeads: 2,
      past: { key, value },
      mask: causalMask(x, fresh, addDims(fresh, past), seen),
      rotate: (t) => rotary(t, tables),
    })
    graph.output('y', output)
    graph.output('key', present.key)
    graph.output('value', present.value)
    return graph
  }

  it('frame by frame with a cache is the whole at once', async () => {
    const frames = draws(TIME * WIDTH, 1)
    const nothing = floats([1, 2, 0, 4], [])
    const whole = await evaluate(causal(new Graph(), TIME, 0), {
      x: floats([1, TIME, WIDTH], frames),
      pastKey: nothing,
      pastValue: nothing,
      seen: integers([], [0]),
    })
    const step = causal(new Graph(), 1, 'past')
    let [pastKey, pastValue] = [nothing, nothing]
    for (let t = 0; t < TIME; t++) {
      const part = await evaluate(step, {
        x: floats([1, 1, WIDTH], frames.slice(t * WIDTH, (t + 1) * WIDTH)),
        pastKey,
        pastValue,
        seen: integers([], [t]),
      })
      expectNear(part.y?.data as Float32Array, dataOf(whole, 'y').slice(t * WIDTH, (t + 1) * WIDTH))
      if (part.key === undefined || part.value === undefined) throw new Error('no cache')
      pastKey = part.key
      pastValue = part.value
    }
    expect(pastKey.shape).toEqual([1, 2, TIME, 4])
  })

  it('does not see what lies beyond a row’s length', async () => {
    const graph = new Graph()
    const q = graph.input('q', 'float32', [2, 1, 3, 4])
    const k = graph.input('k', 'float32', [2, 1, 5, 4])
    const mask = lengthMask(graph.input('lengths', 'int64', [2]), 5)
    graph.output('y', attention(q, k, k, { mask }))
    const keys = draws(40, 3)
    const inputs = { q: floats([2, 1, 3, 4], draws(24, 2)), lengths: integers([2], [5, 2]) }
    const before = await evaluate(graph, { ...inputs, k: floats([2, 1, 5, 4], keys) })
    keys.fill(99, 28)
    const after = await evaluate(graph, { ...inputs, k: floats([2, 1, 5, 4], keys) })
    expect(after.y?.data).toEqual(before.y?.data)
  })

  it('rotary scores depend on the distance alone', async () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [1, 1, 1, 8])
    const places = graph.input('places', 'int64', [1])
    graph.output('y', rotary(x, rotaryTables(places, 8)))
    const at = async (values: Float32Array, place: number): Promise<Float32Array> =>
      (await evaluate(graph, { x: floats([1, 1, 1, 8], values), places: integers([1], [place]) })).y
        ?.data as Float32Array
    const [q, k] = [draws(8, 4), draws(8, 5)]
    const score = async (i: number, j: number): Promise<number> => {
      const [a, b] = [await at(q, i), await at(k, j)]
      return a.reduce((total, value, n) => total + value * (b[n] ?? 0), 0)
    }
    expect(await score(9, 4)).toBeCloseTo(await score(105, 100), 4)
    expect(Math.abs((await score(9, 4)) - (await score(9, 5)))).toBeGreaterThan(1e-3)
  })

  it('ALiBi slopes are the published ones', () => {
    expect(Array.from(alibiSlopes(8))).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => 2 ** -i))
    expectNear(
      alibiSlopes(12).slice(8),
      [0, 2, 4, 6].map((i) => 2 ** (-(i + 1) / 2)),
    )
  })
})

describe('channels-last convolutions', () => {
  const first = (x: Tensor): Tensor => transpose(x, [0, 2, 1])

  it.each([
    [3, 1, 1],
    [5, 2, 0],
    [10, 5, 0],
    [2, 3, 2],
    [4, 4, 1],
  ])('kernel %i, stride %i, padding %i', async (kernel, stride, padding) => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2, 23, 3])
    graph.output('a', convolutionChannelsLast(drawn(graph), x, 4, kernel, { stride, padding }))
    graph.output('b', first(convolution(drawn(graph), first(x), 4, [kernel], { stride, padding })))
    const { a, b } = await evaluate(graph, { x: floats([2, 23, 3], draws(138, 1)) })
    expect(a?.shape).toEqual(b?.shape)
    expectNear(a?.data as Float32Array, b?.data as Float32Array)
  })

  it('depthwise keeps channels apart', async () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [1, 6, 3])
    graph.output('y', depthwiseChannelsLast(drawn(graph), x, 5))
    const values = draws(18, 1)
    const before = (await evaluate(graph, { x: floats([1, 6, 3], values) })).y?.data as Float32Array
    const after = (
      await evaluate(graph, {
        x: floats(
          [1, 6, 3],
          values.map((value, i) => (i % 3 === 1 ? value + 1 : value)),
        ),
      })
    ).y?.data as Float32Array
    before.forEach((value, i) => {
      if (i % 3 === 1) expect(after[i]).not.toBe(value)
      else expect(after[i]).toBe(value)
    })
  })
})

describe('CTC', () => {
  /** -log of the sum over every alignment, by trying them all. */
  function bruteForce(
    logits: Float32Array,
    frames: number,
    classes: number,
    target: readonly number[],
  ): number {
    const rows = Array.from({ length: frames }, (_, t) => {
      const row = Array.from(logits.slice(t * classes, (t + 1) * classes), Number)
      const total = Math.log(row.reduce((z, value) => z + Math.exp(value), 0))
      return row.map((value) => value - total)
    })
    let likelihood = 0
    for (let path = 0; path < classes ** frames; path++) {
      const labels = Array.from({ length: frames }, (_, t) => Math.floor(path / classes ** t) % classes)
      const spelt = labels.filter((label, t) => label !== 0 && label !== labels[t - 1])
      if (spelt.join() === target.join())
        likelihood += Math.exp(labels.reduce((logP, label, t) => logP + (rows[t]?.[label] ?? 0), 0))
    }
    return -Math.log(likelihood)
  }

  const build = (batch: number, time: number, classes: number, labels: number): Graph => {
    const graph = new Graph()
    const logits = graph.input('logits', 'float32', [batch, time, classes])
    const ctc = ctcLoss(
      logits,
      graph.input('targets', 'int64', [batch, labels]),
      graph.input('frames', 'int64', [batch]),
      graph.input('labels', 'int64', [batch]),
    )
    graph.output('each', ctc.each)
    const [gradient] = gradients(sum(ctc.each), [logits])
    if (gradient === undefined) throw new Error('nothing')
    graph.output('gradient', gradient)
    return graph
  }

  it('is the sum over all alignments', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 3 }),
        async (seed, frames, target) => {
          const time = frames + 1
          const logits = draws(time * 3, seed).map((value) => 3 * value)
          const padded = [...target, 1, 1, 1].slice(0, 3)
          const { each } = await evaluate(build(1, time, 3, 3), {
            logits: floats([1, time, 3], logits),
            targets: integers([1, 3], padded),
            frames: integers([1], [frames]),
            labels: integers([1], [target.length]),
          })
          const expected = bruteForce(logits, frames, 3, target)
          const actual = Number(each?.data[0])
          if (Number.isFinite(expected))
            expect(Math.abs(actual - expected)).toBeLessThan(1e-4 * (1 + expected))
          else expect(actual).toBe(Number.POSITIVE_INFINITY)
        },
      ),
      { numRuns: 15 },
    )
  })

  it('keeps its precision over a minute of frames: each frame’s gradient sums to nothing', async () => {
    const [time, classes, labels] = [1500, 29, 120]
    const random = new Random(5)
    const { each, gradient } = await evaluate(build(1, time, classes, labels), {
      logits: floats(
        [1, time, classes],
        draws(time * classes, 6).map((value) => 4 * value),
      ),
      targets: integers(
        [1, labels],
        Array.from({ length: labels }, () => 1 + random.below(classes - 1)),
      ),
      frames: integers([1], [time]),
      labels: integers([1], [labels]),
    })
    expect(Number(each?.data[0])).toBeGreaterThan(1000)
    const slopes = gradient?.data as Float32Array
    for (let t = 0; t < time; t++) {
      const row = slopes.slice(t * classes, (t + 1) * classes)
      expect(Math.abs(row.reduce((total, value) => total + value, 0))).toBeLessThan(1e-5)
    }
  })
})

describe('sampling', () => {
  it('draws classes by their probability, and never a removed one', () => {
    const random = new Random(1)
    const logits = Float32Array.of(Math.log(1), Number.NEGATIVE_INFINITY, Math.log(3))
    const counts = [0, 0, 0]
    for (let i = 0; i < 4000; i++) {
      const drawn = sampleClass(logits, random.uniform())
      counts[drawn] = (counts[drawn] ?? 0) + 1
    }
    expect(counts[1]).toBe(0)
    // Three quarters of 4,000, within five deviations.
    expect(Math.abs((counts[2] ?? 0) - 3000)).toBeLessThan(137)
    expect(sampleClass(logits, 1 - 2 ** -32)).toBe(2)
  })
})
