#!/usr/bin/env node
/**
 * `node scripts/random-checkpoint.mjs LAYOUT DIRECTORY`: a checkpoint with random weights in the layout of a published
 * model, for measuring speed and memory where the weights themselves cannot be had. Layouts: wav2vec2-base,
 * wav2vec2-large, mms-1b (billion parameters, two languages), mms-tts (a voice); small, for tests, is like the first.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { register } from 'tsx/esm/api'

const common = { model_type: 'wav2vec2', architectures: ['Wav2Vec2ForCTC'], vocab_size: 32, pad_token_id: 0 }
const stable = { do_stable_layer_norm: true, feat_extract_norm: 'layer', conv_bias: true }
const layouts = {
  small: {
    ...common,
    conv_dim: Array(7).fill(64),
    hidden_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 256,
  },
  'wav2vec2-base': common,
  'wav2vec2-large': {
    ...common,
    ...stable,
    hidden_size: 1024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4096,
  },
  'mms-1b': {
    ...common,
    ...stable,
    hidden_size: 1280,
    num_hidden_layers: 48,
    num_attention_heads: 16,
    intermediate_size: 5120,
    adapter_attn_dim: 16,
    vocab_size: 154,
  },
  // The published class's defaults are those of the voices.
  'mms-tts': { model_type: 'vits', architectures: ['VitsModel'], vocab_size: 38 },
}
const LANGUAGES = { eng: 154, deu: 202 }
/** Drawn once and used again from other places: a billion draws would take minutes and measure nothing more. */
const POOL_VALUES = 1 << 22
/** Of a voice's tokens, blanks too: with 62.5 frames a second, sixteen letters a second. */
const MEAN_LOG_FRAMES = 0

/** Writes config.json, weights, vocabulary and what else the family has beside them. */
export async function writeRandomCheckpoint(layout, directory) {
  const config = layouts[layout]
  if (config === undefined)
    throw new Error(`no layout ${layout}; there are ${Object.keys(layouts).join(', ')}`)
  register()
  mkdirSync(directory, { recursive: true })
  const json = (file, value) => writeFileSync(join(directory, file), JSON.stringify(value, null, 2))
  json('config.json', config)
  await (config.model_type === 'vits' ? writeVoice : writeRecogniser)(config, directory, json)
}

/** Preprocessor, vocabulary, weights and, for MMS, adapters. */
async function writeRecogniser(config, directory, json) {
  const { Graph } = await import('../src/ml/graph/index.ts')
  const { FlatParameters } = await import('../src/ml/train/flat-parameters.ts')
  const { writeSafetensors } = await import('../src/ml/files/safetensors-writer.ts')
  const { parseSpeechConfig } = await import('../src/models/wav2vec2/config.ts')
  const { buildServed } = await import('../src/models/wav2vec2/graph.ts')
  const { isHead, isOfLanguage } = await import('../src/models/wav2vec2/names.ts')
  const pool = Float32Array.from({ length: POOL_VALUES }, normal)

  const weightsOf = (vocabulary) => {
    const graph = new Graph('layout')
    const table = new FlatParameters(graph)
    const parsed = parseSpeechConfig({ ...config, vocab_size: vocabulary }, 'config.json')
    buildServed(graph, table.parameters(), parsed, { task: 'ctc' })
    const { entries } = table.layout()
    return [...entries, { name: 'masked_spec_embed', shape: [parsed.width], size: parsed.width }]
  }
  const tensorOf = ({ name, shape, size }) => ({
    name: isHead(name) ? name : `wav2vec2.${name}`,
    dtype: 'F32',
    shape,
    data: () => bytesOf(valuesOf(pool, name, shape, size)),
  })
  json('preprocessor_config.json', {
    feature_extractor_type: 'Wav2Vec2FeatureExtractor',
    sampling_rate: 16_000,
    do_normalize: true,
    return_attention_mask: config.feat_extract_norm === 'layer',
  })
  json('tokenizer_config.json', { tokenizer_class: 'Wav2Vec2CTCTokenizer', target_lang: 'eng' })
  const isMms = config.adapter_attn_dim !== undefined
  json(
    'vocab.json',
    isMms
      ? Object.fromEntries(Object.entries(LANGUAGES).map(([name, count]) => [name, vocabulary(count)]))
      : vocabulary(config.vocab_size),
  )
  await writeSafetensors(join(directory, 'model.safetensors'), weightsOf(config.vocab_size).map(tensorOf))
  if (!isMms) return
  for (const [name, count] of Object.entries(LANGUAGES)) {
    const own = weightsOf(count).filter((entry) => isOfLanguage(entry.name))
    await writeSafetensors(join(directory, `adapter.${name}.safetensors`), own.map(tensorOf))
  }
}

