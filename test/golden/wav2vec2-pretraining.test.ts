/** Case 05: the pre-training objective in evaluation and in training, with gradients. */
import { describe, expect, it } from 'vitest'
import type { TensorValue } from '../../src/ml/session/session.js'
import { openSpeechCheckpoint } from '../../src/models/wav2vec2/checkpoint.js'
import { frameCount } from '../../src/models/wav2vec2/config.js'
import { pretraining } from '../../src/models/wav2vec2/pretraining.js'
import { type GoldenCase, goldenCases } from './harness.js'
import { expectGradients, runTraining } from './speech-support.js'

async function run(golden: GoldenCase, mode: 'eval' | 'train') {
  const { config, close } = await openSpeechCheckpoint(golden.folder)
  await close()
  const lengths = golden.integers('batch.input_lengths').map((length) => frameCount(config.frontEnd, length))
  const mask = golden.tensor('mask_time_indices')
  const inputs: Record<string, TensorValue> = {
    sound: golden.tensor('batch.input_values'),
    frames: { dtype: 'int64', shape: [lengths.length], data: BigInt64Array.from(lengths, BigInt) },
    mask: { dtype: 'bool', shape: mask.shape, data: Uint8Array.from(mask.data as BigInt64Array, Number) },
    negatives: golden.tensor(mode === 'eval' ? 'sampled_negative_indices' : 'train.sampled_negative_indices'),
  }
  if (mode === 'train') inputs.noise = golden.tensor('gumbel_noise')
  return runTraining(golden, 'pretraining', inputs, ({ p, input, config: known }) => {
    const sampling =
      mode === 'train'
        ? { sampling: { noise: input('noise'), temperature: Number(golden.about.gumbel_temperature) } }
        : {}
    const result = pretraining(
      p,
      {
        sound: input('sound'),
        frames: input('frames'),
        timeMask: input('mask'),
        negatives: input('negatives'),
        ...sampling,
      },
      known,
    )
    return {
      loss: result.loss,
      outputs: {
        contrastive_loss: result.contrastive,
        diversity_loss: result.diversity,
        codevector_perplexity: result.quantised.perplexity,
        code_indices: result.quantised.codes,
        extract_features: result.extracted,
        quantizer_logits: result.quantised.logits,
        quantized_features: result.quantised.features,
        projected_states: result.predicted,
        projected_quantized_states: result.target,
      },
    }
  })
}

for (const golden of goldenCases('05'))
  describe(`golden ${golden.name}`, () => {
    it.each(['eval', 'train'] as const)('%s', async (mode) => {
      const { outputs, gradients } = await run(golden, mode)
      const names = golden.tensorNames.filter(
        (name) => name.startsWith(`${mode}.`) && !name.endsWith('sampled_negative_indices'),
      )
      expect(names.length).toBeGreaterThan(0)
      // Frames of padding come out as they may.
      const { config, close } = await openSpeechCheckpoint(golden.folder)
      await close()
      const valid = golden.integers('batch.input_lengths').map((n) => frameCount(config.frontEnd, n))
      for (const name of names) {
        const value = outputs[name.slice(mode.length + 1)]
        if (name.endsWith('projected_states')) golden.expectFrames(name, value, valid)
        else golden.expectTensor(name, value)
      }
      if (mode === 'train') expectGradients(golden, gradients)
      golden.report()
    })
  })
