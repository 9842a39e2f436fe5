/**
 * A model that comes as an ONNX file: the recogniser of the golden cases, exported with its weights inside and with inputs
 * and outputs named as Optimum names them, is added, hashed, and heard as jobs hear it, on both runtimes.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCard } from '../../../../src/inference/catalogue/card.js'
import { Catalogue } from '../../../../src/inference/catalogue/catalogue.js'
import { hashedFiles, hashModel } from '../../../../src/inference/catalogue/model-hash.js'
import type { Job } from '../../../../src/inference/job.js'
import { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { pcm16Of } from '../../../../src/ml/audio/pcm16.js'
import { Graph } from '../../../../src/ml/graph/index.js'
import { encodeModel } from '../../../../src/ml/onnx/index.js'
import { OnnxSpeech } from '../../../../src/models/onnx-speech/index.js'
import { openSpeechCheckpoint, speechWeights } from '../../../../src/models/wav2vec2/checkpoint.js'
import { ctcHead } from '../../../../src/models/wav2vec2/ctc.js'
import { speechEncoder } from '../../../../src/models/wav2vec2/encoder.js'
import { SpeechModel } from '../../../../src/models/wav2vec2/model.js'

const GOLDEN = 'test/fixtures/golden/02-xlsr-ctc'
const SLOW = 120_000
let directory: string
let folder: string

/** As an exporter writes it. @param sound what it calls its input */
async function exportOnnx(sound: string): Promise<Uint8Array> {
  const checkpoint = await openSpeechCheckpoint(GOLDEN)
  try {
    const graph = new Graph('exported')
    const weights = speechWeights(graph, checkpoint, { task: 'ctc', languageInputs: false })
    const input = graph.input(sound, 'float32', ['batch', 'samples'])
    // More than any sound has: nothing of a row is padding.
    const frames = graph.constant(BigInt64Array.of(1_000_000n), [1])
    const { last } = speechEncoder(weights.parameters(), { sound: input, frames }, checkpoint.config)
    graph.output('logits', ctcHead(weights.parameters(), last, checkpoint.config.vocabulary))
    weights.finish()
    for (const [tensor, initializer] of graph.initializers) {
      const { source } = initializer
      if (source.kind !== 'external') continue
      if (source.load === undefined) throw new Error('a weight that cannot be read')
      graph.initializers.set(tensor, { tensor, source: { kind: 'inline', data: source.load() } })
    }
    return encodeModel(graph)
  } finally {
    await checkpoint.close()
  }
}

/** Two seconds of a tone that rises. */
const sound = Float32Array.from({ length: 32_000 }, (_, i) => 0.4 * Math.sin((i * i) / 4e5))

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onnx-'))
  folder = join(directory, 'exported')
  await mkdir(folder)
  const files = ['config', 'preprocessor_config', 'special_tokens_map', 'tokenizer_config', 'vocab']
  for (const name of files) await cp(join(GOLDEN, `${name}.json`), join(folder, `${name}.json`))
  await writeFile(join(folder, 'model.onnx'), await exportOnnx('input_values'))
}, SLOW)
afterAll(() => rm(directory, { recursive: true }))

describe('a model in model.onnx', () => {
  it('gives what the weights that it was exported from give', { timeout: SLOW }, async () => {
    const native = await SpeechModel.open(GOLDEN)
    const onnx = await OnnxSpeech.open(folder)
    const { logits } = await native.run(native.prepare([sound]))
    const exported = await onnx.run(sound)
    const own = logits?.data as Float32Array
    expect(exported.logits.length).toBe(own.length)
    expect(exported.frames).toBe(native.frames(sound.length))
    const worst = own.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (exported.logits[i] ?? 9))),
      0,
    )
    expect(worst).toBeLessThan(1e-3)
    await Promise.all([native.close(), onnx.close()])
  })

  it('is of the catalogue, hashed with its graph, and hears jobs on both runtimes', {
    timeout: SLOW,
  }, async () => {
    const card = await readCard(folder)
    expect(card).toMatchObject({ family: 'onnx', task: 'transcribe', architecture: 'Wav2Vec2ForCTC' })
    expect(card.fileBytes).toBe((await readFile(join(folder, 'model.onnx'))).length)
    expect(await hashedFiles(folder)).toContain('model.onnx')
    const catalogue = await Catalogue.open(directory)
    await catalogue.add(card)
    const texts: unknown[] = []
    for (const runtime of ['native', 'web'] as const) {
      const options = { dataDir: directory, names: ['exported'], threads: 1, niceness: 0, runtime }
      const jobs = await LocalJobs.open(options)
      const [model] = await jobs.models()
      expect(model).toMatchObject({ id: 'exported', sha256: await hashModel(folder), unit: 'audio-second' })
      const job: Job = {
        task: 'transcribe',
        model: model?.sha256 ?? '',
        input: { kind: 'sound', sampleRate: 16_000, pcm16: pcm16Of(sound) },
        parameters: {},
      }
      const { output } = await jobs.run(job)
      if (output.kind !== 'transcription') throw new Error('no transcription')
      texts.push(output.text)
      await jobs.close()
    }
    expect(texts[0]).not.toBe('')
    expect(texts[0]).toBe(texts[1])
  })

  it('gives way to weights beside it, also in the hash', async () => {
    const both = join(directory, 'both')
    await cp(folder, both, { recursive: true })
    await cp(join(GOLDEN, 'model.safetensors'), join(both, 'model.safetensors'))
    expect((await readCard(both)).family).toBe('wav2vec2')
    expect(await hashedFiles(both)).not.toContain('model.onnx')
  })

  it('is refused in words where it is another kind of graph, damaged, or of a family that has none', {
    timeout: SLOW,
  }, async () => {
    const other = join(directory, 'other')
    await cp(folder, other, { recursive: true })
    await writeFile(join(other, 'model.onnx'), await exportOnnx('something_else'))
    await expect(OnnxSpeech.open(other)).rejects.toThrow(/takes something_else and gives logits/)
    await writeFile(join(other, 'model.onnx'), (await readFile(join(folder, 'model.onnx'))).subarray(0, 1000))
    await expect(OnnxSpeech.open(other)).rejects.toMatchObject({ code: 'BAD_CONFIG' })
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object
    await writeFile(
      join(other, 'config.json'),
      JSON.stringify({ ...config, architectures: ['Wav2Vec2Model'] }),
    )
    await expect(readCard(other)).rejects.toThrow(/does not run from model\.onnx here/)
  })
})
