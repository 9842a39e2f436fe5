/** The writer against an independent decoder of the format, and weights that stay in their files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onnx } from 'onnx-proto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SafetensorsFile } from '../../../src/ml/files/safetensors-reader.js'
import { writeSafetensors } from '../../../src/ml/files/safetensors-writer.js'
import {
  add,
  affine,
  conv,
  Graph,
  gelu,
  matmul,
  reachableNodes,
  scan,
  type Tensor,
} from '../../../src/ml/graph/index.js'
import { linear, StoredWeights } from '../../../src/ml/layers/index.js'
import { encodeModel, quantise } from '../../../src/ml/onnx/index.js'
import { evaluate, floats } from '../../../src/ml/session/evaluate.js'
import { Session, type TensorValue } from '../../../src/ml/session/session.js'
import { Random } from '../../../src/ml/train/random.js'

describe('an encoded model', () => {
  const graph = new Graph('example')
  const x = graph.input('x', 'float32', ['batch', 3])
  const w = graph.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2])
  graph.output('y', gelu(matmul(x, w, { scale: -0.5 })))
  matmul(x, w)
  const model = onnx.ModelProto.decode(encodeModel(graph))

  it('reads back with the published schema', () => {
    expect(Number(model.irVersion)).toBe(10)
    expect(model.opsetImport.map(({ domain, version }) => [domain, Number(version)])).toEqual([
      ['', 21],
      ['com.microsoft', 1],
    ])
    expect(model.graph?.name).toBe('example')
    const [product, activation] = model.graph?.node ?? []
    expect([product?.opType, product?.domain]).toEqual(['FusedMatMul', 'com.microsoft'])
    const alpha = product?.attribute?.find(({ name }) => name === 'alpha')
    expect([alpha?.f, alpha?.type]).toEqual([-0.5, onnx.AttributeProto.AttributeType.FLOAT])
    expect(activation?.opType).toBe('Gelu')
    expect(activation?.input).toEqual(product?.output)
  })

  it('names sizes that are not known, and leaves out what no output needs', () => {
    const dims = model.graph?.input?.[0]?.type?.tensorType?.shape?.dim ?? []
    expect(dims[0]?.dimParam).toBe('batch')
    expect(Number(dims[1]?.dimValue)).toBe(3)
    expect(model.graph?.node?.map(({ opType }) => opType)).toEqual(['FusedMatMul', 'Gelu', 'Identity'])
    const [weight] = model.graph?.initializer ?? []
    expect(weight?.dims?.map(Number)).toEqual([3, 2])
    expect(weight?.rawData?.byteLength).toBe(24)
  })

  it('carries graphs within graphs', async () => {
    const outer = new Graph('outer')
    let sequence = outer.input('sequence', 'float32', ['time', 2])
    // As many names in the outer graph as the inner one could think of.
    for (let i = 0; i < 10; i++) sequence = add(sequence, 0)
    const start = outer.constant(Float32Array.of(0, 0), [2])
    const { states, collected } = scan([start], [sequence], ([state], [frame]) => {
      if (!state || !frame) throw new Error('nothing')
      const next = add(state, frame)
      return { states: [next], collected: [next] }
    })
    const [total] = states
    const [running] = collected
    if (!total || !running) throw new Error('nothing')
    outer.output('total', total)
    outer.output('running', running)
    const results = await evaluate(outer, { sequence: floats([3, 2], [1, 2, 3, 4, 5, 6]) })
    expect(Array.from(results.total?.data as Float32Array)).toEqual([9, 12])
    expect(Array.from(results.running?.data as Float32Array)).toEqual([1, 2, 4, 6, 9, 12])
  })
})

describe('weights beside the model', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'plumbline-engine-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('are read from a safetensors file where they lie', async () => {
    const random = new Random(1)
    const weight = Float32Array.from({ length: 12 }, () => random.normal())
    const bias = Float32Array.from({ length: 3 }, () => random.normal())
    const bytes = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer)
    const path = join(folder, 'model.safetensors')
    await writeSafetensors(path, [
      { name: 'head.bias', dtype: 'F32', shape: [3], data: bytes(bias) },
      { name: 'head.weight', dtype: 'F32', shape: [3, 4], data: bytes(weight) },
    ])
    const file = await SafetensorsFile.open(path)
    const build = (external: boolean): Graph => {
      const graph = new Graph()
      const stored = new StoredWeights(graph, (name) => {
        const entry = file.tensors.get(name)
        if (entry === undefined) return undefined
        const data = name === 'head.bias' ? bias : weight
        return {
          dtype: 'float32',
          shape: [...entry.shape],
          source: external
            ? {
                kind: 'external',
                location: 'model.safetensors',
                offset: entry.position,
                length: data.byteLength,
              }
            : { kind: 'inline', data },
        }
      })
      graph.output('y', linear(stored.parameters().at('head'), graph.input('x', 'float32', [2, 4]), 3))
      return graph
    }
    const inputs = { x: floats([2, 4], [1, 2, 3, 4, -1, 0, 1, 2]) }
    const inline = await evaluate(build(false), inputs)
    const model = encodeModel(build(true))
    expect(model.byteLength).toBeLessThan(700)
    await writeFile(join(folder, 'model.onnx'), model)
    const session = await Session.open(join(folder, 'model.onnx'))
    expect((await session.run(inputs)).y?.data).toEqual(inline.y?.data)
    await session.close()
    await file.close()
  })
})

const outputsOf = (graph: Graph): readonly Tensor[] => graph.outputs.map(({ tensor }) => tensor)

/** Of the difference to the first value, over the first. */
function distance(before: TensorValue | undefined, after: TensorValue | undefined): number {
  const [a, b] = [before, after].map((value) => Array.from((value?.data ?? []) as Float32Array))
  if (a === undefined || b === undefined || a.length === 0 || a.length !== b.length) return Number.NaN
  const size = (values: readonly number[]): number =>
    Math.sqrt(values.reduce((total, x) => total + x ** 2, 0))
  return size(a.map((value, i) => value - (b[i] ?? 0))) / size(a)
}

