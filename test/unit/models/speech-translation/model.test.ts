import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { SpeechTranslator } from '../../../../src/models/speech-translation/index.js'
import { refusalOf, temporaryPath } from '../../ml/files-support.js'
import { copyCase, firstCase } from '../checkpoint-copies.js'

const source = (name: string) => fileURLToPath(new URL(`../../../fixtures/golden/${name}/`, import.meta.url))
const TRANSLATOR = source('11a-speech-translation-xlsr-mbart')
const PROJECTED = source('11b-speech-translation-projection')

interface Entry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

/** A copy of a model directory, its tensors' directory and its configuration changed. */
async function changed(
  from: string,
  change: {
    readonly tensors?: (header: Record<string, Entry>) => void
    readonly config?: (config: Record<string, Record<string, unknown>>) => void
  },
): Promise<string> {
  const directory = temporaryPath('translator')
  await cp(from, directory, { recursive: true })
  if (change.tensors !== undefined) {
    const path = join(directory, 'model.safetensors')
    const file = await readFile(path)
    const length = Number(file.readBigUInt64LE(0))
    const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<string, Entry>
    change.tensors(header)
    const text = Buffer.from(JSON.stringify(header))
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(BigInt(text.length))
    await writeFile(path, Buffer.concat([size, text, file.subarray(8 + length)]))
  }
  if (change.config !== undefined) {
    const path = join(directory, 'config.json')
    const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, Record<string, unknown>>
    change.config(config)
    await writeFile(path, JSON.stringify(config))
  }
  return directory
}

function renamed(from: string, to: string) {
  return (header: Record<string, Entry>) => {
    const entry = header[from]
    if (entry === undefined) throw new Error(`no ${from}`)
    delete header[from]
    header[to] = entry
  }
}

describe('a translator’s directory', () => {
  it.each([
    ['decoder.model.decoder.layers.0.fc1.weight', 'decoder.model.decoder.layers.0.fc9.weight'],
    [
      'decoder.model.decoder.layers.1.encoder_attn.k_proj.bias',
      'decoder.model.decoder.layers.7.encoder_attn.k_proj.bias',
    ],
    ['encoder.adapter.layers.0.conv.bias', 'encoder.adapter.layers.9.conv.bias'],
    ['encoder.encoder.layer_norm.bias', 'stray'],
  ])('%s under another name: missing and surplus are named', async (from, to) => {
    const directory = await changed(TRANSLATOR, { tensors: renamed(from, to) })
    const { line } = await refusalOf(() => SpeechTranslator.open(directory))
    expect(line).toContain(`missing ${from}`)
    if (!to.includes('layers.7')) expect(line).toContain(`surplus ${to}`)
  })

  it('another shape is named with both', async () => {
    const directory = await changed(PROJECTED, {
      tensors: (header) => header['enc_to_dec_proj.weight']?.shape.reverse(),
    })
    const { line } = await refusalOf(() => SpeechTranslator.open(directory))
    expect(line).toContain('enc_to_dec_proj.weight is [32, 40] instead of [40, 32]')
  })

  it('an untied head is one of its own: used where it is, missed where it is not', async () => {
    const untie = (config: Record<string, Record<string, unknown>>) =>
      Object.assign(config.decoder ?? {}, { tie_word_embeddings: false })
    const bare = await changed(PROJECTED, { config: untie })
    const { line } = await refusalOf(() => SpeechTranslator.open(bare))
    expect(line).toContain('missing decoder.lm_head.weight')
    // The file of this case repeats the table under the head's name.
    const model = await SpeechTranslator.open(await changed(TRANSLATOR, { config: untie }))
    const tied = await SpeechTranslator.open(TRANSLATOR)
    try {
      const sound = [Float32Array.from({ length: 8000 }, (_, i) => Math.sin(i * 0.1))]
      const logits = async (of: SpeechTranslator) => {
        const [recording] = (await of.encode(of.prepare(sound))).recordings
        if (recording === undefined) throw new Error('no recording')
        return (await of.decode(recording, [83, 9])).logits?.data
      }
      expect(await logits(model)).toEqual(await logits(tied))
    } finally {
      await model.close()
      await tied.close()
    }
  })

  it('a tied pair under either name, and a head that differs from the table', async () => {
    const table = 'decoder.model.decoder.embed_tokens.weight'
    const head = 'decoder.lm_head.weight'
    const only = temporaryPath('head-only')
    await copyCase(firstCase('11a'), only, { tensors: (all) => all.filter(({ name }) => name !== table) })
    const differing = temporaryPath('head-differs')
    await copyCase(firstCase('11a'), differing, {
      tensors: (all) =>
        all.map((tensor) => {
          if (tensor.name !== head || !(tensor.data instanceof Uint8Array)) return tensor
          const values = new Float32Array(Uint8Array.from(tensor.data).buffer)
          return { ...tensor, data: new Uint8Array(values.map((value) => -value).buffer) }
        }),
    })
    const sound = [Float32Array.from({ length: 8000 }, (_, i) => Math.sin(i * 0.1))]
    const logitsOf = async (directory: string): Promise<Float32Array> => {
      const model = await SpeechTranslator.open(directory)
      try {
        const [recording] = (await model.encode(model.prepare(sound))).recordings
        if (recording === undefined) throw new Error('no recording')
        return (await model.decode(recording, [83, 9])).logits?.data as Float32Array
      } finally {
        await model.close()
      }
    }
    const whole = await logitsOf(TRANSLATOR)
    expect(await logitsOf(only)).toEqual(whole)
    const negated = await logitsOf(differing)
    expect([...negated].map((value) => 0 - value)).toEqual([...whole])
    const neither = temporaryPath('no-head')
    await copyCase(firstCase('11a'), neither, {
      tensors: (all) => all.filter(({ name }) => name !== table && name !== head),
    })
    expect((await refusalOf(() => SpeechTranslator.open(neither))).line).toContain(`missing ${table}`)
  })

  it('a configuration that is not of this kind', async () => {
    const other = await changed(TRANSLATOR, {
      config: (config) => Object.assign(config.decoder ?? {}, { model_type: 'gpt2' }),
    })
    expect((await refusalOf(() => SpeechTranslator.open(other))).line).toMatch(/config.json: .*model_type/)
    const heads = await changed(TRANSLATOR, {
      config: (config) => Object.assign(config.decoder ?? {}, { decoder_attention_heads: 5 }),
    })
    expect((await refusalOf(() => SpeechTranslator.open(heads))).line).toMatch(/does not divide into 5 heads/)
  })
})

