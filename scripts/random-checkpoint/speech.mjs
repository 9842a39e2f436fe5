/** What hears: recognisers of the wav2vec 2.0 family, MMS with its adapters, and translators. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { weightsOf, writeWeights } from './weights.mjs'

const LANGUAGES = { eng: 154, deu: 202 }
const preprocessor = (hasMask) => ({
  feature_extractor_type: 'Wav2Vec2FeatureExtractor',
  sampling_rate: 16_000,
  do_normalize: true,
  return_attention_mask: hasMask,
})

/** Preprocessor, vocabulary, weights and, for MMS, adapters. */
export async function writeRecogniser(config, directory, json, options) {
  const { parseSpeechConfig } = await import('../../src/models/wav2vec2/config.ts')
  const { buildServed } = await import('../../src/models/wav2vec2/graph.ts')
  const { isHead, isOfLanguage } = await import('../../src/models/wav2vec2/names.ts')
  const entriesOf = async (vocabulary) => {
    const parsed = parseSpeechConfig({ ...config, vocab_size: vocabulary }, 'config.json')
    const entries = await weightsOf((graph, p) => buildServed(graph, p, parsed, { task: 'ctc' }))
    return [...entries, { name: 'masked_spec_embed', shape: [parsed.width], size: parsed.width }]
  }
  const stored = (entries) =>
    entries.map((entry) => ({ ...entry, name: isHead(entry.name) ? entry.name : `wav2vec2.${entry.name}` }))
  json('preprocessor_config.json', preprocessor(config.feat_extract_norm === 'layer'))
  json('tokenizer_config.json', { tokenizer_class: 'Wav2Vec2CTCTokenizer', target_lang: 'eng' })
  const isMms = config.adapter_attn_dim !== undefined
  json(
    'vocab.json',
    isMms
      ? Object.fromEntries(Object.entries(LANGUAGES).map(([name, count]) => [name, vocabulary(count)]))
      : vocabulary(config.vocab_size),
  )
  await writeWeights(directory, 'model.safetensors', stored(await entriesOf(config.vocab_size)), options)
  if (!isMms) return
  for (const [name, count] of Object.entries(LANGUAGES)) {
    const own = (await entriesOf(count)).filter((entry) => isOfLanguage(entry.name))
    await writeWeights(directory, `adapter.${name}.safetensors`, stored(own), options)
  }
}

function vocabulary(count) {
  const tokens = ['<pad>', '<s>', '</s>', '<unk>', '|']
  while (tokens.length < count) tokens.push(String.fromCodePoint(0x61 + tokens.length))
  return Object.fromEntries(tokens.map((token, id) => [token, id]))
}

/** With a tokenizer of as many pieces as the published one: what it takes in memory counts. */
export async function writeTranslator(config, directory, json, options) {
  const { parseTranslationConfig } = await import('../../src/models/speech-translation/config.ts')
  const { buildDecoder, buildEncoder } = await import('../../src/models/speech-translation/graphs.ts')
  const { maskEmbedding } = await import('../../src/models/wav2vec2/names.ts')
  const parsed = parseTranslationConfig(config, 'config.json')
  const { width } = parsed.encoder
  const entries = await weightsOf(
    (graph, p) => buildEncoder(graph, p, parsed),
    (graph, p) => buildDecoder(graph, p, parsed.decoder),
  )
  json('preprocessor_config.json', preprocessor(true))
  json('tokenizer_config.json', { tokenizer_class: 'MBart50Tokenizer', src_lang: 'en_XX', tgt_lang: 'en_XX' })
  writeFileSync(join(directory, 'sentencepiece.bpe.model'), pieces(config.decoder.vocab_size))
  const mask = { name: `encoder.${maskEmbedding}`, shape: [width], size: width }
  await writeWeights(directory, 'model.safetensors', [...entries, mask], options)
}

/** mBART-50's own tokens beside SentencePiece's: one more in front, 52 languages and a mask behind. */
const MBART_TOKENS = 54
/** Of sentencepiece_model.proto: a piece's place in the model, its text and its score as fields of it. */
const PIECE = { field: 0x0a, text: 0x0a, score: 0x15 }
const RARE = -20
/** Of the small model. */
const SMALL_PIECES = 80

/** A small model, and made-up pieces behind its own: repeated fields of protobuf may be appended. */
function pieces(vocabulary) {
  const small = readFileSync(
    new URL(
      '../../test/fixtures/golden/11a-speech-translation-xlsr-mbart/sentencepiece.bpe.model',
      import.meta.url,
    ),
  )
  const own = []
  const score = Buffer.alloc(4)
  score.writeFloatLE(RARE)
  for (let i = 0; i < vocabulary - MBART_TOKENS - SMALL_PIECES; i++) {
    const text = Buffer.from(`\u2581q${i.toString(36)}`)
    const body = [PIECE.text, text.length, ...text, PIECE.score, ...score]
    own.push(Buffer.from([PIECE.field, body.length, ...body]))
  }
  return Buffer.concat([small, ...own])
}