/** Tokenizer and weights of a VITS voice that speaks about sixteen letters a second, as people do. */
async function writeVoice(config, directory, json) {
  const { Graph } = await import('../src/ml/graph/index.ts')
  const { FlatParameters } = await import('../src/ml/train/flat-parameters.ts')
  const { writeSafetensors } = await import('../src/ml/files/safetensors-writer.ts')
  const { parseVitsConfig } = await import('../src/models/vits/config.ts')
  const { buildText, buildTraining } = await import('../src/models/vits/graphs.ts')
  const pool = Float32Array.from({ length: POOL_VALUES }, normal)
  const graph = new Graph('layout')
  const table = new FlatParameters(graph)
  for (const build of [buildTraining, buildText])
    build(graph, table.parameters(), parseVitsConfig(config, 'config.json'))
  const valuesOfVoice = ({ name, shape, size }) =>
    name.endsWith('.translate')
      ? new Float32Array(size).fill(-MEAN_LOG_FRAMES)
      : valuesOf(pool, name, shape, size)
  await writeSafetensors(
    join(directory, 'model.safetensors'),
    table.layout().entries.map((entry) => ({
      name: entry.name,
      dtype: 'F32',
      shape: entry.shape,
      data: () => bytesOf(valuesOfVoice(entry)),
    })),
  )
  json('tokenizer_config.json', {
    tokenizer_class: 'VitsTokenizer',
    language: 'eng',
    add_blank: true,
    normalize: true,
    phonemize: false,
    is_uroman: false,
    pad_token: '_',
    unk_token: '<unk>',
  })
  const letters = ['_', ..."abcdefghijklmnopqrstuvwxyz '-"]
  while (letters.length < config.vocab_size - 1) letters.push(String.fromCodePoint(0xe0 + letters.length))
  json('vocab.json', Object.fromEntries([...letters, '<unk>'].map((letter, id) => [letter, id])))
}

/** Box and Muller. */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
}

/** Norm scales of 1, biases small, matrices so scaled that signals keep their size. */
function valuesOf(pool, name, shape, size) {
  const values = new Float32Array(size)
  if (/norm\.weight$|weight_g$/.test(name)) return values.fill(1)
  const fanIn = shape.slice(1).reduce((product, extent) => product * extent, 1)
  const scale = shape.length === 1 ? 0.02 : 1 / Math.sqrt(fanIn)
  const start = Math.floor(Math.random() * pool.length)
  for (let i = 0; i < size; i++) values[i] = (pool[(start + i) % pool.length] ?? 0) * scale
  return values
}

const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)

function vocabulary(count) {
  const tokens = ['<pad>', '<s>', '</s>', '<unk>', '|']
  while (tokens.length < count) tokens.push(String.fromCodePoint(0x61 + tokens.length))
  return Object.fromEntries(tokens.map((token, id) => [token, id]))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [layout, directory] = process.argv.slice(2)
  if (layout === undefined || directory === undefined) {
    console.error(`usage: node scripts/random-checkpoint.mjs ${Object.keys(layouts).join('|')} DIRECTORY`)
    process.exit(2)
  }
  await writeRandomCheckpoint(layout, directory)
}