describe('translation', () => {
  const sound = Float32Array.from(
    { length: 24_000 },
    (_, i) => 0.3 * Math.sin(i * 0.05) * Math.sin(i * 0.0007),
  )

  it('a sequence read at once gives the logits of one read token by token, rows exchanged on the way', async () => {
    const model = await SpeechTranslator.open(TRANSLATOR)
    try {
      const { recordings } = await model.encode(model.prepare([sound]))
      const [recording] = recordings
      if (recording === undefined) throw new Error('no recording')
      const one = [83, 9, 26, 49, 85]
      const other = [83, 30, 25, 5, 12]
      const whole = await Promise.all([one, other].map((tokens) => model.decode(recording, tokens)))
      const width = model.config.decoder.vocabulary
      const decoder = model.cache(recording)
      for (let i = 0; i < one.length; i++) {
        // The two sequences change places at every step.
        const order = i % 2 === 0 ? [0, 1] : [1, 0]
        const from = i === 0 ? [0, 0] : [1, 0]
        const rows = await decoder.step(
          from,
          order.map((which) => [one, other][which]?.[i] ?? 0),
        )
        for (const [row, which] of order.entries()) {
          const all = whole[which]?.logits?.data ?? new Float32Array(0)
          const expected = all.subarray(i * width, (i + 1) * width)
          for (const [place, value] of (rows[row] ?? new Float32Array(0)).entries())
            expect(value).toBeCloseTo(Number(expected[place]), 4)
        }
      }
    } finally {
      await model.close()
    }
  })

  it('speaks the language asked for, and says what it cannot do', async () => {
    const model = await SpeechTranslator.open(TRANSLATOR)
    try {
      const { tokens, text } = await model.translate(sound, { targetLanguage: 'fr_XX', maxLength: 8 })
      const tokenizer = await model.tokenizer()
      expect(tokens[1]).toBe(tokenizer.languageId('fr_XX'))
      expect(tokens.length).toBeLessThanOrEqual(8)
      expect(text).toBe(tokenizer.decode(tokens))
      expect((await refusalOf(() => model.translate(sound, { targetLanguage: 'xx' }))).line).toMatch(
        /no language "xx"/,
      )
      expect((await refusalOf(() => model.translate(sound, { maxLength: 4000 }))).line).toMatch(
        /more than the 40/,
      )
      expect((await refusalOf(() => model.translate(sound.subarray(0, 100)))).line).toMatch(/too short/)
    } finally {
      await model.close()
    }
  })
})
