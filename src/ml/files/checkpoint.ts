/**
 * A checkpoint on disk: named tensors read one at a time, whatever container holds them. Nothing but the
 * directory of tensors is in memory until a tensor is asked for.
 */

import { allocate } from './byte-source.js'
import { LossyConversionError, toFloat32Into, toInt64 } from './convert.js'
import { byteLength, dtypeBytes, elementCount, type TensorInfo } from './dtype.js'
import { printable, refuse } from './refuse.js'

export interface Float32Options {
  /** Where to write; exactly as long as the tensor. A new array otherwise. */
  readonly target?: Float32Array
  /** Round values that float32 cannot hold (float64 weights) instead of refusing them. */
  readonly rounding?: boolean
}

/** A stretch of a file that is exactly a tensor's elements. */
export interface TensorPlace {
  readonly path: string
  /** Bytes from the start of the file. */
  readonly position: number
  readonly length: number
}

export interface Checkpoint {
  /** The file or directory it was opened from. */
  readonly path: string
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** Free text of the container (safetensors `__metadata__`); empty elsewhere. */
  readonly metadata: ReadonlyMap<string, string>
  /** Elements in C order, little-endian. @throws UserError for an unknown name or a damaged file. */
  readBytes(name: string): Promise<Uint8Array>
  /**
   * Elements in C order as float32; narrow types are widened in pieces of 4 MiB, so the peak is the result
   * and one piece. @throws UserError for an unknown name, a damaged file, or a lossy conversion.
   */
  readFloat32(name: string, options?: Float32Options): Promise<Float32Array>
  /** Elements in C order as integers. @throws UserError as above, and for floating-point tensors. */
  readInt64(name: string): Promise<BigInt64Array>
  /** Where the elements lie uncompressed in C order, for a runtime to map; undefined where they do not. */
  locate(name: string): TensorPlace | undefined
  close(): Promise<void>
}

/** Pieces in which narrow types are widened; a multiple of every element size. */
const PIECE_BYTES = 4 << 20

/** What the containers share: subclasses say which tensors there are and copy ranges of their bytes. */
export abstract class TensorFile implements Checkpoint {
  abstract readonly path: string
  abstract readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string> = new Map()

  /** Fills `target` with the tensor's C-order bytes from `position` on. */
  protected abstract copyRange(info: TensorInfo, position: number, target: Uint8Array): Promise<void>
  abstract close(): Promise<void>

  locate(_name: string): TensorPlace | undefined {
    return undefined
  }

  async readBytes(name: string): Promise<Uint8Array> {
    const info = this.#info(name)
    const bytes = allocate(this.path, byteLength(info))
    await this.copyRange(info, 0, bytes)
    return bytes
  }

  async readFloat32(name: string, options: Float32Options = {}): Promise<Float32Array> {
    const info = this.#info(name)
    const count = elementCount(info.shape) ?? 0
    const target = options.target ?? new Float32Array(allocate(this.path, 4 * count).buffer)
    if (target.length !== count)
      throw new RangeError(`${printable(name)} has ${count} elements, the target ${target.length}`)
    if (info.dtype === 'F32') {
      await this.copyRange(info, 0, new Uint8Array(target.buffer, target.byteOffset, target.byteLength))
      return target
    }
    const size = dtypeBytes[info.dtype]
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, count * size))
    for (let done = 0; done < count; ) {
      const piece = buffer.subarray(0, Math.min(PIECE_BYTES, (count - done) * size))
      await this.copyRange(info, done * size, piece)
      this.#lossless(name, () => toFloat32Into(info.dtype, piece, target, done, options.rounding))
      done += piece.length / size
    }
    return target
  }

  async readInt64(name: string): Promise<BigInt64Array> {
    const bytes = await this.readBytes(name)
    return this.#lossless(name, () => toInt64(this.#info(name).dtype, bytes))
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name)
    if (info === undefined)
      throw refuse(this.path, `has no tensor "${printable(name)}"`, {
        code: 'NOT_FOUND',
        remedy: 'check that the checkpoint belongs to this model family',
      })
    return info
  }

  #lossless<Result>(name: string, convert: () => Result): Result {
    try {
      return convert()
    } catch (error) {
      if (!(error instanceof LossyConversionError)) throw error
      throw refuse(this.path, `tensor "${printable(name)}": ${error.message}`, {
        remedy: 'read it in its own type, or allow rounding',
        cause: error,
      })
    }
  }
}
