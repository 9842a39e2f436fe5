/** Shapes: symbolic arithmetic, the rules of operations, and complaints that name operation and shapes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gradients } from '../../../src/ml/autodiff/index.js'
import {
  add,
  addDims,
  affine,
  concat,
  conv,
  type Dim,
  evaluateDim,
  expand,
  floorDivideDim,
  Graph,
  gather,
  matmul,
  mergeAxes,
  mul,
  multiplyDims,
  reshape,
  ShapeError,
  slice,
  split,
  subtractDims,
  sum,
  transpose,
} from '../../../src/ml/graph/index.js'
import { StoredWeights } from '../../../src/ml/layers/index.js'
import { evaluate, floats } from '../../../src/ml/session/evaluate.js'

describe('symbolic dimensions', () => {
  it('compare equal where they are', () => {
    expect(subtractDims(addDims('time', 1), 1)).toBe('time')
    expect(addDims(addDims('b', 'a'), 'b')).toBe('a+2*b')
    expect(multiplyDims(addDims('time', 2), 'batch')).toBe('2*batch+batch*time')
    expect(floorDivideDim(multiplyDims('time', 4), 2)).toBe('2*time')
    expect(floorDivideDim(addDims('time', -10), 5)).toBe('floor((time-10)/5)')
    expect(subtractDims('time', 'time')).toBe(0)
  })

  it('mean what they say', () => {
    const step = fc.oneof(
      fc.tuple(fc.constant('add'), fc.integer({ min: -9, max: 9 })),
      fc.tuple(fc.constant('times'), fc.integer({ min: 1, max: 4 })),
      fc.tuple(fc.constant('over'), fc.integer({ min: 1, max: 5 })),
      fc.tuple(fc.constant('plus b'), fc.constant(0)),
      fc.tuple(fc.constant('times b'), fc.constant(0)),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 7 }), fc.nat(500), fc.nat(9), (steps, a, b) => {
        let dim: Dim = 'a'
        let value = a
        for (const [kind, n] of steps) {
          if (kind === 'add') [dim, value] = [addDims(dim, n), value + n]
          if (kind === 'times') [dim, value] = [multiplyDims(dim, n), value * n]
          if (kind === 'over') [dim, value] = [floorDivideDim(dim, n), Math.floor(value / n)]
          if (kind === 'plus b') [dim, value] = [addDims(dim, 'b'), value + b]
          if (kind === 'times b') [dim, value] = [multiplyDims(dim, 'b'), value * b]
        }
        expect(evaluateDim(dim, { a, b }) + 0).toBe(value + 0)
      }),
    )
    expect(() => evaluateDim('time+1', {})).toThrow(/time has no value/)
  })
})

describe('shapes checked while a graph is built', () => {
  const graph = new Graph()
  const x = graph.input('x', 'float32', [2, 3])
  const y = graph.input('y', 'float32', [4, 3])
  const ids = graph.input('ids', 'int64', [2])
  const t = graph.input('t', 'float32', ['batch', 'time', 8])

  it.each([
    ['add', () => add(x, y), /add: sizes 2 and 4 do not broadcast \(\[2, 3\], \[4, 3\]\)/],
    ['add of two types', () => add(x, ids), /add: mixes float32 and int64/],
    ['matmul', () => matmul(x, y), /matmul: inner sizes 3 and 4 differ \(\[2, 3\], \[4, 3\]\)/],
    ['linear', () => affine(x, t), /linear: rows have 3 values/],
    ['reshape', () => reshape(x, [4, 2]), /reshape: the number of elements differs \(\[2, 3\], \[4, 2\]\)/],
    ['transpose', () => transpose(x, [0, 0]), /transpose: \[0, 0\] is no order of its axes/],
    ['concat', () => concat([x, y], 1), /concat: shapes differ outside axis 1/],
    ['split', () => split(x, [1, 1], 1), /split: pieces \[1, 1\] of axis 1 do not make 3/],
    ['slice', () => slice(x, 1, 0, 9), /slice: \[0:9:1\] does not lie in axis 1/],
    ['axis', () => sum(x, { axes: [2] }), /sum: has no axis 2 \(\[2, 3\]\)/],
    ['gather', () => gather(x, y), /gather: indices are int64, not float32/],
    ['expand', () => expand(x, [3, 3]), /expand: sizes 2 and 3 do not broadcast/],
    [
      'symbolic sizes',
      () => add(t, graph.input('u', 'float32', ['batch', 'other', 8])),
      /sizes time and other/,
    ],
    ['gradients of a vector', () => gradients(x, [x]), /gradients: the loss is a scalar \(\[2, 3\]\)/],
    [
      'conv groups',
      () =>
        conv(graph.input('c', 'float32', [1, 4, 9]), graph.input('w', 'float32', [6, 4, 3]), undefined, {
          groups: 2,
        }),
      /conv: channels do not fit 2 groups \(\[1, 4, 9\], \[6, 4, 3\]\)/,
    ],
    [
      'conv kernel',
      () => conv(graph.input('d', 'float32', [1, 4, 2]), graph.input('v', 'float32', [6, 4, 3])),
      /a kernel that reaches 3 over 2/,
    ],
  ])('%s', (_name, build, message) => {
    const complaint = (() => {
      try {
        return build()
      } catch (error) {
        return error
      }
    })()
    expect(complaint).toBeInstanceOf(ShapeError)
    expect(String(complaint)).toMatch(message)
  })

  it('say where', () => {
    expect(() => graph.scoped('encoder', () => graph.scoped('layer3', () => add(x, y)))).toThrow(
      /^in encoder\.layer3: add: sizes/,
    )
  })

  it('keep graphs apart', () => {
    expect(() => add(x, new Graph().input('z', 'float32', [2, 3]))).toThrow(/belongs to another graph/)
    expect(() => graph.input('x', 'float32', [1])).toThrow(/two tensors are called x/)
  })

  it('name an operation without a gradient', () => {
    const loss = sum(graph.emitOne('Round', [x], { dtype: 'float32', shape: x.shape }))
    expect(() => gradients(loss, [x])).toThrow(/Round has no gradient/)
  })
})

describe('graphs with sizes known at run time', () => {
  it('run at any size, and so do their gradients', async () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', ['batch', 'time', 4])
    const w = graph.input('w', 'float32', [2, 4])
    const y = affine(x, w)
    const heads = transpose(reshape(y, ['batch', 'time', 2, 1]), [0, 2, 1, 3])
    const rows = mergeAxes(heads, 0, 2)
    const back = reshape(mergeAxes(rows, 0, 2), ['batch', 2, 'time', 1])
    graph.output('y', back)
    const [toX, toW] = gradients(sum(mul(back, back)), [x, w])
    if (toX === undefined || toW === undefined) throw new Error('nothing')
    graph.output('toX', toX)
    graph.output('toW', toW)
    for (const [batch, time] of [
      [1, 3],
      [3, 2],
    ] as const) {
      const count = batch * time * 4
      const results = await evaluate(graph, {
        x: floats(
          [batch, time, 4],
          Array.from({ length: count }, (_, i) => i),
        ),
        w: floats([2, 4], [1, 0, 0, 0, 0, 0, 0, 1]),
      })
      expect(results.y?.shape).toEqual([batch, 2, time, 1])
      expect(results.y?.data[1]).toBe(4)
      expect(results.toX?.shape).toEqual([batch, time, 4])
      // d/dx of sum x0^2 + x3^2.
      expect(Array.from(results.toX?.data as Float32Array)).toEqual(
        Array.from({ length: count }, (_, i) => (i % 4 === 0 || i % 4 === 3 ? 2 * i : 0)),
      )
    }
  })

  it('convolve along time', async () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [1, 1, 'time'])
    const w = graph.constant(Float32Array.of(1, 1, 1), [1, 1, 3])
    const y = conv(x, w, undefined, { stride: 2 })
    expect(y.shape).toEqual([1, 1, 'floor((time-3)/2)+1'])
    graph.output('y', y)
    const { y: result } = await evaluate(graph, { x: floats([1, 1, 6], [1, 2, 3, 4, 5, 6]) })
    expect(Array.from(result?.data as Float32Array)).toEqual([6, 12])
  })
})

describe('stored weights', () => {
  it('name what is missing or of the wrong shape, and what was used', async () => {
    const graph = new Graph()
    const half = { kind: 'inline', data: Uint16Array.of(0x3c00, 0xc000) } as const
    const stored = new StoredWeights(graph, (name) =>
      name === 'a.weight' ? { dtype: 'float16', shape: [2], source: half } : undefined,
    )
    const p = stored.parameters()
    expect(() => p.at('b').get('weight', [3])).toThrow(/the checkpoint lacks b\.weight \[3\]/)
    expect(() => p.at('a').get('weight', [3])).toThrow(
      /a\.weight is \[2\] in the checkpoint, the model needs \[3\]/,
    )
    graph.output('wide', p.at('a').get('weight', [2]))
    expect([...stored.used]).toEqual(['a.weight'])
    const { wide } = await evaluate(graph, {})
    expect(Array.from(wide?.data as Float32Array)).toEqual([1, -2])
  })
})
