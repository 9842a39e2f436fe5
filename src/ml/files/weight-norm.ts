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
