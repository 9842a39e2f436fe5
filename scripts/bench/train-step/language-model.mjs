/** The model that `npm run bench -- train-step` trains: a decoder-only language model, norm first, GELU, no dropout. */
import { register } from 'tsx/esm/api'

register()
const { add, gather } = await import('../../../src/ml/graph/index.ts')
const { causalMask, embedding, feedForward, layerNorm, linear, maskToBias, multiHeadAttention } =
  await import('../../../src/ml/layers/index.ts')
const { crossEntropy } = await import('../../../src/ml/losses/index.ts')

/** @returns a TrainedModel over int64 inputs `tokens` and `targets`, [batch, time] each. */
export function languageModel({ width, layers, heads, vocabulary, time }) {
  return ({ graph, parameters: p, input }) => {
    const tokens = input('tokens')
    const places = gather(
      p.get('positions', [time, width], { kind: 'normal', deviation: 0.02 }),
      graph.indices([...Array(time).keys()]),
    )
    let x = add(embedding(p.at('embedding'), tokens, vocabulary, width), places)
    const bias = maskToBias(causalMask(x, time))
    for (let i = 0; i < layers; i++) {
      const block = p.at('layers').at(i)
      const normed = layerNorm(block.at('norm1'), x)
      x = add(x, multiHeadAttention(block.at('attention'), normed, { heads, bias }).output)
      x = add(x, feedForward(block.at('feed_forward'), layerNorm(block.at('norm2'), x), 4 * width))
    }
    const logits = linear(p.at('head'), layerNorm(p.at('norm'), x), vocabulary, { bias: false })
    return { loss: crossEntropy(logits, input('targets')).mean }
  }
}