describe('dynamic int8', () => {
  function build(random: Random): Graph {
    const graph = new Graph()
    let x = graph.input('x', 'float32', ['batch', 64])
    for (const name of ['a', 'b']) {
      const values = Float32Array.from({ length: 64 * 64 }, () => random.normal() / 8)
      const weight = graph.initializer(name, 'float32', [64, 64], { kind: 'inline', data: values })
      x = gelu(affine(x, weight, graph.constant(new Float32Array(64).fill(0.1), [64])))
    }
    const square = graph.initializer('c', 'float32', [64, 64], {
      kind: 'inline',
      data: Float32Array.from({ length: 64 * 64 }, () => random.normal() / 8),
    })
    graph.output('y', matmul(x, square, { transposeB: true, scale: 3 }))
    return graph
  }

  it('stays within its rounding of the float graph, in a quarter of the bytes', async () => {
    const inputs = {
      x: floats(
        [5, 64],
        Float32Array.from({ length: 320 }, (_, i) => Math.sin(i)),
      ),
    }
    const before = (await evaluate(build(new Random(2)), inputs)).y?.data as Float32Array
    const graph = build(new Random(2))
    const report = quantise(graph)
    expect(report.weights).toEqual(['a', 'b', 'c'])
    expect(report.bytesAfter / report.bytesBefore).toBeLessThan(0.27)
    expect(encodeModel(graph).byteLength).toBeLessThan(0.35 * encodeModel(build(new Random(2))).byteLength)
    const after = (await evaluate(graph, inputs)).y?.data as Float32Array
    const size = Math.sqrt(before.reduce((total, value) => total + value ** 2, 0))
    const error = Math.sqrt(before.reduce((total, value, i) => total + (value - (after[i] ?? 0)) ** 2, 0))
    expect(error / size).toBeLessThan(0.02)
    expect(error).toBeGreaterThan(0)
  })

  it.each([
    { taps: 3, stride: 2, frames: 31 },
    { taps: 2, stride: 2, frames: 24 },
    { taps: 1, stride: 1, frames: 9 },
    { taps: 5, stride: 3, frames: 40 },
  ])('makes products of convolutions over time: %o', async ({ taps, stride, frames }) => {
    const channels = 24
    const random = new Random(4)
    const weights = Array.from({ length: 2 }, () =>
      Float32Array.from({ length: channels * channels * taps }, () => random.normal() / 8),
    )
    const bias = Float32Array.from({ length: channels }, () => random.normal())
    const convolutions = (): Graph => {
      const graph = new Graph()
      let x = graph.input('x', 'float32', ['batch', channels, 'frames'])
      weights.forEach((data, i) => {
        const weight = graph.initializer(`w${i}`, 'float32', [channels, channels, taps], {
          kind: 'inline',
          data,
        })
        x = gelu(conv(x, weight, graph.constant(bias, [channels]), { stride }))
      })
      graph.output('y', x)
      return graph
    }
    const inputs = {
      x: floats(
        [2, channels, frames],
        Float32Array.from({ length: 2 * channels * frames }, () => random.normal()),
      ),
    }
    const before = (await evaluate(convolutions(), inputs)).y
    const graph = convolutions()
    expect(quantise(graph, { least: 1 }).weights).toEqual(['w0', 'w1'])
    expect(graph.nodes.some(({ op }) => op === 'Conv')).toBe(false)
    // Between the two, frames stay as they lie: one turn at the beginning and one at the end.
    expect(reachableNodes(graph, outputsOf(graph)).filter(({ op }) => op === 'Transpose')).toHaveLength(2)
    const after = (await evaluate(graph, inputs)).y
    expect(after?.shape).toEqual(before?.shape)
    expect(distance(before, after)).toBeLessThan(0.03)
    expect(distance(before, after)).toBeGreaterThan(0)
  })

  it('leaves convolutions alone that pad, dilate, fall into groups or hear raw sound', () => {
    const graph = new Graph()
    const build = (name: string, channels: number, options: object, groups = 1): void => {
      const shape = [16, channels / groups, 3]
      const data = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(1)
      const weight = graph.initializer(`${name}.weight`, 'float32', shape, { kind: 'inline', data })
      const x = graph.input(name, 'float32', [1, channels, 'frames'])
      graph.output(`${name}.y`, conv(x, weight, undefined, { ...options, groups }))
    }
    build('padded', 16, { padding: 1 })
    build('dilated', 16, { dilation: 2 })
    build('grouped', 16, {}, 2)
    build('sound', 1, {})
    expect(quantise(graph, { least: 1 }).weights).toEqual([])
  })

  it('clips nothing where large inputs meet large weights, on any processor', async () => {
    const graph = new Graph()
    const [inner, outer] = [64, 16]
    const data = Float32Array.from({ length: inner * outer }, (_, i) => (i % 3 === 0 ? 1 : 0.9))
    const weight = graph.initializer('w', 'float32', [inner, outer], { kind: 'inline', data })
    graph.output('y', matmul(graph.input('x', 'float32', [4, inner]), weight))
    const inputs = { x: floats([4, inner], new Float32Array(4 * inner).fill(1)) }
    const before = (await evaluate(graph, inputs)).y
    quantise(graph, { least: 1 })
    expect(distance(before, (await evaluate(graph, inputs)).y)).toBeLessThan(0.01)
  })

  it('leaves alone what it is told to, and what is small', () => {
    expect(quantise(build(new Random(2)), { keep: (name) => name !== 'b' }).weights).toEqual(['b'])
    expect(quantise(build(new Random(2)), { least: 5000 }).weights).toEqual([])
  })
})
