/** One safetensors file, its header checked on opening, its tensors read on demand. */

import { FileSource } from './byte-source.js'
import { TensorFile, type TensorPlace } from './checkpoint.js'
import { byteLength, type TensorInfo } from './dtype.js'
import { readSafetensorsHeader, type SafetensorsEntry, type SafetensorsHeader } from './safetensors-header.js'

export class SafetensorsFile extends TensorFile {
  readonly path: string
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>
  override readonly metadata: ReadonlyMap<string, string>
  readonly #source: FileSource

  private constructor(source: FileSource, header: SafetensorsHeader) {
    super()
    this.path = source.path
    this.tensors = header.entries
    this.metadata = header.metadata
    this.#source = source
  }

  /** @throws UserError for a missing or malformed file. */
  static async open(path: string): Promise<SafetensorsFile> {
    const source = await FileSource.open(path)
    try {
      return new SafetensorsFile(source, await readSafetensorsHeader(source))
    } catch (error) {
      await source.close()
      throw error
    }
  }

  override locate(name: string): TensorPlace | undefined {
    const entry = this.tensors.get(name)
    return entry && { path: this.path, position: entry.position, length: byteLength(entry) }
  }

  protected override async copyRange(info: TensorInfo, position: number, target: Uint8Array): Promise<void> {
    const entry = this.tensors.get(info.name)
    if (entry === undefined) throw new RangeError(`${info.name} is not a tensor of ${this.path}`)
    await this.#source.readInto(target, entry.position + position)
  }

  async close(): Promise<void> {
    await this.#source.close()
  }
}
