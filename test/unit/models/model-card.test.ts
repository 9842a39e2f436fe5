import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseModelCard, readModelCard } from '../../../src/models/model-card.js'
import { temporaryPath } from '../ml/files-support.js'

const golden = (name: string) => fileURLToPath(new URL(`../../fixtures/golden/${name}/`, import.meta.url))

describe('a model card', () => {
  it('its card gives licence, languages and origin', async () => {
    const directory = temporaryPath('card')
    await cp(golden('01-wav2vec2-ctc-base'), directory, { recursive: true })
    const card =
      '---\r\nlicense: cc-by-nc-4.0\r\nlanguage:\r\n- en\r\n- no\r\nbase_model: a/b\r\n---\r\n# Model\n---\nlicense: mit\n---\n'
    await writeFile(join(directory, 'README.md'), card)
    const found = await readModelCard(directory)
    // "no" is Norwegian here, not a boolean.
    expect(found).toMatchObject({
      licence: 'cc-by-nc-4.0',
      languages: ['en', 'no'],
      baseModels: ['a/b'],
    })
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
})
