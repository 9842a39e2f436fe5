/** Directories of the wav2vec 2.0 family as they are found in the wild, and those that do not hold together. */
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import { fromFloat32 } from '../../../src/ml/files/convert.js'
import { SafetensorsFile } from '../../../src/ml/files/safetensors-reader.js'
import { type TensorToWrite, writeSafetensors } from '../../../src/ml/files/safetensors-writer.js'
import { SpeechClassifier } from '../../../src/models/wav2vec2/classifier.js'
import { SpeechModel } from '../../../src/models/wav2vec2/model.js'
import { Recogniser } from '../../../src/models/wav2vec2/recogniser.js'
import { type GoldenCase, goldenCases } from '../../golden/harness.js'
import { soundsOf } from '../../golden/speech-support.js'

function only(number: string): GoldenCase {
  const [golden] = goldenCases(number)
  if (golden === undefined) throw new Error(`no case ${number}`)
  return golden
}

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-test-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** A copy of a case whose weights went through `change`. */
async function copyOf(
  golden: GoldenCase,
  change: (tensors: TensorToWrite[]) => readonly TensorToWrite[] = (tensors) => tensors,
  file = 'model.safetensors',
): Promise<void> {
  await cp(golden.folder, directory, { recursive: true })
  const source = await SafetensorsFile.open(golden.path(file))
  const tensors: TensorToWrite[] = []
  for (const { name, dtype, shape } of source.tensors.values())
    tensors.push({ name, dtype, shape, data: await source.readBytes(name) })
  await source.close()
  await rm(join(directory, file))
  await writeSafetensors(join(directory, file), change(tensors))
}

async function changeConfig(change: Readonly<Record<string, unknown>>): Promise<void> {
  const path = join(directory, 'config.json')
  const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  await writeFile(path, JSON.stringify({ ...config, ...change }))
}

