/** CTC training of cases 01 and 02: losses, and the gradient of every parameter. */
import { describe, it } from 'vitest'
import { ctcHead, ctcHeadLoss } from '../../src/models/wav2vec2/ctc.js'
import { speechEncoder } from '../../src/models/wav2vec2/encoder.js'
import { goldenCases } from './harness.js'
import { expectGradients, runTraining } from './speech-support.js'

for (const golden of goldenCases('01', '02', '07').filter((each) => each.hasTensor('labels')))
  describe(`golden ${golden.name}`, () => {
    it('CTC loss, and gradients of its sum', async () => {
      const given = {
        sound: golden.tensor('batch.input_values'),
        frames: golden.tensor('batch.frame_lengths'),
        labels: golden.tensor('labels'),
      }
      const { outputs, gradients } = await runTraining(golden, 'ctc', given, ({ p, input, config }) => {
        const frames = input('frames')
        const { last } = speechEncoder(p, { sound: input('sound'), frames }, config)
        const logits = ctcHead(p, last, config.vocabulary)
        const loss = (reduction: 'sum' | 'mean') =>
          ctcHeadLoss(logits, input('labels'), frames, { ...config, ctc: { ...config.ctc, reduction } })
        return { loss: loss('sum'), outputs: { mean: loss('mean') } }
      })
      golden.expectTensor('loss.sum', outputs.loss)
      golden.expectTensor('loss.mean', outputs.mean)
      expectGradients(golden, gradients)
      golden.report()
    })
  })
