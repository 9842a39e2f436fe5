/**
 * Weight normalisation (Salimans and Kingma 2016, arXiv:1602.07868): w = g v / ||v||. PyTorch has written it
 * in two spellings; readers here see the older one, `weight_g` and `weight_v`, whichever the file has.
 */

import type { Checkpoint, Float32Options, TensorPlace } from './checkpoint.js'
import type { TensorInfo } from './dtype.js'
import { printable, refuse } from './refuse.js'

const SPELLINGS: readonly (readonly [newer: string, canonical: string])[] = [
  ['parametrizations.weight.original0', 'weight_g'],
  ['parametrizations.weight.original1', 'weight_v'],
]

/** The name under which {@link WeightNormView} offers a tensor. */
export function canonicalWeightNormName(name: string): string {
  for (const [newer, canonical] of SPELLINGS)
    if (name === newer || name.endsWith(`.${newer}`)) return name.slice(0, -newer.length) + canonical
  return name
}

/** A checkpoint in which both spellings are `weight_g` and `weight_v`; closing it closes the file. */
export class WeightNormView implements Checkpoint {
  readonly path: string
  readonly metadata: ReadonlyMap<string, string>
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly #inner: Checkpoint
  readonly #stored = new Map<string, string>()

  /** @throws UserError where a file holds one tensor in both spellings. */
  constructor(inner: Checkpoint) {
    this.#inner = inner
    this.path = inner.path
    this.metadata = inner.metadata
    const tensors = new Map<string, TensorInfo>()
    for (const [stored, info] of inner.tensors) {
      const name = canonicalWeightNormName(stored)
      if (this.#stored.has(name)) throw refuse(inner.path, `has "${printable(name)}" in both spellings`)
      this.#stored.set(name, stored)
      tensors.set(name, { name, dtype: info.dtype, shape: info.shape })
    }
    this.tensors = tensors
  }

  readBytes(name: string): Promise<Uint8Array> {
    return this.#inner.readBytes(this.#stored.get(name) ?? name)
  }

  readFloat32(name: string, options?: Float32Options): Promise<Float32Array> {
    return this.#inner.readFloat32(this.#stored.get(name) ?? name, options)
  }

  readInt64(name: string): Promise<BigInt64Array> {
    return this.#inner.readInt64(this.#stored.get(name) ?? name)
  }

  locate(name: string): TensorPlace | undefined {
    return this.#inner.locate(this.#stored.get(name) ?? name)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

export interface WeightNormParts {
  readonly g: Float32Array
  /** As v, with 1 in every dimension the norm runs over: [out,1,1] for dim 0, [1,1,kernel] for dim 2. */
  readonly gShape: readonly number[]
  readonly v: Float32Array
  readonly vShape: readonly number[]
}

/**
 * The plain weight g v / ||v||, the norm taken over every dimension in which g has size 1.
 * @returns C order, shape of v. Sums run in float64.
 * @throws RangeError where the shapes do not belong together
 */
export function foldWeightNorm({ g, gShape, v, vShape }: WeightNormParts): Float32Array {
  const fits =
    gShape.length === vShape.length && gShape.every((size, axis) => size === 1 || size === vShape[axis])
  if (!fits) throw new RangeError(`weight_g [${gShape}] does not fit weight_v [${vShape}]`)
  const groups = groupIndex(gShape, vShape, v.length)
  const squares = new Float64Array(g.length)
  for (let i = 0; i < v.length; i++)
    squares[groups[i] ?? 0] = (squares[groups[i] ?? 0] ?? 0) + (v[i] ?? 0) ** 2
  const scales = squares.map((square, group) => (g[group] ?? 0) / Math.sqrt(square))
  return v.map((value, i) => value * (scales[groups[i] ?? 0] ?? 0))
}

/** For each element of v, the element of g that scales it. */
function groupIndex(gShape: readonly number[], vShape: readonly number[], length: number): Uint32Array {
  const groups = new Uint32Array(length)
  let inner = 1
  let gInner = 1
  for (let axis = vShape.length - 1; axis >= 0; axis--) {
    const size = vShape[axis] ?? 1
    const gSize = gShape[axis] ?? 1
    if (gSize > 1)
      for (let i = 0; i < length; i++) groups[i] = (groups[i] ?? 0) + (Math.floor(i / inner) % size) * gInner
    inner *= size
    gInner *= gSize
  }
  return groups
}

/**
 * The plain weight of `prefix`: folded where the checkpoint has `prefix.weight_g` and `prefix.weight_v` (see
 * {@link WeightNormView}), read as it is where it has `prefix.weight`.
 */
export async function readFoldedWeight(checkpoint: Checkpoint, prefix: string): Promise<Float32Array> {
  const gInfo = checkpoint.tensors.get(`${prefix}.weight_g`)
  const vInfo = checkpoint.tensors.get(`${prefix}.weight_v`)
  if (gInfo === undefined || vInfo === undefined) return checkpoint.readFloat32(`${prefix}.weight`)
  const [g, v] = await Promise.all([checkpoint.readFloat32(gInfo.name), checkpoint.readFloat32(vInfo.name)])
  return foldWeightNorm({ g, gShape: gInfo.shape, v, vShape: vInfo.shape })
}
