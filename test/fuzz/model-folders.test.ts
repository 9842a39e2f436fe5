import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCard } from '../../src/inference/catalogue/card.js'
import { ByteBpeTokenizer } from '../../src/ml/tokenizers/byte-bpe.js'
import { CtcTokenizer } from '../../src/ml/tokenizers/ctc.js'
import { MBart50Tokenizer } from '../../src/ml/tokenizers/mbart50.js'
import { VitsTokenizer } from '../../src/ml/tokenizers/vits.js'
import { readArpa } from '../../src/models/ctc/index.js'
import { TextModel } from '../../src/models/data2vec/text-model.js'
import { VisionModel } from '../../src/models/data2vec/vision-model.js'
import { SpeechTranslator } from '../../src/models/speech-translation/index.js'
import { VitsModel } from '../../src/models/vits/model.js'
import { SpeechModel } from '../../src/models/wav2vec2/model.js'
import { Recogniser } from '../../src/models/wav2vec2/recogniser.js'
import {
  bounded,
  damaged,
  damagedJson,
  fileOf,
  folderOf,
  fuzzRuns,
  fuzzTimeout,
  outcome,
  processorSeconds,
  refusal,
} from '../support/damage.js'
import { ARPA } from '../unit/models/ctc/arpa-example.js'

const golden = (name: string): string => fileURLToPath(new URL(`../fixtures/golden/${name}`, import.meta.url))

/** A refusal of what the user gave (a word the vocabulary lacks) is none of the file's. */
const TEXT = 'he said 9 \u00e9\u0142 things'

const openSpeech = async (folder: string): Promise<void> => {
  const model = await SpeechModel.open(folder)
  await model.close()
}
const openTranslator = async (folder: string): Promise<void> => {
  const model = await SpeechTranslator.open(folder)
  await model.close()
}
const openText = async (folder: string): Promise<void> => {
  const model = await TextModel.open(folder)
  await model.close()
}
const openVision = async (folder: string): Promise<void> => {
  const model = await VisionModel.open(folder)
  await model.close()
}
const openVoice = async (folder: string): Promise<void> => {
  const model = await VitsModel.open(folder)
  await model.close()
}
const useCtc = async (folder: string): Promise<void> => {
  await readCard(folder)
  const tokenizer = await CtcTokenizer.read(folder)
  tokenizer.decode([0, 1, 2, 3, 3, 0, 99_999, 4])
  tokenizer.words([0, 1, 2, 3, 3, 0, 4])
}
const useBytes = async (folder: string): Promise<void> => {
  const tokenizer = await ByteBpeTokenizer.read(folder)
  tokenizer.decode(tokenizer.encode(TEXT, TEXT))
}
const useVits = async (folder: string): Promise<void> => {
  const tokenizer = await VitsTokenizer.read(folder)
  tokenizer.normalize(TEXT)
}
const useMBart = async (folder: string): Promise<void> => {
  const tokenizer = await MBart50Tokenizer.read(folder)
  tokenizer.decode(tokenizer.encode(TEXT, 'de_DE'))
}

/** Opening a model takes a tenth of a second, reading its tables a hundredth. */
const RUNS = 80
const OPENINGS = 12
/** Case, file, what reads it. */
const jsons: readonly (readonly [string, string, (folder: string) => Promise<void>])[] = [
  ['01-wav2vec2-ctc-base', 'config.json', openSpeech],
  ['02-xlsr-ctc', 'config.json', openSpeech],
  ['04-mms-lid', 'config.json', openSpeech],
  ['06a-hubert-base-units', 'config.json', openSpeech],
  ['07-data2vec-audio-ctc', 'config.json', openSpeech],
  ['01-wav2vec2-ctc-base', 'preprocessor_config.json', openSpeech],
  ['11c-speech-translation-adapter-width', 'config.json', openTranslator],
  ['11c-speech-translation-adapter-width', 'generation_config.json', openTranslator],
  ['08-data2vec-text', 'config.json', openText],
  ['09a-data2vec-vision-rel', 'config.json', openVision],
  ['09a-data2vec-vision-rel', 'preprocessor_config.json', openVision],
  ['10a-vits-mms-tts', 'config.json', openVoice],
  ['01-wav2vec2-ctc-base', 'vocab.json', useCtc],
  ['01-wav2vec2-ctc-base', 'tokenizer_config.json', useCtc],
  ['01-wav2vec2-ctc-base', 'special_tokens_map.json', useCtc],
  ['03-mms-adapters', 'vocab.json', useCtc],
  ['08-data2vec-text', 'vocab.json', useBytes],
  ['08-data2vec-text', 'tokenizer_config.json', useBytes],
  ['10a-vits-mms-tts', 'vocab.json', useVits],
  ['10a-vits-mms-tts', 'tokenizer_config.json', useVits],
  ['11a-speech-translation-xlsr-mbart', 'tokenizer_config.json', useMBart],
]

