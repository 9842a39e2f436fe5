/** What is checked of a directory before anything of it is loaded. */
import { cp, mkdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCard } from '../../../../src/inference/catalogue/card.js'
import { hashedFiles } from '../../../../src/inference/catalogue/model-hash.js'
import { SafetensorsFile } from '../../../../src/ml/files/safetensors-reader.js'
import { writeSafetensors } from '../../../../src/ml/files/safetensors-writer.js'
import { parseSpeechConfig } from '../../../../src/models/wav2vec2/config.js'
import { Recogniser } from '../../../../src/models/wav2vec2/recogniser.js'
import { refusalOf, temporaryPath } from '../../ml/files-support.js'
import { firstCase } from '../../models/checkpoint-copies.js'

async function copyOf(number: string): Promise<string> {
  const directory = temporaryPath('model')
  await cp(firstCase(number).folder, directory, { recursive: true })
  return directory
}

async function edit(path: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  change(json)
  await writeFile(path, JSON.stringify(json))
}

describe('a tokenizer', () => {
  it.each([
    ['11a', 'sentencepiece.bpe.model'],
    ['08', 'merges.txt'],
    ['01', 'vocab.json'],
  ])('of case %s lacks %s', async (number, file) => {
    const directory = await copyOf(number)
    expect((await readCard(directory)).directory).toBe(directory)
    await rm(join(directory, file))
    expect((await refusalOf(() => readCard(directory))).line).toContain(file)
  })

  it('of another class', async () => {
    const directory = await copyOf('11a')
    await edit(join(directory, 'tokenizer_config.json'), (json) => {
      json.tokenizer_class = 'MBartTokenizer'
    })
    expect((await refusalOf(() => readCard(directory))).line).toMatch(/MBartTokenizer/)
  })
})

describe('languages', () => {
  it('are those whose adapters are whole', async () => {
    const directory = await copyOf('03')
    const { languages } = await readCard(directory)
    const own = JSON.parse(await readFile(join(directory, 'tokenizer_config.json'), 'utf8')) as {
      target_lang: string
    }
    const [broken = '', damaged = ''] = languages.filter((each) => each !== own.target_lang)
    const path = join(directory, `adapter.${broken}.safetensors`)
    await truncate(path, (await stat(path)).size - 9)
    await writeFile(join(directory, `adapter.${damaged}.safetensors`), '<html>not found</html>')
    expect((await readCard(directory)).languages).toEqual(
      languages.filter((each) => each !== broken && each !== damaged),
    )
    // Who asks for one of them still hears which file it is.
    expect((await refusalOf(() => Recogniser.open(directory, { language: broken }))).line).toContain(
      `adapter.${broken}.safetensors`,
    )
  })

  it('none named, none taken', async () => {
    const directory = await copyOf('03')
    await edit(join(directory, 'tokenizer_config.json'), (json) => {
      delete json.target_lang
    })
    expect((await refusalOf(() => Recogniser.open(directory))).line).toMatch(
      /names no target_lang; name the language: \w+, \w+/,
    )
    expect((await readCard(directory)).languages.length).toBeGreaterThan(1)
  })
})

describe('weights', () => {
  it('in shards of any name that the index gives them', async () => {
    const directory = await copyOf('01')
    const whole = await readCard(directory)
    const path = join(directory, 'model.safetensors')
    const source = await SafetensorsFile.open(path)
    const infos = [...source.tensors.values()]
    const weightMap: Record<string, string> = {}
    for (const [i, part] of [infos.slice(0, 9), infos.slice(9)].entries()) {
      const tensors = await Promise.all(
        part.map(async ({ name, dtype, shape }) => ({
          name,
          dtype,
          shape: [...shape],
          data: await source.readBytes(name),
        })),
      )
      const file = `weights_${i}.safetensors`
      for (const { name } of part) weightMap[name] = file
      await writeSafetensors(join(directory, file), tensors)
    }
    await source.close()
    const spare = temporaryPath('spare')
    await mkdir(spare)
    await rename(path, join(spare, 'model.safetensors'))
    await writeFile(`${path}.index.json`, JSON.stringify({ weight_map: weightMap }))
    await writeFile(join(directory, 'pytorch_model.bin'), 'shadowed')
    const card = await readCard(directory)
    expect(card.memoryBytes).toBe(whole.memoryBytes)
    const shards = [...new Set(Object.values(weightMap))]
    const sizes = await Promise.all(shards.map(async (file) => (await stat(join(directory, file))).size))
    expect(card.fileBytes).toBe(sizes.reduce((sum, size) => sum + size, 0))
    const hashed = await hashedFiles(directory)
    expect(hashed).toEqual(expect.arrayContaining(['weights_0.safetensors', 'weights_1.safetensors']))
    expect(hashed).not.toContain('pytorch_model.bin')
    await rm(join(directory, 'weights_1.safetensors'))
    expect((await refusalOf(() => readCard(directory))).line).toMatch(/weights_1\.safetensors is not there/)
  })
})

describe('config.json', () => {
  it('null means the default', () => {
    const said = { model_type: 'wav2vec2', architectures: ['Wav2Vec2ForCTC'] }
    const config = parseSpeechConfig(
      { ...said, conv_bias: null, layer_norm_eps: null, vocab_size: null, hidden_act: null, id2label: null },
      'config.json',
    )
    const defaults = parseSpeechConfig(said, 'config.json')
    expect(config).toEqual(defaults)
    expect(() => parseSpeechConfig({ ...said, model_type: null }, 'config.json')).toThrow(/model_type/)
  })
})
