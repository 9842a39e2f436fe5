/** Recognisers that shorten their output: windows, rows and word times follow the adapter's stride, kernel and padding. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hear } from '../../../src/inference/local/hearing.js'
import type { TensorToWrite } from '../../../src/ml/files/safetensors-writer.js'
import { logSoftmaxRows } from '../../../src/models/ctc/index.js'
import { frameGeometry, framesOf, samplesOf, scoreLongSound } from '../../../src/models/speech/chunks.js'
import { adaptedCount, frameCount, leastSamples, walks } from '../../../src/models/wav2vec2/config.js'
import { Recogniser } from '../../../src/models/wav2vec2/recogniser.js'
import { randomIntegers, refusalOf, temporaryPath } from '../ml/files-support.js'
import { copyCase, firstCase } from './checkpoint-copies.js'

const LAYERS = 2
/** Kernels whose padding is less than, and as much as, keeps the length. */
const KERNELS = [5, 3]

function adapterTensors(width: number, kernel: number): readonly TensorToWrite[] {
  const next = randomIntegers(5)
  const tensor = (name: string, shape: number[]): TensorToWrite => {
    const values = Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => next(2001) / 1000 - 1,
    )
    return { name, dtype: 'F32', shape, data: new Uint8Array(values.buffer) }
  }
  return Array.from({ length: LAYERS }, (_, i) => [
    tensor(`wav2vec2.adapter.layers.${i}.conv.weight`, [2 * width, width, kernel]),
    tensor(`wav2vec2.adapter.layers.${i}.conv.bias`, [2 * width]),
  ]).flat()
}

describe.each(KERNELS)('an adapter of kernel %i', (kernel) => {
  let model: Recogniser
  beforeAll(async () => {
    const golden = firstCase('02')
    const directory = temporaryPath('shortened')
    const width = Number(golden.config.hidden_size)
    await copyCase(golden, directory, {
      tensors: (tensors) => [...tensors, ...adapterTensors(width, kernel)],
      config: {
        add_adapter: true,
        num_adapter_layers: LAYERS,
        adapter_kernel_size: kernel,
        adapter_stride: 2,
      },
    })
    model = await Recogniser.open(directory)
  })
  afterAll(() => model.close())

  const noise = (length: number): Float32Array => {
    const next = randomIntegers(length)
    return Float32Array.from({ length }, () => next(2000) / 1000 - 1)
  }
  const rowsOf = async (samples: number): Promise<number> => {
    const [row] = await model.transcribe([noise(samples)])
    return row?.frames ?? 0
  }

  it('gives as many rows as the geometry says, from the least sound on', async () => {
    const { config } = model.model
    const geometry = frameGeometry(walks(config))
    const least = leastSamples(config)
    for (const samples of [least, least + geometry.samplesPerFrame, 4000, 4001, 7777]) {
      const { logits } = await model.results(model.model.prepare([noise(samples)]))
      expect(logits?.shape[1]).toBe(framesOf(samples, geometry))
      expect(await rowsOf(samples)).toBe(framesOf(samples, geometry))
      const { lengthAdapter, frontEnd } = config
      if (lengthAdapter !== undefined)
        expect(adaptedCount(lengthAdapter, frameCount(frontEnd, samples))).toBe(framesOf(samples, geometry))
    }
    expect((await refusalOf(() => rowsOf(least - 1))).line).toMatch(/too short/)
    const { start, end } = samplesOf({ first: 3, count: 7 }, geometry)
    expect(await rowsOf(end - start)).toBe(7)
  })

  it('hears in windows what it hears at once, and words lie within the sound', async () => {
    const geometry = frameGeometry(walks(model.model.config))
    const { sampleRate } = model.model.waveform
    const sound = noise(sampleRate)
    const score = async (samples: Float32Array) => {
      const [row] = await model.transcribe([samples])
      if (row === undefined) throw new Error('no row')
      return logSoftmaxRows(row.logits, row.frames, row.vocabulary)
    }
    const whole = await score(sound)
    const cut = await scoreLongSound(sound, score, geometry, {
      windowFrames: 40,
      leftFrames: 9,
      rightFrames: 9,
    })
    expect(cut.frames).toBe(whole.frames)
    const seconds = 33
    const { words } = await hear(model, { samples: noise(seconds * sampleRate), sampleRate })
    const last = words.at(-1)
    expect(last?.endSeconds).toBeGreaterThan(seconds / 2)
    // Padding lets the last frame reach beyond the end.
    expect(last?.endSeconds).toBeLessThan(seconds + geometry.samplesPerFrame / sampleRate)
  })
})
