/** k-means centroids from a safetensors file: its one matrix of floats, or the one whose name ends in `centroids`. */
import { printable, refuse } from '../../ml/files/refuse.js'
import { SafetensorsFile } from '../../ml/files/safetensors-reader.js'
import type { Centroids } from './units.js'

/** Published sets have 50 to 2,000 centroids of 768 to 1,280 numbers. */
const MAX_VALUES = 64 * 2 ** 20

/** @throws UserError where the file is missing, damaged, or does not say which matrix it is. */
export async function readCentroids(path: string): Promise<Centroids> {
  const file = await SafetensorsFile.open(path)
  try {
    const matrices = [...file.tensors.values()].filter(
      ({ shape, dtype }) => shape.length === 2 && /^B?F/.test(dtype) && shape.every((size) => size > 0),
    )
    const named = matrices.filter(({ name }) => name.endsWith('centroids'))
    const [found, second] = named.length > 0 ? named : matrices
    if (found === undefined)
      throw refuse(path, 'holds no matrix of centroids', {
        remedy: 'save them as a float tensor [clusters, width] called "centroids"',
      })
    if (second !== undefined)
      throw refuse(path, `holds several matrices: ${printable(`${found.name}, ${second.name}`)}`, {
        remedy: 'call the one that holds the centroids "centroids"',
      })
    const [count = 0, width = 0] = found.shape
    if (count * width > MAX_VALUES) throw refuse(path, `holds ${count} centroids of ${width} numbers`)
    return { count, width, values: await file.readFloat32(found.name, { rounding: true }) }
  } finally {
    await file.close()
  }
}
