import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseModelCard, readModelCard } from '../../../src/models/model-card.js'
import { describeInOneLine, describeModel } from '../../../src/models/open.js'
import { refusalOf, temporaryPath } from '../ml/files-support.js'

const golden = (name: string) => fileURLToPath(new URL(`../../fixtures/golden/${name}/`, import.meta.url))

describe('a model directory', () => {
  it.each([
    ['01-wav2vec2-ctc-base', 'wav2vec2', 'speech-recognition'],
    ['04-mms-lid', 'wav2vec2', 'speech-classification'],
    ['06a-hubert-base-units', 'hubert', 'speech-features'],
    ['08-data2vec-text', 'data2vec-text', 'fill-mask'],
    ['09a-data2vec-vision-rel', 'data2vec-vision', 'image-classification'],
    ['11a-speech-translation-xlsr-mbart', 'speech-translation', 'speech-translation'],
    ['10a-vits-mms-tts', 'vits', 'speech-synthesis'],
  ])('%s is of %s', async (name, family, task) => {
    const found = await describeModel(golden(name))
    expect(found.family?.name).toBe(family)
    expect(found.family?.tasks[0]).toBe(task)
    expect(found.family?.runs).toBe(true)
    const file = statSync(join(golden(name), 'model.safetensors')).size
    expect(found.storedBytes).toBeLessThan(file)
    expect(found.storedBytes).toBeGreaterThan(0.8 * file)
    expect(found.memory.float32Bytes).toBe(4 * found.parameters)
    expect(found.memory.int8Bytes).toBeLessThan(found.memory.float32Bytes)
    expect(found.card.licence).toBeUndefined()
  })

  it('its card gives licence, languages and origin', async () => {
    const directory = temporaryPath('card')
    await cp(golden('01-wav2vec2-ctc-base'), directory, { recursive: true })
    const card =
      '---\r\nlicense: cc-by-nc-4.0\r\nlanguage:\r\n- en\r\n- no\r\nbase_model: a/b\r\n---\r\n# Model\n---\nlicense: mit\n---\n'
    await writeFile(join(directory, 'README.md'), card)
    const found = await describeModel(directory)
    // "no" is Norwegian here, not a boolean.
    expect(found.card).toMatchObject({
      licence: 'cc-by-nc-4.0',
      languages: ['en', 'no'],
      baseModels: ['a/b'],
    })
    expect(describeInOneLine(found)).toMatch(
      /^wav2vec2 \(speech-recognition, speech-features\), [\d.]+ k parameters, [\d.]+ kB as float32, licence cc-by-nc-4\.0$/,
    )
  })

  it('cards as people write them', async () => {
    expect(parseModelCard('license: other\nlicense_name: chameleon-research').licence).toBe(
      'chameleon-research',
    )
    expect(parseModelCard('license: [mit, apache-2.0]').licence).toBe('mit')
    expect(parseModelCard('license: "a\\u001b[31mb"').licence).toBe('a?[31mb')
    expect(parseModelCard(': : :\n\t- {').licence).toBeUndefined()
    const bomb = 'a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nlicense: [*b,*b,*b,*b]'
    expect(parseModelCard(bomb).licence).toBeUndefined()
    expect(await readModelCard('/nowhere')).toMatchObject({ licence: undefined, languages: [], results: [] })
  })

  it('figures as Hugging Face has them, and as our own cards do', async () => {
    const index = `limitations: [noise]
model-index:
- name: XLSR Wav2Vec2 English
  results:
  - task: {name: Automatic Speech Recognition, type: automatic-speech-recognition}
    dataset:
      name: Common Voice en
      type: common_voice
      args: en
    metrics:
    - name: Test WER
      type: wer
      value: 19.06
    - type: cer
      value: 7.69
    - name: without a value
  - dataset: {type: librispeech}
    metrics: [{type: wer, value: 3}, 7]
  - {dataset: flat, metric: WER, value: 3 %}
  - 7
- results: none`
    expect(parseModelCard(index)).toMatchObject({
      limitations: ['noise'],
      results: [
        { dataset: 'Common Voice en', metric: 'Test WER', value: '19.06' },
        { dataset: 'Common Voice en', metric: 'cer', value: '7.69' },
        { dataset: 'librispeech', metric: 'wer', value: '3' },
      ],
    })
    for (const name of ['asr-small', 'language-id']) {
      const own = await readModelCard(fileURLToPath(new URL(`../../../models/${name}/`, import.meta.url)))
      expect(own.results.length).toBeGreaterThan(8)
      for (const { value } of own.results) expect(Number(value)).toBeGreaterThan(0)
    }
  })

  it('what is unknown is told by name, what is missing by file', async () => {
    const directory = temporaryPath('unknown')
    await cp(golden('01-wav2vec2-ctc-base'), directory, { recursive: true })
    await writeFile(join(directory, 'config.json'), JSON.stringify({ architectures: ['constructor'] }))
    const found = await describeModel(directory)
    expect(found.family).toBeUndefined()
    expect(describeInOneLine(found)).toContain('constructor, a family that is not known here')
    const empty = temporaryPath('empty')
    mkdirSync(empty)
    expect((await refusalOf(() => describeModel(empty))).line).toMatch(/config\.json/)
    writeFileSync(join(empty, 'config.json'), JSON.stringify({ architectures: ['VitsModel'] }))
    expect((await refusalOf(() => describeModel(empty))).line).toMatch(/holds no weights/)
  })
})
