/** Case 03: one MMS model, a language after another by exchanging adapters and heads. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adapterLanguages } from '../../src/models/wav2vec2/languages.js'
import { Recogniser } from '../../src/models/wav2vec2/recogniser.js'
import { goldenCases } from './harness.js'
import { soundsOf } from './speech-support.js'

for (const golden of goldenCases('03'))
  describe(`golden ${golden.name}`, () => {
    const { languages, vocab_sizes: sizes } = golden.about as {
      languages: string[]
      vocab_sizes: Record<string, number>
    }
    const samples = golden.integers('batch.input_lengths')
    let recogniser: Recogniser
    beforeAll(async () => {
      recogniser = await Recogniser.open(golden.folder)
    })
    afterAll(async () => {
      await recogniser?.close()
      golden.report()
    })

    async function expectLanguage(language: string): Promise<void> {
      const single = soundsOf(golden, 'single.input_values')
      const batch = soundsOf(golden, 'batch.input_values', samples)
      const [one] = await recogniser.run(single)
      const rows = await recogniser.run(batch)
      const frames = golden.integers('batch.frame_lengths')
      expect(rows.map((row) => row.frames)).toEqual(frames)
      expect(one?.vocabulary).toBe(sizes[language])
      golden.expectClose(
        `${language}.single.logits`,
        one?.logits ?? [],
        golden.floats(`${language}.single.logits`),
      )
      const expected = golden.validFrames(golden.tensor(`${language}.batch.logits`), frames)
      const actual = rows.flatMap(({ logits }) => [...logits])
      golden.expectClose(`${language}.batch.logits`, actual, expected)
      const text = (golden.about.expected_text as Record<string, { single: string; batch: string[] }>)[
        language
      ]
      expect(one?.text).toBe(text?.single)
      expect(rows.map((row) => row.text)).toEqual(text?.batch)
    }

    it('begins with its own language', async () => {
      const own = recogniser.language ?? ''
      expect(languages).toContain(own)
      await expectLanguage(own)
    })

    it('every language, there and back again', async () => {
      expect(await adapterLanguages(golden.folder)).toEqual([...languages].sort())
      for (const language of [...languages, ...[...languages].reverse()]) {
        await recogniser.setLanguage(language)
        expect(recogniser.language).toBe(language)
        await expectLanguage(language)
      }
    })

    it('the last hidden state', async () => {
      for (const language of languages) {
        await recogniser.setLanguage(language)
        const results = await recogniser.results(soundsOf(golden, 'single.input_values'))
        golden.expectTensor(`${language}.single.last_hidden_state`, results.last)
      }
    })

    it('raw sounds to text in one batch', async () => {
      const [language = ''] = languages
      await recogniser.setLanguage(language)
      const transcripts = await recogniser.transcribe([golden.floats('audio.0'), golden.floats('audio.1')])
      const text = (golden.about.expected_text as Record<string, { batch: string[] }>)[language]
      expect(transcripts.map((each) => each.text)).toEqual(text?.batch)
    })

    it('names a language that is not there', async () => {
      await expect(recogniser.setLanguage('../eng')).rejects.toThrow(/no vocabulary for the language/)
    })
  })
