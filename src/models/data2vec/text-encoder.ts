/**
 * The text encoder of data2vec (Baevski et al. 2022, section 3.1): embeddings of tokens, positions and segments, then
 * transformer blocks with the norm after each half, in RoBERTa's layout.
 */
import {
  add,
  cast,
  cumulativeSum,
  equal,
  greater,
  mul,
  not,
  reshape,
  slice,
  type Tensor,
} from '../../ml/graph/index.js'
import {
  embedding,
  feedForward,
  layerNorm,
  maskToBias,
  multiHeadAttention,
  type Parameters,
} from '../../ml/layers/index.js'
import type { TextEncoderConfig } from './text-config.js'

export interface TextInput {
  /** int64 [batch, tokens]. */
  readonly ids: Tensor
  /** int64 [batch, tokens]: 1 for a token that counts, 0 for padding. */
  readonly mask: Tensor
}

export interface TextEncoding {
  /** What goes into the first block, what comes out of each: [batch, tokens, width]. */
  readonly hiddenStates: readonly Tensor[]
  readonly last: Tensor
}

/** @param p the encoder's own parameters, without a prefix. */
export function textEncoder(
  p: Parameters,
  { ids, mask }: TextInput,
  config: TextEncoderConfig,
): TextEncoding {
  const { graph } = p
  let x = graph.scoped('embeddings', () => embeddings(p.at('embeddings'), ids, config))
  const [batch = 1, tokens = 1] = mask.shape
  const bias = maskToBias(reshape(greater(mask, 0), [batch, 1, 1, tokens]))
  const hiddenStates: Tensor[] = [x]
  for (let i = 0; i < config.blocks; i++) {
    const layer = p.at('encoder.layer').at(i)
    x = graph.scoped(`block${i}`, () => block(layer, x, bias, config))
    hiddenStates.push(x)
  }
  return { hiddenStates, last: x }
}

/** The table of token embeddings, which the language model's head shares. */
export const tokenTable = (p: Parameters, { vocabulary, width }: TextEncoderConfig): Tensor =>
  p.get('embeddings.word_embeddings.weight', [vocabulary, width], { kind: 'normal', deviation: 0.02 })

function embeddings(p: Parameters, ids: Tensor, config: TextEncoderConfig): Tensor {
  const { width, vocabulary, segments } = config
  const words = embedding(p.at('word_embeddings'), ids, vocabulary, width)
  const places = embedding(p.at('position_embeddings'), positionIds(ids, config), config.positions, width)
  // One text is all of the first segment; two are told apart by their separators alone, as in RoBERTa.
  const kinds = p.get('token_type_embeddings.weight', [segments, width], { kind: 'normal', deviation: 0.02 })
  const first = reshape(slice(kinds, 0, 0, 1), [1, 1, width])
  return layerNorm(p.at('LayerNorm'), add(add(words, first), places), config.epsilon)
}

/** padId + 1, padId + 2, ... over the tokens that are no padding, padId for those that are (fairseq's convention). */
function positionIds(ids: Tensor, { padId }: TextEncoderConfig): Tensor {
  const real = cast(not(equal(ids, padId)), 'int64')
  return add(mul(cumulativeSum(real, 1), real), padId)
}

/** norm(x + attention x), then norm(x + feed-forward x). */
function block(p: Parameters, x: Tensor, bias: Tensor, config: TextEncoderConfig): Tensor {
  const attention = p.at('attention')
  const { output } = multiHeadAttention(attention, x, {
    heads: config.heads,
    bias,
    names: { query: 'self.query', key: 'self.key', value: 'self.value', output: 'output.dense' },
  })
  const y = layerNorm(attention.at('output.LayerNorm'), add(x, output), config.epsilon)
  const forward = feedForward(p, y, config.innerWidth, {
    activation: config.activation,
    names: ['intermediate.dense', 'output.dense'],
  })
  return layerNorm(p.at('output.LayerNorm'), add(y, forward), config.epsilon)
}
