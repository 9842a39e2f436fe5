/** Weights of any layout: names and shapes as a graph asks for them, values drawn so that signals keep their size. */
import { join } from 'node:path'

/** Drawn once and used again from other places: a billion draws would take minutes and measure nothing more. */
const POOL_VALUES = 1 << 22
const NORM_SCALE = /norm(?:_[a-z]+)?\.weight$|weight_g$/i

let pool

/** Box and Muller. */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
}

/** What graphs ask for. @param builds each is given a graph and its parameters */
export async function weightsOf(...builds) {
  const { Graph } = await import('../../src/ml/graph/index.ts')
  const { FlatParameters } = await import('../../src/ml/train/flat-parameters.ts')
  const entries = new Map()
  for (const build of builds) {
    const graph = new Graph('layout')
    const table = new FlatParameters(graph)
    build(graph, table.parameters())
    for (const { name, shape, size } of table.layout().entries) entries.set(name, { name, shape, size })
  }
  return [...entries.values()]
}

/**
 * @param dtype F32 or F16
 * @param valuesFor of a weight that is not drawn as the others; undefined for those that are
 */
export async function writeWeights(directory, file, entries, { dtype = 'F32', valuesFor } = {}) {
  const { writeSafetensors } = await import('../../src/ml/files/safetensors-writer.ts')
  const { narrowToFloat16 } = await import('../../src/ml/files/small-floats.ts')
  pool ??= Float32Array.from({ length: POOL_VALUES }, normal)
  const bytesFor = (entry) => {
    const values = valuesFor?.(entry) ?? drawn(entry)
    if (dtype === 'F32') return bytesOf(values)
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
    const halves = new Uint16Array(bits.length)
    for (let i = 0; i < bits.length; i++) halves[i] = narrowToFloat16(bits[i])
    return bytesOf(halves)
  }
  await writeSafetensors(
    join(directory, file),
    entries.map((entry) => ({ name: entry.name, dtype, shape: entry.shape, data: () => bytesFor(entry) })),
  )
}

/** Norm scales of 1, biases small, matrices so scaled that signals keep their size. */
function drawn({ name, shape, size }) {
  const values = new Float32Array(size)
  if (NORM_SCALE.test(name)) return values.fill(1)
  const fanIn = shape.slice(1).reduce((product, extent) => product * extent, 1)
  const scale = shape.length === 1 ? 0.02 : 1 / Math.sqrt(fanIn)
  const start = Math.floor(Math.random() * pool.length)
  for (let i = 0; i < size; i++) values[i] = (pool[(start + i) % pool.length] ?? 0) * scale
  return values
}

const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)
