import { rm } from 'node:fs/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { TensorToWrite } from '../../../../src/ml/files/safetensors-writer.js'
import { VitsModel } from '../../../../src/models/vits/model.js'
import { refusalOf } from '../../ml/files-support.js'
import { type Changes, changed, only } from './support.js'

const golden = only('10a')
const ids = golden.integers('input_ids')
const directories: string[] = []
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true })
})

async function copyOf(changes: Changes, of = golden): Promise<string> {
  const directory = await changed(of, changes)
  directories.push(directory)
  return directory
}

const renamed =
  (from: RegExp, to: string) =>
  (tensors: readonly TensorToWrite[]): readonly TensorToWrite[] =>
    tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace(from, to) }))

async function refusalTo(changes: Changes, of = golden): Promise<string> {
  const directory = await copyOf(changes, of)
  const { line } = await refusalOf(async () => (await VitsModel.open(directory)).close())
  expect(line).not.toContain('\n')
  return line
}

describe('a directory with a voice', () => {
  it('loads with weight norm in the newer spelling', async () => {
    const directory = await copyOf({
      tensors: (tensors) =>
        renamed(
          /\.weight_v$/,
          '.parametrizations.weight.original1',
        )(renamed(/\.weight_g$/, '.parametrizations.weight.original0')(tensors)),
    })
    const model = await VitsModel.open(directory)
    const { waveform } = await model.synthesise([ids], { noiseScale: 0, durationNoiseScale: 0 })
    await model.close()
    golden.expectTensor('quiet.waveform', { ...waveform, shape: [1, waveform.shape[2] ?? 0] })
  })

  it('names missing, misshapen and surplus tensors, those that only training needs among them', async () => {
    const line = await refusalTo({
      tensors: (tensors) =>
        tensors
          .filter(({ name }) => name !== 'posterior_encoder.conv_pre.weight')
          .map((tensor) =>
            tensor.name === 'decoder.conv_post.weight' ? { ...tensor, shape: [...tensor.shape, 1] } : tensor,
          )
          .map((tensor) =>
            tensor.name === 'flow.flows.1.conv_pre.bias' ? { ...tensor, name: 'flow.stranger' } : tensor,
          ),
    })
    expect(line).toMatch(/missing posterior_encoder\.conv_pre\.weight \[\d+, \d+, 1\]/)
    expect(line).toMatch(/decoder\.conv_post\.weight is \[1, \d+, 7, 1\] instead of \[1, \d+, 7\]/)
    expect(line).toContain('missing flow.flows.1.conv_pre.bias')
    expect(line).toContain('surplus flow.stranger')
    expect(line).toContain('model.safetensors')
  })

  it('the first spline of the durations is asked for, though speech does without', async () => {
    const line = await refusalTo({ tensors: renamed(/^duration_predictor\.flows\.1\./, 'elsewhere.') })
    expect(line).toContain('missing duration_predictor.flows.1.conv_pre.weight')
  })

  it.each<readonly [string, Changes['config'], RegExp]>([
    ['another family', { model_type: 'bert' }, /"bert", not vits/],
    ['another class', { architectures: ['BertModel'] }, /"BertModel" is not known here.*VitsModel/],
    ['heads that do not divide', { num_attention_heads: 5 }, /does not divide into 5 heads/],
    [
      'kernels that change lengths',
      { upsample_kernel_sizes: [8, 7, 4] },
      /upsampling by 4 with a kernel of 7/,
    ],
    ['a rate without a kernel', { upsample_kernel_sizes: [8] }, /3 upsample_rates for 1/],
    ['an even kernel', { wavenet_kernel_size: 4 }, /wavenet_kernel_size: must be odd/],
    ['dilations without end', { wavenet_dilation_rate: 999_999 }, /dilations by \d+ in \d+ layers reach/],
    ['three channels of durations', { depth_separable_channels: 3 }, /depth_separable_channels/],
    ['speakers without a width', { num_speakers: 3 }, /no speaker_embedding_size/],
    ['an unknown activation', { hidden_act: 'swoosh' }, /hidden_act: is no activation/],
    ['other dimensions than the weights', { ffn_dim: 41 }, /feed_forward\.conv_1\.weight is \[40, /],
  ])('%s is refused by name', async (_, config, message) => {
    expect(await refusalTo(config === undefined ? {} : { config })).toMatch(message)
  })

  it('a checkpoint that is conditioned on speakers, yet has one, leaves the conditions unused', async () => {
    const directory = await copyOf(
      {
        config: { num_speakers: 1 },
        tensors: (tensors) => tensors.filter(({ name }) => name !== 'embed_speaker.weight'),
      },
      only('10b'),
    )
    const model = await VitsModel.open(directory)
    const { sounds } = await model.synthesise([only('10b').integers('input_ids')], { noiseScale: 0 })
    await model.close()
    expect(sounds[0]?.length).toBeGreaterThan(0)
  })
})
