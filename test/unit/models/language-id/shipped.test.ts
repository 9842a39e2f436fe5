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
import { scoreShares } from '../../../../src/models/language-id/classifier.js'
import { fitLanguages } from '../../../../src/models/language-id/fitting.js'
import { PhoneHearing } from '../../../../src/models/language-id/hearing.js'
import { LanguageIdentifier } from '../../../../src/models/language-id/identifier.js'
import { LANGUAGES } from '../../../../src/models/language-id/languages.js'
import { phoneShares } from '../../../../src/models/language-id/phone-shares.js'
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

  it('is not sure of half a second', async () => {
    const { bytes } = await fixture('fr')
    const { isSure } = await model.ofFeatures(await fixture('fr'))
    expect(isSure).toBe(true)
    const less = await model.ofFeatures({ bytes: bytes.slice(100 * MELS, 140 * MELS), frames: 40 })
    expect(less.isSure).toBe(false)
  })

  it('has nothing to say of silence', async () => {
    const silence = await model.ofFeatures({ bytes: new Uint8Array(300 * MELS), frames: 300 })
    expect(silence).toEqual({ labels: [], isSure: false })
    expect(await model.ofFeatures({ bytes: new Uint8Array(0), frames: 0 })).toEqual({
      labels: [],
      isSure: false,
    })
  })

  it('hears enough of each language to be fitted anew, and says of which it hears nothing', async () => {
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
    const classifier = await fitLanguages(weights, clips, 1)
    const hearing = await PhoneHearing.open(weights)
    try {
      for (const [index, language] of LANGUAGES.entries()) {
        const shares = phoneShares(await hearing.hear(await fixture(language)))
        if (shares === undefined) throw new Error(`nothing is heard in ${language}`)
        const scores = scoreShares(shares, classifier)
        expect(scores.indexOf(Math.max(...scores))).toBe(index)
      }
    } finally {
      await hearing.close()
    }
    const four = clips.filter(({ language }) => language !== 'it')
    await expect(fitLanguages(weights, four, 1)).rejects.toThrow(/nothing is heard of the clips in it/)
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
