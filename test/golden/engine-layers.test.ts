/** Golden cases of layers (14b): every layer's values and gradients against PyTorch. What is not in the shapes is in the texts. */
import { describe, expect, it } from 'vitest'
import { gradients } from '../../src/ml/autodiff/index.js'
import {
  type ConvOptions,
  conv,
  convTranspose,
  Graph,
  gelu,
  geluTanh,
  glu,
  interpolate,
  iota,
  leakyRelu,
  less,
  logSoftmax,
  mul,
  silu,
  softplus,
  staticDimAt,
  sum,
  type Tensor,
} from '../../src/ml/graph/index.js'
import {
  attention,
  cosineSimilarity,
  groupNorm,
  instanceNorm,
  layerNorm,
  type Parameters,
  positionalConvolution,
  rmsNorm,
  weightNorm,
} from '../../src/ml/layers/index.js'
import { evaluate } from '../../src/ml/session/evaluate.js'
import type { TensorValue } from '../../src/ml/session/session.js'
import { engineCasesOfKind, expectClose, numberAfter, tensorOf } from './engine-case.js'

type Operands = Readonly<Record<string, Tensor>>

function need(operands: Operands, name: string): Tensor {
  const tensor = operands[name]
  if (tensor === undefined) throw new Error(`the tag has no ${name}`)
  return tensor
}

/** Layer parameters by their own names, under the short ones of the case. */
function parametersOf(operands: Operands, names: Readonly<Record<string, string>>): Parameters {
  const p: Parameters = {
    graph: need(operands, 'x').graph,
    get: (name) => need(operands, names[name] ?? name),
    at: () => p,
  }
  return p
}

const WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine']

function convOf(operands: Operands, weight: Tensor, options: ConvOptions): Tensor {
  const x = need(operands, 'x')
  const groups = staticDimAt('x', x.shape, 1) / staticDimAt('w', weight.shape, 1)
  return conv(x, weight, operands.b, { ...options, groups })
}

const plainConv = (operands: Operands, what: string): Tensor =>
  convOf(operands, need(operands, 'w'), {
    stride: numberAfter(what, 'stride', 1),
    padding: numberAfter(what, 'padding', 0),
    dilation: numberAfter(what, 'dilation', 1),
  })

const affineNames = { weight: 'w', bias: 'b' }
const transposed = (o: Operands, what: string): Tensor =>
  convTranspose(need(o, 'x'), need(o, 'w'), o.b, {
    stride: numberAfter(what, 'stride', 1),
    padding: numberAfter(what, 'padding', 0),
  })
const unary = (f: (x: Tensor) => Tensor) => (o: Operands) => f(need(o, 'x'))
const layer = (o: Operands, what: string): Tensor =>
  layerNorm(parametersOf(o, affineNames), need(o, 'x'), numberAfter(what, 'eps'))

