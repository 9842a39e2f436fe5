/** Case 04: MMS language identification. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { crossEntropy } from '../../src/ml/losses/index.js'
import { recordingClassifier } from '../../src/models/wav2vec2/classification.js'
import { SpeechClassifier } from '../../src/models/wav2vec2/classifier.js'
import { speechEncoder } from '../../src/models/wav2vec2/encoder.js'
import { goldenCases } from './harness.js'
import { runTraining, soundsOf } from './speech-support.js'

for (const golden of goldenCases('04'))
  describe(`golden ${golden.name}`, () => {
    let classifier: SpeechClassifier
    const samples = golden.integers('batch.input_lengths')
    beforeAll(async () => {
      classifier = await SpeechClassifier.open(golden.folder)
    })
    afterAll(async () => {
      await classifier?.close()
      golden.report()
    })

    it('one recording, a masked batch, a batch without a mask', async () => {
      const { model } = classifier
      golden.expectTensor('single.logits', (await model.run(soundsOf(golden, 'single.input_values'))).logits)
      const batch = await model.run(soundsOf(golden, 'batch.input_values', samples))
      golden.expectTensor('batch.logits', batch.logits)
      const whole = await model.run(soundsOf(golden, 'batch.input_values'))
      golden.expectTensor('batch.logits_unmasked', whole.logits)
    })

    it('labels', async () => {
      const { single, batch } = golden.about.predicted_label as { single: string; batch: string[] }
      const [one] = await classifier.run(soundsOf(golden, 'single.input_values'))
      expect(one?.label).toBe(single)
      const rows = await classifier.run(soundsOf(golden, 'batch.input_values', samples))
      expect(rows.map(({ label }) => label)).toEqual(batch)
      for (const { probability } of rows) {
        expect(probability).toBeGreaterThanOrEqual(1 / classifier.labels.length)
        expect(probability).toBeLessThanOrEqual(1)
      }
    })

    it('cross-entropy of a batch in training', async () => {
      const frames = BigInt64Array.from(samples, (length) => BigInt(classifier.model.frames(length)))
      const given = {
        sound: golden.tensor('batch.input_values'),
        frames: { dtype: 'int64' as const, shape: [frames.length], data: frames },
        labels: golden.tensor('labels'),
      }
      const { outputs } = await runTraining(golden, 'classification', given, ({ p, input, config }) => {
        const encoding = speechEncoder(p, { sound: input('sound'), frames: input('frames') }, config)
        return { loss: crossEntropy(recordingClassifier(p, encoding, config), input('labels')).mean }
      })
      golden.expectTensor('batch.loss', outputs.loss)
    })
  })
