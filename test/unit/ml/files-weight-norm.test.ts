import { describe, expect, it } from 'vitest'
import type { Dtype } from '../../../src/ml/files/dtype.js'
import { openCheckpoint } from '../../../src/ml/files/open.js'
import { writeSafetensors } from '../../../src/ml/files/safetensors-writer.js'
import { WeightNormView } from '../../../src/ml/files/weight-norm.js'
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

describe('spellings', () => {
  it.each([
    ['conv.weight_g', 'conv.weight_v'],
    ['conv.parametrizations.weight.original0', 'conv.parametrizations.weight.original1'],
  ])('%s and %s read as weight_g, weight_v', async (g, v) => {
    const view = new WeightNormView(await checkpointOf({ [g]: [2, 1], [v]: [2, 2], 'conv.bias': [2] }))
    expect([...view.tensors.keys()].toSorted()).toEqual(['conv.bias', 'conv.weight_g', 'conv.weight_v'])
    expect(view.tensors.get('conv.weight_v')).toMatchObject({ name: 'conv.weight_v', shape: [2, 2] })
    expect([...(await view.readFloat32('conv.weight_g'))]).toEqual([1, 2])
    await view.close()
  })

  it('a plain weight passes as it is', async () => {
    const view = new WeightNormView(await checkpointOf({ 'conv.weight': [2] }))
    expect([...(await view.readFloat32('conv.weight'))]).toEqual([1, 2])
    await view.close()
  })

  it('refuses both at once', async () => {
    const inner = await checkpointOf({ 'c.weight_g': [1], 'c.parametrizations.weight.original0': [1] })
    expect((await refusalOf(() => new WeightNormView(inner))).message).toContain('both spellings')
    await inner.close()
  })
})
