/** What the catalogue says that models need, beside what their processes took: `npm run bench -- memory`. */
import { describe, expect, it } from 'vitest'
import { BUILT_IN_NAMES, readBuiltIns } from '../../../../src/inference/catalogue/built-in.js'
import { memoryFor, memoryOf, workloadOf } from '../../../../src/inference/catalogue/memory.js'
import type { Precision } from '../../../../src/inference/catalogue/precision.js'
import { LocalModel } from '../../../../src/inference/local/local-model.js'
import type { WeightSizes } from '../../../../src/models/checkpoint/weight-sizes.js'

const SLOW = 120_000
const MB = 1e6

/** Millions of numbers: of matrices that are rounded on eight bits, and of all others. */
const sizesOf = (rounded: number, exact: number): WeightSizes => ({
  numbers: (rounded + exact) * MB,
  storedBytes: 4 * (rounded + exact) * MB,
  float32Bytes: 4 * (rounded + exact) * MB,
  roundedBytes: rounded * MB,
  exactBytes: 4 * exact * MB,
  types: { F32: (rounded + exact) * MB },
})
const base = sizesOf(85.4, 9)
const large = sizesOf(302.6, 12.9)
const billion = sizesOf(946.4, 18.6)
const text = sizesOf(85.6, 39.1)
const vision = sizesOf(85.1, 0.7)

describe('memory that a model needs', () => {
  // The most that was resident, MB: a billion parameters cannot be opened in a test.
  it.each<[string, string, WeightSizes, Precision, number]>([
    ['wav2vec2 base', 'wav2vec2', base, 'fp32', 956],
    ['wav2vec2 base', 'wav2vec2', base, 'int8', 778],
    ['XLS-R 300M', 'wav2vec2', large, 'fp32', 1854],
    ['XLS-R 300M', 'wav2vec2', large, 'int8', 1436],
    ['MMS 1B', 'wav2vec2', billion, 'fp32', 4464],
    ['MMS 1B', 'wav2vec2', billion, 'int8', 3707],
    ['data2vec text', 'data2vec-text', text, 'fp32', 551],
    ['data2vec text', 'data2vec-text', text, 'int8', 510],
    ['data2vec vision', 'data2vec-vision', vision, 'fp32', 466],
    ['data2vec vision', 'data2vec-vision', vision, 'int8', 404],
    ['MMS-TTS', 'vits', sizesOf(0, 36.3), 'fp32', 493],
    ['XLS-R 300M and mBART', 'speech-translation', sizesOf(503, 290), 'fp32', 6475],
  ])('%s (%s) is what it took, and a quarter more at most', (_, family, sizes, precision, tookMB) => {
    const ratio = memoryFor(sizes, precision, workloadOf(family)) / (tookMB * MB)
    expect(ratio).toBeGreaterThanOrEqual(1)
    expect(ratio).toBeLessThanOrEqual(1.25)
  })

  it('is enough for what comes with the package, where the limit is that and no more', {
    timeout: SLOW,
  }, async () => {
    const samples = Float32Array.from({ length: 30 * 16_000 }, (_, i) => Math.sin(i * i * 1e-6))
    const sound = { samples, sampleRate: 16_000 }
    const cards = await readBuiltIns()
    expect(cards.map(({ name }) => name)).toEqual([...BUILT_IN_NAMES])
    for (const card of cards) {
      const needBytes = memoryOf(card)
      const model = await LocalModel.open(card, { threads: 1, memoryBytes: needBytes })
      try {
        await (card.task === 'identify' ? model.identify(sound) : model.transcribe(sound))
        expect(model.residentBytes).toBeLessThan(needBytes)
      } finally {
        await model.close()
      }
    }
  })
})
