import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../../../src/ml/train/random.js'
import { outputFrames } from '../../../../src/models/asr-small/definition.js'
import { MELS, normaliseFrames, toLogEnergies } from '../../../../src/models/asr-small/features.js'
import { ROW_FRAMES, streamsOf, trainingRows } from '../../../../src/models/language-id/batches.js'
import type { LanguageClip } from '../../../../src/models/language-id/data/prepare.js'
import { PhoneHearing } from '../../../../src/models/language-id/hearing.js'
import { LANGUAGES } from '../../../../src/models/language-id/languages.js'
import { PHONE_CLASSES } from '../../../../src/models/language-id/phones.js'
import { LANGUAGE_ID_RECIPE, LanguageIdTraining } from '../../../../src/models/language-id/training.js'

const random = Random.named(1, 'language-id test')

/** Each phone has a band of its own that is loud for a tenth of a second. */
function clip(language: string, source: string, phones: readonly number[]): LanguageClip {
  const frames = phones.length * 10
  const bytes = new Uint8Array(frames * MELS)
  for (let i = 0; i < bytes.length; i++) bytes[i] = 40 + random.below(20)
  phones.forEach((phone, k) => {
    for (let t = k * 10 + 1; t < k * 10 + 9; t++)
      for (let m = 0; m < 8; m++) bytes[t * MELS + phone * 8 + m] = 160 + random.below(20)
  })
  return {
    id: `${language}/${phones.join()}`,
    language,
    split: 'train',
    source,
    speaker: language,
    phones,
    features: { frames, bytes },
  }
}
const spell = (): readonly number[] => Array.from({ length: 8 + random.below(12) }, () => 1 + random.below(6))
const clips = [...LANGUAGES, 'ro'].flatMap((language) =>
  ['asterisk', 'espeak-ng'].flatMap((source) =>
    Array.from({ length: 6 }, () => clip(language, source, spell())),
  ),
)
const recipe = { ...LANGUAGE_ID_RECIPE, updates: 6, warmUp: 2 }

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-language-id-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('rows to learn from', () => {
  const streams = streamsOf(clips)

  it('are the same for the same update, others for another', () => {
    const first = trainingRows(streams, 2, 1, 7)
    expect(trainingRows(streams, 2, 1, 7)).toEqual(first)
    expect(trainingRows(streams, 2, 1, 8)).not.toEqual(first)
  })

  it('hold several clips each, with the phones of all of them', () => {
    const { targets, labels, lengths } = trainingRows(streams, 2, 1, 3)
    for (const row of [0, 1]) {
      const count = Number(labels?.data[row])
      expect(count).toBeGreaterThan(20)
      expect(Number(lengths?.data[row])).toBeGreaterThan(outputFrames(ROW_FRAMES) / 2)
      const places = Number(targets?.shape[1])
      const phones = Array.from({ length: count }, (_, i) => Number(targets?.data[row * places + i]))
      expect(phones.every((phone) => phone >= 1 && phone <= 6)).toBe(true)
    }
  })

  it('need something of every language', () => {
    expect(() => streamsOf(clips.filter(({ language }) => language !== 'it'))).toThrow(/no clips in it/)
  })
})

describe('a run', () => {
  it('begins with the English recogniser, learns, and goes on as if it had not been stopped', async () => {
    const whole = await LanguageIdTraining.open(recipe, clips, 1)
    const first = await whole.advance(2)
    await whole.save(join(folder, 'state.safetensors'))
    const second = await whole.advance(4)
    expect(second.loss).toBeLessThan(first.loss)
    expect(whole.finished).toBe(true)
    await whole.exportWeights(join(folder, 'whole.safetensors'))
    await whole.close()

    const resumed = await LanguageIdTraining.open(recipe, clips, 1, join(folder, 'state.safetensors'))
    expect(resumed.update).toBe(2)
    expect((await resumed.advance(4)).loss).toBe(second.loss)
    await resumed.close()
  }, 300_000)

  it('gives weights that hear a long sound in windows as they hear its parts', async () => {
    const hearing = await PhoneHearing.open(join(folder, 'whole.safetensors'))
    const long = Array.from({ length: 20 }, () => clip('en', 'x', spell()).features)
    const bytes = new Uint8Array(Buffer.concat(long.map((each) => each.bytes)))
    const frames = bytes.length / MELS
    expect(frames).toBeGreaterThan(1600)
    const values = normaliseFrames(toLogEnergies({ bytes, frames }))
    const heard = await hearing.hearNormalised(values)
    expect(heard.length).toBe(outputFrames(frames) * PHONE_CLASSES)
    // A stretch around the first seam, heard by itself: the same in its middle.
    const from = 480
    const part = await hearing.hearNormalised(values.slice(from * MELS, (from + 480) * MELS))
    let largest = 0
    for (let t = 50; t < 70; t++)
      for (let each = 0; each < PHONE_CLASSES; each++)
        largest = Math.max(
          largest,
          Math.abs(
            (heard[(from / 4 + t) * PHONE_CLASSES + each] ?? 0) - (part[t * PHONE_CLASSES + each] ?? 0),
          ),
        )
    expect(largest).toBeLessThan(0.2)
    for (let t = 0; t < heard.length / PHONE_CLASSES; t++) {
      const row = heard.subarray(t * PHONE_CLASSES, (t + 1) * PHONE_CLASSES)
      expect(row.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 3)
    }
    await hearing.close()
  }, 180_000)
})