describe('a model folder with one field of a file changed opens or is refused in one line', () => {
  it.each(jsons)(
    '%s, %s',
    async (name, file, open) => {
      const folder = folderOf(golden(name))
      const path = join(folder, file)
      const json: unknown = JSON.parse(readFileSync(path, 'utf8'))
      await open(folder)
      await fc.assert(
        fc.asyncProperty(damagedJson(json), async (text) => {
          writeFileSync(path, text)
          await outcome(path, () => open(folder))
        }),
        fuzzRuns(open.name.startsWith('open') ? OPENINGS : RUNS),
      )
    },
    fuzzTimeout(RUNS),
  )

  it.each(jsons.filter(([, file], i, all) => all.findIndex(([, other]) => other === file) === i))(
    '%s, %s with its bytes damaged',
    async (name, file, open) => {
      const folder = folderOf(golden(name))
      const path = join(folder, file)
      const sound = readFileSync(path)
      await fc.assert(
        fc.asyncProperty(damaged(sound), async (bytes) => {
          writeFileSync(path, bytes)
          await outcome(path, () => open(folder))
        }),
        fuzzRuns(40),
      )
    },
    fuzzTimeout(40),
  )

  it.each<[string, (base: Record<string, unknown>) => void]>([
    ['a thousand million layers', (config) => Object.assign(config, { num_hidden_layers: 1e9 })],
    ['a width of 2^50', (config) => Object.assign(config, { hidden_size: 2 ** 50 })],
    ['a kernel of 2^50', (config) => Object.assign(config, { conv_kernel: [10, 2 ** 50, 3] })],
    ['a stride of nothing', (config) => Object.assign(config, { conv_stride: [0, 0, 0] })],
    ['a positional kernel of 2^40', (config) => Object.assign(config, { num_conv_pos_embeddings: 2 ** 40 })],
    ['groups that do not divide', (config) => Object.assign(config, { num_conv_pos_embedding_groups: 7 })],
    [
      'a hundred thousand convolutions',
      (config) =>
        Object.assign(config, {
          conv_dim: Array(1e5).fill(1),
          conv_kernel: Array(1e5).fill(1),
          conv_stride: Array(1e5).fill(1),
        }),
    ],
    ['the name of a method', (config) => Object.assign(config, { architectures: ['constructor'] })],
    ['an activation that is a method', (config) => Object.assign(config, { hidden_act: 'toString' })],
  ])('%s', async (_, change) => {
    const folder = folderOf(golden('01-wav2vec2-ctc-base'))
    const path = join(folder, 'config.json')
    const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    change(config)
    writeFileSync(path, JSON.stringify(config))
    const started = process.cpuUsage()
    await bounded(() => refusal(path, () => openSpeech(folder)))
    expect(processorSeconds(started)).toBeLessThan(20)
  })
})

