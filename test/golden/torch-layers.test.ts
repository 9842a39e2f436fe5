/** Rotary positions, ALiBi, SwiGLU and RMS norm against PyTorch (test/fixtures/torch-layers/reference.py). */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { gradients } from '../../src/ml/autodiff/index.js'
import { Graph, mul, sum, type Tensor } from '../../src/ml/graph/index.js'
import {
  alibiBias,
  alibiSlopes,
  attention,
  type Parameters,
  type RotaryPairs,
  rmsNorm,
  rotary,
  rotaryTables,
  swiGlu,
} from '../../src/ml/layers/index.js'
import { evaluate, floats } from '../../src/ml/session/evaluate.js'
import { expectClose } from './engine-case.js'

interface Numbers {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

interface Reference {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  readonly inputs: Readonly<Record<string, Numbers>>
  readonly output: Numbers
  readonly cotangent: Numbers
  readonly gradients: Readonly<Record<string, Numbers>>
}

const path = fileURLToPath(new URL('../fixtures/torch-layers/reference.json', import.meta.url))
const { cases } = JSON.parse(readFileSync(path, 'utf8')) as { readonly cases: readonly Reference[] }
/** float32 against float64; an angle, a float32 itself, is off by half its last digit. */
const toleranceOf = ({ positions = [] }: Options) => ({
  rtol: 5e-6 + Math.max(0, ...(positions as readonly number[])) * 2 ** -24,
  atol: 1e-7,
})

type Inputs = (name: string) => Tensor
type Options = Reference['options']

/** Parameters by the reference's names. */
function parametersOf(input: Inputs, names: Readonly<Record<string, string>>): Parameters {
  const under = (prefix: string): Parameters => ({
    graph: input('x').graph,
    get: (name) => input(names[prefix + name] ?? prefix + name),
    at: (name) => under(`${prefix}${name}.`),
  })
  return under('')
}

const places = (graph: Graph, values: readonly number[]): Tensor =>
  graph.constant(BigInt64Array.from(values, BigInt), [values.length])
const upTo = (count = 0): readonly number[] => Array.from({ length: count }, (_, i) => i)

const layers: Readonly<Record<string, (input: Inputs, options: Options) => Tensor>> = {
  rope: (input, { pairs, positions, base }) => {
    const x = input('x')
    const tables = rotaryTables(
      places(x.graph, positions as readonly number[]),
      Number(x.shape.at(-1)),
      base as number,
    )
    return rotary(x, tables, pairs as RotaryPairs)
  },
  alibi: (input) => {
    const [q, k, v] = [input('q'), input('k'), input('v')]
    const queries = places(q.graph, upTo(Number(q.shape[2])))
    const keys = places(q.graph, upTo(Number(k.shape[2])))
    return attention(q, k, v, { bias: alibiBias(input('slopes'), queries, keys) })
  },
  swiglu: (input, { inner }) =>
    swiGlu(
      parametersOf(input, {
        'gate_proj.weight': 'gate',
        'up_proj.weight': 'up',
        'down_proj.weight': 'down',
      }),
      input('x'),
      inner as number,
    ),
  'rms-norm': (input, { epsilon }) => rmsNorm(parametersOf(input, {}), input('x'), epsilon as number),
}

describe('layers against PyTorch', () => {
  it('has cases of all of them', () => {
    expect(new Set(cases.map(({ name }) => name))).toEqual(new Set(Object.keys(layers)))
  })

  it.each(cases.map((each) => [each.name, JSON.stringify(each.options), each] as const))(
    '%s %s: value and gradients',
    async (name, _, { options, inputs, output, cotangent, gradients: wanted }) => {
      const graph = new Graph(name)
      const tensors = Object.fromEntries(
        Object.entries(inputs).map(([key, { shape }]) => [key, graph.input(key, 'float32', shape)]),
      )
      const result = layers[name]?.((key) => {
        const tensor = tensors[key]
        if (tensor === undefined) throw new Error(`the reference has no ${key}`)
        return tensor
      }, options)
      if (result === undefined) throw new Error(`no layer ${name}`)
      graph.output('output', result)
      const direction = graph.constant(Float32Array.from(cotangent.data), cotangent.shape)
      const names = Object.keys(inputs)
      gradients(
        sum(mul(result, direction)),
        names.map((key) => tensors[key] as Tensor),
      ).forEach((gradient, i) => {
        graph.output(`gradient.${names[i]}`, gradient)
      })
      const feeds = Object.entries(inputs).map(([key, { shape, data }]) => [key, floats(shape, data)])
      const found = await evaluate(graph, Object.fromEntries(feeds))
      const compare = (key: string, { shape, data }: Numbers): void => {
        const value = found[key]
        if (value === undefined) throw new Error(`no ${key}`)
        expect(value.shape).toEqual(shape)
        expectClose(value.data as Float32Array, floats(shape, data), toleranceOf(options), key)
      }
      compare('output', output)
      expect(Object.keys(wanted)).toEqual(names)
      for (const [key, gradient] of Object.entries(wanted)) compare(`gradient.${key}`, gradient)
    },
  )

  it.each(cases.filter(({ name }) => name === 'alibi').map((each) => [each.options.heads, each] as const))(
    'slopes of %s heads',
    (heads, { inputs: { slopes } }) => {
      if (slopes === undefined) throw new Error('no slopes')
      expectClose(alibiSlopes(heads as number), floats(slopes.shape, slopes.data), { rtol: 1e-7, atol: 0 })
    },
  )
})
