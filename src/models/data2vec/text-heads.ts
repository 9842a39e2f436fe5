/** What stands on the text encoder: the masked language model, and the classifier of whole texts. */
import { affine, gelu, type Tensor, tanh } from '../../ml/graph/index.js'
import { layerNorm, linear, type Parameters } from '../../ml/layers/index.js'
import { firstToken } from './hidden-states.js'
import type { TextEncoderConfig } from './text-config.js'
import { tokenTable } from './text-encoder.js'

/** A layer, GELU, a norm, then the table of embeddings turned round. @returns logits [batch, tokens, vocabulary]. */
export function maskedLanguageModel(p: Parameters, hidden: Tensor, config: TextEncoderConfig): Tensor {
  const head = p.at('lm_head')
  const x = layerNorm(
    head.at('layer_norm'),
    gelu(linear(head.at('dense'), hidden, config.width)),
    config.epsilon,
  )
  const { vocabulary, width } = config
  const table = config.tied ? tokenTable(p, config) : head.get('decoder.weight', [vocabulary, width])
  return affine(x, table, head.get('bias', [vocabulary]))
}

/** Published files may hold the tied weights once more under these names. */
export const tiedCopies = (config: TextEncoderConfig): RegExp =>
  config.tied ? /^lm_head\.decoder\.(?:weight|bias)$/ : /^lm_head\.decoder\.bias$/

/** `<s>` through a layer with tanh. @returns logits [batch, labels]. */
export function textClassifier(p: Parameters, hidden: Tensor, config: TextEncoderConfig): Tensor {
  const head = p.at('classifier')
  const x = tanh(linear(head.at('dense'), firstToken(hidden), config.width))
  return linear(head.at('out_proj'), x, config.labels.length)
}