describe('the texts and tables of a model folder, damaged anywhere', () => {
  it.each<[string, string, (folder: string) => Promise<void>]>([
    ['08-data2vec-text', 'merges.txt', useBytes],
    ['11a-speech-translation-xlsr-mbart', 'sentencepiece.bpe.model', useMBart],
  ])(
    '%s, %s',
    async (name, file, open) => {
      const folder = folderOf(golden(name))
      const path = join(folder, file)
      const sound = readFileSync(path)
      await open(folder)
      await fc.assert(
        fc.asyncProperty(damaged(sound), async (bytes) => {
          writeFileSync(path, bytes)
          await outcome(path, () => open(folder))
        }),
        fuzzRuns(RUNS),
      )
    },
    fuzzTimeout(RUNS),
  )

  it(
    'adapters of a language',
    async () => {
      const folder = folderOf(golden('03-mms-adapters'))
      const path = join(folder, 'adapter.deu.safetensors')
      const sound = readFileSync(path)
      await fc.assert(
        fc.asyncProperty(damaged(sound), async (bytes) => {
          writeFileSync(path, bytes)
          await outcome(path, async () => (await Recogniser.open(folder, { language: 'deu' })).close())
        }),
        fuzzRuns(30),
      )
    },
    fuzzTimeout(30),
  )

  it(
    'a README says nothing rather than anything wrong',
    async () => {
      const folder = folderOf(golden('01-wav2vec2-ctc-base'))
      const path = join(folder, 'README.md')
      const card = '---\nlicense: apache-2.0\nlanguage:\n- en\n- de\nbase_model: x/y\n---\n# A model\n'
      await fc.assert(
        fc.asyncProperty(damaged(Buffer.from(card)), async (bytes) => {
          writeFileSync(path, bytes)
          const { licence, languages } = await readCard(folder)
          expect(licence === null || typeof licence === 'string').toBe(true)
          expect(languages.every((language) => typeof language === 'string')).toBe(true)
        }),
        fuzzRuns(RUNS),
      )
      const bomb = `---\na0: &a0 [x, x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n')}\nlanguage: *a40\n---\n`
      const deep = `---\nlanguage: ${'['.repeat(50_000)}\n---\n`
      for (const text of [bomb, deep, '---\n'.repeat(1e6), `---\n${' '.repeat(2e8)}`]) {
        writeFileSync(path, text)
        const started = process.cpuUsage()
        expect((await bounded(() => readCard(folder))).licence).toBe(null)
        expect(processorSeconds(started)).toBeLessThan(20)
      }
    },
    fuzzTimeout(RUNS),
  )
})

describe('n-gram models', () => {
  it.each(['plain', 'gzipped'])(
    '%s, damaged anywhere',
    async (kind) => {
      const sound = kind === 'plain' ? Buffer.from(ARPA) : gzipSync(ARPA)
      await fc.assert(
        fc.asyncProperty(damaged(sound), async (bytes) => {
          const path = fileOf(bytes, 'damaged.arpa')
          await outcome(path, () => readArpa(path))
        }),
        fuzzRuns(200),
      )
    },
    fuzzTimeout(200),
  )

  it.each<[string, string | Uint8Array]>([
    ['empty', ''],
    ['of counts beyond any number', '\\data\\\nngram 1=99999999999999999999\n\n\\1-grams:\n'],
    ['of a hundred million n-grams that never come', '\\data\\\nngram 1=100000000\n\n\\1-grams:\n-1 a\n'],
    ['of a line without end', `\\data\\\nngram 1=1\n\n\\1-grams:\n-1 ${'a'.repeat(1e6)}`],
    [
      'of an order of 10,000',
      `\\data\\\n${Array.from({ length: 10_000 }, (_, i) => `ngram ${i + 1}=0`).join('\n')}\n`,
    ],
    ['of a hundred million empty lines in a few kilobytes', gzipSync(Buffer.alloc(1e8, 0x0a))],
    ['of zeros, gzipped', gzipSync(Buffer.alloc(1e8))],
    ['of values that are no numbers', '\\data\\\nngram 1=1\n\n\\1-grams:\nnan a\n\n\\end\\\n'],
  ])('%s', async (_, content) => {
    const path = fileOf(content, 'hostile.arpa')
    await bounded(() => refusal(path, () => readArpa(path)))
  })
})
