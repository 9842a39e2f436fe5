/** Cases 06a and 06b: HuBERT's hidden states, and k-means units as `plumbline embed --units` makes them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Embedding, openEmbeddingService } from '../../src/inference/local/embedding-service.js'
import { writeSafetensors } from '../../src/ml/files/safetensors-writer.js'
import type { Service } from '../../src/ml/session/service.js'
import { nearestCentroids, runsOf } from '../../src/models/hubert/units.js'
import { SpeechModel } from '../../src/models/wav2vec2/model.js'
import { goldenCases } from './harness.js'
import { hiddenStatesOf, soundsOf } from './speech-support.js'

for (const golden of goldenCases('06'))
  describe(`golden ${golden.name}`, () => {
    const layer = Number(golden.about.unit_layer)
    const [count = 0, width = 0] = golden.tensor('kmeans.centroids').shape
    const values = golden.floats('kmeans.centroids')
    const directory = mkdtempSync(join(tmpdir(), 'plumbline-units-'))
    let service: Service
    beforeAll(async () => {
      const centroidsPath = join(directory, 'centroids.safetensors')
      const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      await writeSafetensors(centroidsPath, [
        { name: 'centroids', dtype: 'F32', shape: [count, width], data },
      ])
      const embedding = { input: 'sound' as const, layer, centroidsPath }
      service = await openEmbeddingService({ directory: golden.folder, embedding })
    })
    afterAll(async () => {
      await service?.close?.()
      rmSync(directory, { recursive: true })
      golden.report()
    })

    const unitsOf = async (samples: Float32Array): Promise<readonly number[]> => {
      const sampleRate = Number(golden.json('preprocessor_config.json').sampling_rate)
      const call = { content: { samples, sampleRate }, form: 'units' }
      return ((await service.call('embed', call)) as Embedding).units ?? []
    }

    function expectRuns(row: number, units: readonly number[]): void {
      const runs = runsOf(units)
      expect(runs.map(({ unit }) => unit)).toEqual(golden.integers(`units_dedup.${row}`))
      expect(runs.reduce((total, { frames }) => total + frames, 0)).toBe(units.length)
    }

    it('every hidden state, and units of a row of a masked batch', async () => {
      const model = await SpeechModel.open(golden.folder, { hiddenStates: hiddenStatesOf(golden) })
      const results = await model.run(soundsOf(golden, 'single.input_values'))
      expect(hiddenStatesOf(golden).length).toBe(model.config.blocks + 1)
      for (const number of hiddenStatesOf(golden))
        golden.expectTensor(`single.hidden_states.${number}`, results[`hidden.${number}`])
      const samples = golden.integers('batch.input_lengths')
      const frames = samples.map((length) => model.frames(length))
      expect(frames).toEqual(golden.integers('batch.frame_lengths'))
      const batch = await model.run(soundsOf(golden, 'batch.input_values', samples))
      const hidden = batch[`hidden.${layer}`]
      const start = (hidden?.shape[1] ?? 0) * width
      const states = (hidden?.data ?? new Float32Array(0)) as Float32Array
      const row = states.subarray(start, start + (frames[1] ?? 0) * width)
      const units = nearestCentroids(row, { count, width, values })
      expect(units).toEqual(golden.integers('units.1'))
      expectRuns(1, units)
      await model.close()
    })

    it('units of a recording', async () => {
      // What was prepared already is normalised once more, which changes nothing.
      const known = golden.hasTensor('audio.0') ? 'audio.0' : 'single.input_values'
      const units = await unitsOf(golden.floats(known))
      expect(units).toEqual(golden.integers('units.0'))
      expectRuns(0, units)
    })
  })
