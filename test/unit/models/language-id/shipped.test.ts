/**
 * The model as it comes with the package. test/fixtures/language-id holds features of sentences that espeak-ng says;
 * the model has heard that engine, so this shows that the parts fit together. What it is worth among people it has not
 * heard is in its card, by `npm run bench -- language-id`.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readBuiltIns } from '../../../../src/inference/catalogue/built-in.js'
import { MELS } from '../../../../src/models/asr-small/features.js'
import { fitPhonotactics } from '../../../../src/models/language-id/fitting.js'
import { LanguageIdentifier } from '../../../../src/models/language-id/identifier.js'
import { LANGUAGES } from '../../../../src/models/language-id/languages.js'
import { countBigrams } from '../../../../src/models/language-id/phonotactics.js'
import { PHONOTACTICS_FILE, readPhonotactics } from '../../../../src/models/language-id/phonotactics-file.js'
import { readModelCard } from '../../../../src/models/model-card.js'

const directory = fileURLToPath(new URL('../../../../models/language-id', import.meta.url))
const fixture = async (language: string) => {
  const bytes = new Uint8Array(
    await readFile(new URL(`../../../fixtures/language-id/${language}.bin`, import.meta.url)),
  )
  return { bytes, frames: bytes.length / MELS }
}
let model: LanguageIdentifier
beforeAll(async () => {
  model = await LanguageIdentifier.open(directory)
})
afterAll(() => model.close())

describe('language-id, as shipped', () => {
  it('tells each of its languages', async () => {
    for (const language of LANGUAGES) {
      const { labels } = await model.ofFeatures(await fixture(language))
      expect(labels.map(({ language: label }) => label).sort()).toEqual([...LANGUAGES].sort())
      expect(labels.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6)
      expect(labels[0]?.language).toBe(language)
    }
  })

  it('is sure of seconds, of a quarter of one never, and not wrongly of a half', async () => {
    const sure = new Map<number, string[]>()
    for (const language of LANGUAGES) {
      const { bytes, frames } = await fixture(language)
      for (const count of [10, 25, 50, frames])
        for (let from = 0; from + count <= frames; from += 40) {
          const slice = { bytes: bytes.slice(from * MELS, (from + count) * MELS), frames: count }
          const { isSure, labels } = await model.ofFeatures(slice)
          if (!isSure) continue
          const seconds = count === frames ? Number.POSITIVE_INFINITY : count / 100
          const heard = labels[0]?.language === language ? 'right' : `${labels[0]?.language} for ${language}`
          sure.set(seconds, [...(sure.get(seconds) ?? []), heard])
        }
    }
    expect(sure.get(0.1)).toBeUndefined()
    expect(sure.get(0.25)).toBeUndefined()
    expect((sure.get(0.5) ?? []).filter((heard) => heard !== 'right')).toEqual([])
    expect(sure.get(Number.POSITIVE_INFINITY)?.length).toBeGreaterThanOrEqual(3)
  }, 60_000)

  it('has nothing to say of silence', async () => {
    const silence = await model.ofFeatures({ bytes: new Uint8Array(300 * MELS), frames: 300 })
    expect(silence).toEqual({ labels: [], isSure: false })
    expect(await model.ofFeatures({ bytes: new Uint8Array(0), frames: 0 })).toEqual({
      labels: [],
      isSure: false,
    })
  })

  it('hears enough of each language to be fitted anew, and says of which there is nothing', async () => {
    const weights = join(directory, 'model.safetensors')
    const clips = await Promise.all(
      LANGUAGES.map(async (language) => ({
        id: language,
        language,
        split: 'train' as const,
        source: 'espeak-ng',
        speaker: language,
        phones: [],
        features: await fixture(language),
      })),
    )
    const sentences = LANGUAGES.map((language, i) => ({ language, phones: [i + 1, i + 2, i + 1] }))
    const { heard, languages } = await fitPhonotactics(weights, clips, sentences, 1)
    expect(heard.reduce((sum, share) => sum + share)).toBeCloseTo(1, 9)
    // Five sentences are heard roughly as all that was learnt from: three quarters of it in the same phones.
    const shipped = (await readPhonotactics(join(directory, PHONOTACTICS_FILE))).heard
    const apart = heard.reduce((sum, share, i) => sum + Math.abs(share - (shipped[i] ?? 0)) / 2, 0)
    expect(apart).toBeLessThan(0.25)
    expect(languages).toEqual(sentences.map(({ phones }) => countBigrams([phones])))
    const four = clips.filter(({ language }) => language !== 'it')
    await expect(fitPhonotactics(weights, four, sentences, 1)).rejects.toThrow(/no clips in it/)
    await expect(fitPhonotactics(weights, clips, sentences.slice(1), 1)).rejects.toThrow(/no sentences in en/)
  }, 120_000)

  it('is in the catalogue, with a licence, figures of every source and what it is not good for', async () => {
    const card = (await readBuiltIns()).find(({ name }) => name === 'language-id')
    expect(card).toMatchObject({ task: 'identify' })
    const { licence, results, limitations } = await readModelCard(directory)
    expect(licence).toBe('gpl-3.0')
    expect(limitations.length).toBeGreaterThan(2)
    for (const source of [
      'asterisk-prompt-es-co',
      'asterisk-prompt-fr-armelle',
      'asterisk-prompt-it-menardi-wav',
      'festvox-ru',
      'flight-of-the-amazon-queen',
      'pocketsphinx-testdata',
    ])
      expect(results.some(({ dataset }) => dataset.includes(source))).toBe(true)
  })
})
