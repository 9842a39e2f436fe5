/** Golden cases of the kinds of 14a (CTC), 14d (losses, Gumbel softmax) and 14f (logit filters). */
import { describe, expect, it } from 'vitest'
import { gradients } from '../../src/ml/autodiff/index.js'
import { argMax, Graph, mul, sum, type Tensor, transpose } from '../../src/ml/graph/index.js'
import {
  applyTemperature,
  keepTopK,
  keepTopP,
  penaliseRepetition,
} from '../../src/ml/layers/logit-filters.js'
import { crossEntropy, ctcLoss, gumbelSoftmax, smoothL1 } from '../../src/ml/losses/index.js'
import { evaluate } from '../../src/ml/session/evaluate.js'
import type { TensorValue } from '../../src/ml/session/session.js'
import { engineCasesOfKind, expectClose, type GoldenCase, numberAfter, tensorOf } from './engine-case.js'

/** Puts tensors of a case into a graph as inputs. */
function inputsOf(golden: GoldenCase, graph: Graph, names: readonly string[]) {
  const feeds: Record<string, TensorValue> = {}
  const tensors = names.map((name): Tensor => {
    const value = tensorOf(golden, name)
    feeds[name] = value
    return graph.input(name, value.dtype, value.shape)
  })
  return { feeds, tensors }
}

async function expectOutputs(
  golden: GoldenCase,
  graph: Graph,
  feeds: Readonly<Record<string, TensorValue>>,
  names: readonly string[],
): Promise<void> {
  const results = await evaluate(graph, feeds)
  for (const name of names)
    expectClose(results[name]?.data as Float32Array, tensorOf(golden, name), golden, name)
}

const first = (tensors: readonly Tensor[]): Tensor => {
  const [tensor] = tensors
  if (tensor === undefined) throw new Error('nothing')
  return tensor
}

describe.each(engineCasesOfKind('ctc'))('golden $name: CTC', (golden) => {
  const blank = numberAfter(golden.info.logits?.what ?? '', 'blank', 0)

  function build(zeroInfinity: boolean) {
    const graph = new Graph('ctc')
    const { feeds, tensors } = inputsOf(golden, graph, [
      'logits',
      'targets',
      'input_lengths',
      'target_lengths',
    ])
    const [logits, targets, frames, labels] = tensors
    if (!logits || !targets || !frames || !labels) throw new Error('nothing')
    const batchFirst = transpose(logits, [1, 0, 2])
    return {
      graph,
      feeds,
      logits,
      ctc: ctcLoss(batchFirst, targets, frames, labels, { zeroInfinity, blank }),
    }
  }

  it('gives each row its likelihood, and infinity where the frames cannot spell the target', async () => {
    const { graph, feeds, ctc } = build(false)
    graph.output('loss_none', ctc.each)
    await expectOutputs(golden, graph, feeds, ['loss_none'])
  })

  it('gives sums, means and gradients with zero_infinity', async () => {
    const { graph, feeds, logits, ctc } = build(true)
    graph.output('loss_none_zero_infinity', ctc.each)
    graph.output('loss_sum_zero_infinity', ctc.sum)
    graph.output('loss_mean_zero_infinity', ctc.mean)
    graph.output('grad_sum_zero_infinity', first(gradients(ctc.sum, [logits])))
    graph.output('grad_mean_zero_infinity', first(gradients(ctc.mean, [logits])))
    await expectOutputs(
      golden,
      graph,
      feeds,
      graph.outputs.map(({ name }) => name),
    )
  })

  it('finds the best path', async () => {
    const graph = new Graph('greedy')
    const { feeds, tensors } = inputsOf(golden, graph, ['logits'])
    graph.output('path', argMax(first(tensors), -1))
    const { path } = await evaluate(graph, feeds)
    expect(path?.data).toEqual(tensorOf(golden, 'log_alpha_best_path').data)
  })
})

