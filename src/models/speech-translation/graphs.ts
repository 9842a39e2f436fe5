/**
 * The two graphs of a translator. The encoder's also makes the keys and values that the decoder's cross attention
 * reads, once a recording; the decoder's goes on from a cache by any number of tokens, for any number of rows.
 */
import { add, type Graph, gather, iota, mul, type Tensor } from '../../ml/graph/index.js'
import {
  causalMask,
  embedding,
  feedForward,
  type KeyValue,
  layerNorm,
  linear,
  multiHeadAttention,
  type Parameters,
  splitHeads,
} from '../../ml/layers/index.js'
import { speechEncoder } from '../wav2vec2/encoder.js'
import type { TextDecoderConfig, TranslationConfig } from './config.js'

/** mBART's table of positions begins with two rows that fairseq kept for padding. */
export const POSITION_OFFSET = 2

const decoderOf = (p: Parameters): Parameters => p.at('decoder').at('model').at('decoder')

/**
 * Inputs `sound` [batch, samples] and `frames` [batch] (front end's frames that count). Outputs `encoded` [batch,
 * frames, width]; `memory`, where a projection brings that to the decoder's width; and for each of the decoder's
 * blocks `cross.N.key` and `cross.N.value` [batch, heads, frames, width of a head].
 */
export function buildEncoder(graph: Graph, p: Parameters, config: TranslationConfig): void {
  const sound = graph.input('sound', 'float32', ['batch', 'samples'])
  const frames = graph.input('frames', 'int64', ['batch'])
  const { last } = speechEncoder(p.at('encoder'), { sound, frames }, config.encoder)
  graph.output('encoded', last)
  const { width, heads, blocks } = config.decoder
  const memory = config.projects ? linear(p.at('enc_to_dec_proj'), last, width) : last
  if (config.projects) graph.output('memory', memory)
  for (let i = 0; i < blocks; i++) {
    const cross = decoderOf(p).at('layers').at(i).at('encoder_attn')
    for (const [name, projection] of [
      ['key', 'k_proj'],
      ['value', 'v_proj'],
    ] as const)
      graph.output(`cross.${i}.${name}`, splitHeads(linear(cross.at(projection), memory, width), heads))
  }
}

/**
 * Inputs `tokens` [rows, steps], `seen` [1] (tokens before them), `past.N.key`, `past.N.value` [rows, heads, past,
 * width of a head], and `cross.N.key`, `cross.N.value` of one recording [1, heads, frames, width of a head], which all
 * rows share. Outputs `logits` [rows, steps, vocabulary], `present.N.key`, `present.N.value`; and `hidden.N`: 0 goes
 * into the first block, the last is normed.
 */
export function buildDecoder(graph: Graph, p: Parameters, config: TextDecoderConfig, hidden = false): void {
  const { width, heads, blocks, vocabulary } = config
  const tokens = graph.input('tokens', 'int64', ['rows', 'steps'])
  const seen = graph.input('seen', 'int64', [1])
  const decoder = decoderOf(p)
  const table = decoder.at('embed_tokens')
  const words = mul(embedding(table, tokens, vocabulary, width), config.embeddingScale)
  let x = layerNorm(decoder.at('layernorm_embedding'), add(words, positions(decoder, tokens, seen, config)))
  const states = [x]
  const caches = Array.from({ length: blocks }, (_, i) => {
    const pair = (name: string, shape: readonly (number | string)[]): KeyValue => ({
      key: graph.input(`${name}.${i}.key`, 'float32', shape),
      value: graph.input(`${name}.${i}.value`, 'float32', shape),
    })
    return {
      past: pair('past', ['rows', heads, 'past', width / heads]),
      cross: pair('cross', [1, heads, 'frames', width / heads]),
    }
  })
  // After the caches: the mask is as long as they are.
  const mask = causalMask(tokens, 'steps', 'past+steps', seen)
  for (const [i, { past, cross }] of caches.entries()) {
    x = graph.scoped(`block${i}`, () => {
      const block = decoder.at('layers').at(i)
      const own = multiHeadAttention(block.at('self_attn'), layerNorm(block.at('self_attn_layer_norm'), x), {
        heads,
        past,
        mask,
      })
      graph.output(`present.${i}.key`, own.present.key)
      graph.output(`present.${i}.value`, own.present.value)
      const y = add(x, own.output)
      const asking = layerNorm(block.at('encoder_attn_layer_norm'), y)
      const heard = multiHeadAttention(block.at('encoder_attn'), asking, { heads, fixed: cross })
      const z = add(y, heard.output)
      const normed = layerNorm(block.at('final_layer_norm'), z)
      return add(z, feedForward(block, normed, config.innerWidth, { activation: config.activation }))
    })
    states.push(x)
  }
  x = layerNorm(decoder.at('layer_norm'), x)
  states[states.length - 1] = x
  const head = config.tied ? table : p.at('decoder').at('lm_head')
  graph.output('logits', linear(head, x, vocabulary, { bias: false }))
  if (hidden) for (const [i, state] of states.entries()) graph.output(`hidden.${i}`, state)
}

/** Learned positions of the tokens after those seen: [steps, width]. */
function positions(decoder: Parameters, tokens: Tensor, seen: Tensor, config: TextDecoderConfig): Tensor {
  const { maxPositions, width } = config
  const table = decoder.at('embed_positions').get('weight', [maxPositions + POSITION_OFFSET, width])
  const places = add(iota(tokens, 'steps'), add(seen, POSITION_OFFSET))
  return gather(table, places)
}
