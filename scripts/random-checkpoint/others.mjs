/** What speaks and what embeds: voices, texts, images. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { weightsOf, writeWeights } from './weights.mjs'

/** Of a voice's tokens, blanks too: with 62.5 frames a second, sixteen letters a second. */
const MEAN_LOG_FRAMES = 0

/** Tokenizer and weights of a VITS voice that speaks about sixteen letters a second, as people do. */
export async function writeVoice(config, directory, json, options) {
  const { parseVitsConfig } = await import('../../src/models/vits/config.ts')
  const { buildText, buildTraining } = await import('../../src/models/vits/graphs.ts')
  const parsed = parseVitsConfig(config, 'config.json')
  const entries = await weightsOf(
    ...[buildTraining, buildText].map((build) => (graph, p) => build(graph, p, parsed)),
  )
  const valuesFor = ({ name, size }) =>
    name.endsWith('.translate') ? new Float32Array(size).fill(-MEAN_LOG_FRAMES) : undefined
  await writeWeights(directory, 'model.safetensors', entries, { ...options, valuesFor })
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

/** With as many tokens and merges as the published tokenizer has: what they take in memory counts. */
export async function writeText(config, directory, json, options) {
  const { parseTextConfig } = await import('../../src/models/data2vec/text-config.ts')
  const { textEncoder } = await import('../../src/models/data2vec/text-encoder.ts')
  const { maskedLanguageModel } = await import('../../src/models/data2vec/text-heads.ts')
  const { textNaming, isHead } = await import('../../src/models/data2vec/names.ts')
  const parsed = parseTextConfig(config, 'config.json')
  const entries = await weightsOf((graph, p) => {
    const tokens = (name) => graph.input(name, 'int64', ['batch', 'tokens'])
    const { last } = textEncoder(p, { ids: tokens('ids'), mask: tokens('mask') }, parsed)
    graph.output('logits', maskedLanguageModel(p, last, parsed))
  })
  const named = ({ name, ...entry }) => ({
    ...entry,
    name: isHead(name, textNaming) ? name : textNaming.prefix + name,
  })
  await writeWeights(directory, 'model.safetensors', entries.map(named), options)
  json('tokenizer_config.json', { tokenizer_class: 'RobertaTokenizer', model_max_length: 512 })
  const { toByteAlphabet } = await import('../../src/ml/tokenizers/byte-alphabet.ts')
  const printed = Array.from({ length: 95 }, (_, i) => toByteAlphabet(String.fromCharCode(0x20 + i)))
  const tokens = ['<s>', '<pad>', '</s>', '<unk>', ...printed]
  const merges = ['#version: 0.2']
  for (let i = 0; tokens.length < config.vocab_size - 1; i++) {
    const [left, right] = [`Q${i.toString(36)}`, `Z${i.toString(36)}`]
    merges.push(`${left} ${right}`)
    tokens.push(left + right)
  }
  json('vocab.json', Object.fromEntries([...tokens, '<mask>'].map((token, id) => [token, id])))
  writeFileSync(join(directory, 'merges.txt'), `${merges.join('\n')}\n`)
}

export async function writeVision(config, directory, json, options) {
  const { parseVisionConfig } = await import('../../src/models/data2vec/vision-config.ts')
  const { visionEncoder, visionPooler } = await import('../../src/models/data2vec/vision-encoder.ts')
  const parsed = parseVisionConfig(config, 'config.json')
  const [height, width] = parsed.image
  const entries = await weightsOf((graph, p) => {
    const pixels = graph.input('pixels', 'float32', ['batch', parsed.channels, height, width])
    graph.output('pooled', visionPooler(p, visionEncoder(p, { pixels }, parsed).last, parsed))
  })
  await writeWeights(directory, 'model.safetensors', entries, options)
  const half = Array(3).fill(0.5)
  json('preprocessor_config.json', {
    image_processor_type: 'BeitImageProcessor',
    do_resize: true,
    do_rescale: true,
    do_normalize: true,
    do_center_crop: false,
    size: { height, width },
    image_mean: half,
    image_std: half,
  })
}