const layers: Readonly<Record<string, (o: Operands, what: string, y: TensorValue) => Tensor>> = {
  attention_masked: (o, what) => {
    const k = need(o, 'k')
    const hidden = WORDS.indexOf(/last (\w+) keys/.exec(what)?.[1] ?? '')
    const keys = staticDimAt('k', k.shape, 2)
    return attention(need(o, 'q'), k, need(o, 'v'), { mask: less(iota(k, keys), keys - hidden) })
  },
  conv1d_stride: plainConv,
  conv2d_grouped: plainConv,
  grouped_conv1d_even: plainConv,
  conv2d_asym: (o, what) => {
    const after = numberAfter(what, 'right/bottom')
    return convOf(o, need(o, 'w'), {
      stride: numberAfter(what, 'stride'),
      padding: [
        [0, after],
        [0, after],
      ],
    })
  },
  conv_transpose1d: transposed,
  conv_transpose1d_odd: transposed,
  cosine_similarity: (o, what) => cosineSimilarity(need(o, 'x'), need(o, 'z'), numberAfter(what, 'eps')),
  gelu_exact: unary(gelu),
  gelu_tanh: unary(geluTanh),
  glu: (o, what) => glu(need(o, 'x'), numberAfter(what, 'axis')),
  group_norm: (o, what) =>
    groupNorm(
      parametersOf(o, affineNames),
      need(o, 'x'),
      Number(/(\d+) groups/.exec(what)?.[1]),
      numberAfter(what, 'eps'),
    ),
  group_norm_channel: (o, what) =>
    groupNorm(
      parametersOf(o, affineNames),
      need(o, 'x'),
      staticDimAt('x', need(o, 'x').shape, 1),
      numberAfter(what, 'eps'),
    ),
  instance_norm: (o, what) => instanceNorm(need(o, 'x'), numberAfter(what, 'eps')),
  interpolate_bilinear: (o, _what, y) =>
    interpolate(need(o, 'x'), [y.shape.at(-2) ?? 0, y.shape.at(-1) ?? 0], 'bilinear'),
  interpolate_nearest: (o, _what, y) =>
    interpolate(need(o, 'x'), [y.shape.at(-2) ?? 0, y.shape.at(-1) ?? 0], 'nearest'),
  layer_norm: layer,
  layer_norm_1e12: layer,
  leaky_relu: (o, what) => leakyRelu(need(o, 'x'), numberAfter(what, 'slope')),
  log_softmax: unary(logSoftmax),
  positional_conv: (o) => {
    const v = need(o, 'weight_v')
    const groups = staticDimAt('x', need(o, 'x').shape, 1) / staticDimAt('v', v.shape, 1)
    return positionalConvolution(
      parametersOf(o, { bias: 'b' }),
      need(o, 'x'),
      staticDimAt('v', v.shape, 2),
      groups,
    )
  },
  rms_norm: (o, what) => rmsNorm(parametersOf(o, affineNames), need(o, 'x'), numberAfter(what, 'eps')),
  silu: unary(silu),
  softplus: unary(softplus),
  weight_norm_dim0: (o, what) =>
    convOf(o, weightNorm(need(o, 'weight_v'), need(o, 'weight_g'), numberAfter(what, 'dim')), {
      dilation: numberAfter(what, 'dilation', 1),
      padding: numberAfter(what, 'padding', 0),
      stride: numberAfter(what, 'stride', 1),
    }),
}

describe.each(engineCasesOfKind('layers'))('golden $name: layers', (golden) => {
  const tags = [...new Set(Object.keys(golden.tensors).map((name) => name.split('.')[0] ?? ''))].sort()

  it('knows every layer of the case', () => {
    expect(tags.filter((tag) => layers[tag] === undefined)).toEqual([])
    expect(tags.length).toBeGreaterThan(0)
  })

  it.each(tags)('%s', async (tag) => {
    const build = layers[tag]
    if (build === undefined) throw new Error(`no layer ${tag}`)
    const names = Object.keys(golden.tensors)
      .filter((name) => name.startsWith(`${tag}.`))
      .map((name) => name.slice(tag.length + 1))
    const given = names.filter((name) => name !== 'y' && !name.startsWith('grad_'))
    const y = tensorOf(golden, `${tag}.y`)
    const graph = new Graph(tag)
    const feeds: Record<string, TensorValue> = {}
    const operands: Record<string, Tensor> = {}
    for (const name of [...given, 'grad_y']) {
      const value = tensorOf(golden, `${tag}.${name}`)
      feeds[name] = value
      operands[name] = graph.input(name, 'float32', value.shape)
    }
    const output = graph.output('y', build(operands, golden.info[`${tag}.y`]?.what ?? '', y))
    const wanted = given.filter((name) => names.includes(`grad_${name}`))
    expect(wanted.length).toBeGreaterThan(0)
    const loss = sum(mul(output, need(operands, 'grad_y')))
    gradients(
      loss,
      wanted.map((name) => need(operands, name)),
    ).forEach((gradient, i) => {
      graph.output(`grad_${wanted[i]}`, gradient)
    })
    const results = await evaluate(graph, feeds)
    expect(results.y?.shape).toEqual(y.shape)
    for (const name of ['y', ...wanted.map((each) => `grad_${each}`)])
      expectClose(
        results[name]?.data as Float32Array,
        tensorOf(golden, `${tag}.${name}`),
        golden,
        `${tag}.${name}`,
      )
  })
})