async function refusal(opening: Promise<{ close(): Promise<void> }>): Promise<UserError> {
  const error: unknown = await opening.then(
    (opened) => opened.close(),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(UserError)
  expect((error as UserError).line).not.toContain('\n')
  return error as UserError
}

/** That the directory gives the case's logits. */
async function expectLogits(golden: GoldenCase, scale = 1): Promise<void> {
  const model = await SpeechModel.open(directory)
  const { logits } = await model.run(soundsOf(golden, 'single.input_values'))
  await model.close()
  const { rtol, atol } = golden.tolerance
  golden.expectTensor('single.logits', logits, { rtol: rtol * scale, atol: atol * scale })
}

describe('a model directory', () => {
  const golden = only('01')

  it('loads from a PyTorch archive as from safetensors', async () => {
    await cp(golden.folder, directory, { recursive: true })
    await rm(join(directory, 'model.safetensors'))
    await cp(only('15').path('zip', 'pytorch_model.bin'), join(directory, 'pytorch_model.bin'))
    await expectLogits(golden)
  })

  it('loads with weight norm in the newer spelling', async () => {
    const newer = (name: string): string =>
      name
        .replace('conv.weight_g', 'conv.parametrizations.weight.original0')
        .replace('conv.weight_v', 'conv.parametrizations.weight.original1')
    await copyOf(golden, (tensors) => tensors.map((tensor) => ({ ...tensor, name: newer(tensor.name) })))
    await expectLogits(golden)
  })

  it('loads an encoder with and without a prefix, and out of a checkpoint with a head', async () => {
    const run = async (task?: 'encoder') => {
      const model = await SpeechModel.open(directory, task === undefined ? {} : { task })
      const { last, logits } = await model.run(soundsOf(golden, 'single.input_values'))
      await model.close()
      expect(logits).toBeUndefined()
      return last
    }
    const states = golden.tensorNames.filter((name) => /^single\.hidden_states\.\d+$/.test(name))
    const name = `single.hidden_states.${states.length - 1}`
    await copyOf(golden)
    golden.expectTensor(name, await run('encoder'))
    await copyOf(golden, (tensors) =>
      tensors
        .filter((tensor) => !tensor.name.startsWith('lm_head'))
        .map((tensor) => ({ ...tensor, name: tensor.name.replace('wav2vec2.', '') })),
    )
    await changeConfig({ architectures: ['Wav2Vec2Model'] })
    golden.expectTensor(name, await run())
  })

  it.each(['F16', 'BF16'] as const)('loads weights in %s', async (dtype) => {
    await copyOf(golden, (tensors) =>
      tensors.map(({ name, shape, data }) => {
        const bytes = data as Uint8Array
        return { name, shape, dtype, data: fromFloat32(new Float32Array(bytes.slice().buffer), dtype) }
      }),
    )
    const model = await SpeechModel.open(directory)
    const { logits } = await model.run(soundsOf(golden, 'single.input_values'))
    await model.close()
    // 11 and 8 bits of mantissa through some ten layers.
    const most = golden.floats('single.logits').reduce((top, value) => Math.max(top, Math.abs(value)), 0)
    const atol = (dtype === 'F16' ? 0.01 : 0.08) * most
    golden.expectTensor('single.logits', logits, { rtol: 0, atol })
  })

  it('loads where files are links into a store of blobs', async () => {
    await copyOf(golden)
    await mkdir(join(directory, 'blobs'))
    await rename(join(directory, 'model.safetensors'), join(directory, 'blobs', 'c0ffee'))
    await symlink('blobs/c0ffee', join(directory, 'model.safetensors'))
    await expectLogits(golden)
  })

  it('names every missing, surplus and misshapen tensor in one line, with the file', async () => {
    await copyOf(golden, ([first, second, third, ...rest]) => {
      if (!first || !second || !third) throw new Error('three tensors are needed')
      const misshapen = { ...second, shape: [...second.shape, 1] }
      return [misshapen, third, ...rest, { ...third, name: 'wav2vec2.stranger' }]
    })
    const source = await SafetensorsFile.open(golden.path('model.safetensors'))
    const [missing, misshapen] = source.tensors.keys()
    await source.close()
    const { message } = await refusal(SpeechModel.open(directory))
    expect(message).toContain('model.safetensors')
    expect(message).toContain(`missing ${missing}`)
    expect(message).toMatch(new RegExp(`${misshapen?.replaceAll('.', '\\.')} is \\[.*\\] instead of \\[`))
    expect(message).toContain('surplus wav2vec2.stranger')
  })

  it('refuses an architecture of another kind by its name', async () => {
    await copyOf(golden)
    await changeConfig({ architectures: ['Wav2Vec2ForXVector'] })
    const { message } = await refusal(SpeechModel.open(directory))
    expect(message).toContain('config.json')
    expect(message).toContain('Wav2Vec2ForXVector')
  })

  it('names options that are out of range', async () => {
    await copyOf(golden)
    await changeConfig({ hidden_act: 'mystery', num_attention_heads: 0 })
    const { message } = await refusal(SpeechModel.open(directory))
    expect(message).toContain('hidden_act')
    expect(message).toContain('num_attention_heads')
  })

  it('refuses a sound too short for a frame', async () => {
    await copyOf(golden)
    const model = await SpeechModel.open(directory)
    const run = model.run({ values: new Float32Array(20), rows: 1, samples: 20 })
    await expect(run).rejects.toThrow(/too short/)
    await model.close()
  })
})

describe('a classifier', () => {
  const golden = only('04')

  it('of weighted layers: all weight on the last state is the last state', async () => {
    const states = Number(golden.config.num_hidden_layers) + 1
    const weights = new Float32Array(states).fill(-100)
    weights[states - 1] = 100
    const data = new Uint8Array(weights.buffer)
    await copyOf(golden, (tensors) => [
      ...tensors,
      { name: 'layer_weights', dtype: 'F32', shape: [states], data },
    ])
    await changeConfig({ use_weighted_layer_sum: true })
    const classifier = await SpeechClassifier.open(directory)
    const [one] = await classifier.run(soundsOf(golden, 'single.input_values'))
    await classifier.close()
    golden.expectClose('single.logits', one?.logits ?? [], golden.floats('single.logits'))
  })

  it('is not taken for a recogniser', async () => {
    await cp(only('01').folder, directory, { recursive: true })
    const { message } = await refusal(SpeechClassifier.open(directory))
    expect(message).toContain('ctc')
  })
})

describe('an adapter', () => {
  const golden = only('03')
  const [, other = ''] = golden.about.languages as string[]
  const file = `adapter.${other}.safetensors`

  it('that lacks a tensor is refused by its name, and the language before stays', async () => {
    let missing = ''
    await copyOf(
      golden,
      ([first, ...rest]) => {
        missing = first?.name ?? ''
        return rest
      },
      file,
    )
    const recogniser = await Recogniser.open(directory)
    const before = recogniser.language
    const error = await recogniser.setLanguage(other).catch((reason: unknown) => reason)
    expect((error as UserError).message).toContain(file)
    expect((error as UserError).message).toContain(missing)
    expect(recogniser.language).toBe(before)
    await recogniser.close()
  })
})