describe.each(engineCasesOfKind('losses'))('golden $name: losses and sampling', (golden) => {
  const tagsOf = (pattern: RegExp): string[] => [
    ...new Set(Object.keys(golden.tensors).flatMap((name) => pattern.exec(name)?.[1] ?? [])),
  ]

  it.each(tagsOf(/^(smooth_l1_[0-9.]+)\.loss$/))('%s', async (tag) => {
    const graph = new Graph(tag)
    const { feeds, tensors } = inputsOf(golden, graph, ['smooth_l1.input', 'smooth_l1.target'])
    const [input, target] = tensors
    if (!input || !target) throw new Error('nothing')
    const loss = smoothL1(input, target, numberAfter(golden.info[`${tag}.loss`]?.what ?? '', 'beta'))
    graph.output(`${tag}.loss`, loss)
    graph.output(`${tag}.grad`, first(gradients(sum(loss), [input])))
    await expectOutputs(golden, graph, feeds, [`${tag}.loss`, `${tag}.grad`])
  })

  it.each(tagsOf(/^(cross_entropy_[0-9.]+_\w+)\.loss$/))('%s', async (tag) => {
    const what = golden.info[`${tag}.loss`]?.what ?? ''
    const graph = new Graph(tag)
    const { feeds, tensors } = inputsOf(golden, graph, ['cross_entropy.logits', 'cross_entropy.target'])
    const [logits, target] = tensors
    if (!logits || !target) throw new Error('nothing')
    const losses = crossEntropy(logits, target, {
      smoothing: numberAfter(what, 'label_smoothing'),
      ignore: numberAfter(what, 'ignore_index'),
    })
    const loss = /reduction sum/.test(what) ? losses.sum : losses.mean
    graph.output(`${tag}.loss`, loss)
    graph.output(`${tag}.grad`, first(gradients(loss, [logits])))
    await expectOutputs(golden, graph, feeds, [`${tag}.loss`, `${tag}.grad`])
  })

  it('label smoothing as fairseq spreads it', async () => {
    const tag = 'fairseq_label_smoothed'
    const what = golden.info[`${tag}.loss`]?.what ?? ''
    const graph = new Graph(tag)
    const { feeds, tensors } = inputsOf(golden, graph, ['cross_entropy.logits', `${tag}.target`])
    const [logits, target] = tensors
    if (!logits || !target) throw new Error('nothing')
    const losses = crossEntropy(logits, target, {
      smoothing: numberAfter(what, 'epsilon'),
      ignore: numberAfter(what, 'ignore_index'),
      spread: 'others',
    })
    graph.output(`${tag}.loss`, losses.sum)
    graph.output(`${tag}.nll`, sum(losses.negativeLogLikelihood))
    graph.output(`${tag}.grad`, first(gradients(losses.sum, [logits])))
    await expectOutputs(golden, graph, feeds, [`${tag}.loss`, `${tag}.nll`, `${tag}.grad`])
  })

  it.each(tagsOf(/^(gumbel_tau[0-9.]+_\w+)\.y$/))('%s', async (tag) => {
    const graph = new Graph(tag)
    const { feeds, tensors } = inputsOf(golden, graph, ['gumbel.logits', 'gumbel.noise', `${tag}.grad_y`])
    const [logits, noise, upstream] = tensors
    if (!logits || !noise || !upstream) throw new Error('nothing')
    const y = gumbelSoftmax(logits, noise, {
      temperature: numberAfter(tag, 'tau'),
      hard: tag.endsWith('_hard'),
    })
    graph.output(`${tag}.y`, y)
    graph.output(`${tag}.grad_logits`, first(gradients(sum(mul(y, upstream)), [logits])))
    await expectOutputs(golden, graph, feeds, [`${tag}.y`, `${tag}.grad_logits`])
  })
})

describe.each(engineCasesOfKind('filters'))('golden $name: logit filters', (golden) => {
  const logits = tensorOf(golden, 'logits')
  const history = tensorOf(golden, 'history')

  function filter(row: Float32Array, past: readonly number[], options: Readonly<Record<string, number>>) {
    const {
      top_k: k,
      top_p: p,
      min_tokens_to_keep: least,
      temperature,
      repetition_penalty: penalty,
    } = options
    if (k !== undefined) return keepTopK(row, k)
    if (p !== undefined) return keepTopP(row, p, least)
    if (temperature !== undefined) return applyTemperature(row, temperature)
    if (penalty !== undefined) return penaliseRepetition(row, past, penalty)
    throw new Error(`no filter for ${JSON.stringify(options)}`)
  }

  it.each(Object.entries(golden.parameters))('%s', (tag, options) => {
    const width = logits.shape[1] ?? 0
    const past = history.shape[1] ?? 0
    const rows = Array.from({ length: logits.shape[0] ?? 0 }, (_, i) =>
      filter(
        (logits.data as Float32Array).slice(i * width, (i + 1) * width),
        Array.from((history.data as BigInt64Array).slice(i * past, (i + 1) * past), Number),
        options,
      ),
    )
    expectClose(Float32Array.from(rows.flatMap((row) => [...row])), tensorOf(golden, tag), golden, tag)
  })
})
