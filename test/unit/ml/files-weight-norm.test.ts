import { describe, expect, it } from 'vitest'
import type { Dtype } from '../../../src/ml/files/dtype.js'
import { openCheckpoint } from '../../../src/ml/files/open.js'
import { writeSafetensors } from '../../../src/ml/files/safetensors-writer.js'
import { foldWeightNorm, readFoldedWeight, WeightNormView } from '../../../src/ml/files/weight-norm.js'
import { refusalOf, temporaryPath } from './files-support.js'

async function checkpointOf(shapes: Readonly<Record<string, readonly number[]>>) {
  const path = temporaryPath('model.safetensors')
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const count = shape.reduce((product, size) => product * size, 1)
    const values = Float32Array.from({ length: count }, (_, i) => i + 1)
    return { name, dtype: 'F32' as Dtype, shape, data: new Uint8Array(values.buffer) }
  })
  await writeSafetensors(path, tensors)
  return openCheckpoint(path)
}

describe('folding', () => {
  const v = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i + 1))
  const norm = (slice: readonly number[]) => Math.hypot(...slice)
  const at = (o: number, i: number, k: number) => v[(o * 3 + i) * 4 + k] ?? 0

  it('norm over all but dim 0', () => {
    const weight = foldWeightNorm({ g: Float32Array.of(2, 3), gShape: [2, 1, 1], v, vShape: [2, 3, 4] })
    for (const [o, scale] of [2, 3].entries())
      expect(norm([...weight.subarray(o * 12, (o + 1) * 12)])).toBeCloseTo(scale, 5)
  })

  it('norm over all but dim 2, as positional convolutions have it', () => {
    const g = Float32Array.of(1, 2, 3, 4)
    const weight = foldWeightNorm({ g, gShape: [1, 1, 4], v, vShape: [2, 3, 4] })
    for (let k = 0; k < 4; k++) {
      const column: number[] = []
      for (let o = 0; o < 2; o++) for (let i = 0; i < 3; i++) column.push(at(o, i, k))
      expect(weight[k]).toBeCloseTo(((g[k] ?? 0) * at(0, 0, k)) / norm(column), 5)
      expect(weight[20 + k]).toBeCloseTo(((g[k] ?? 0) * at(1, 2, k)) / norm(column), 5)
    }
  })

  it('refuses shapes that do not belong together', () => {
    expect(() => foldWeightNorm({ g: Float32Array.of(1), gShape: [3, 1, 1], v, vShape: [2, 3, 4] })).toThrow(
      RangeError,
    )
  })
})

describe('spellings', () => {
  it.each([
    ['conv.weight_g', 'conv.weight_v'],
    ['conv.parametrizations.weight.original0', 'conv.parametrizations.weight.original1'],
  ])('%s and %s read as weight_g, weight_v, and fold', async (g, v) => {
    const view = new WeightNormView(await checkpointOf({ [g]: [2, 1], [v]: [2, 2], 'conv.bias': [2] }))
    expect([...view.tensors.keys()].toSorted()).toEqual(['conv.bias', 'conv.weight_g', 'conv.weight_v'])
    expect(view.tensors.get('conv.weight_v')).toMatchObject({ name: 'conv.weight_v', shape: [2, 2] })
    expect([...(await view.readFloat32('conv.weight_g'))]).toEqual([1, 2])
    const folded = await readFoldedWeight(view, 'conv')
    expect(folded[0]).toBeCloseTo(1 / Math.hypot(1, 2), 6)
    expect(folded[3]).toBeCloseTo((2 * 4) / Math.hypot(3, 4), 6)
    await view.close()
  })

  it('a plain weight passes as it is', async () => {
    const view = new WeightNormView(await checkpointOf({ 'conv.weight': [2] }))
    expect([...(await readFoldedWeight(view, 'conv'))]).toEqual([1, 2])
    await view.close()
  })

  it('refuses both at once', async () => {
    const inner = await checkpointOf({ 'c.weight_g': [1], 'c.parametrizations.weight.original0': [1] })
    expect((await refusalOf(() => new WeightNormView(inner))).message).toContain('both spellings')
    await inner.close()
  })
})
