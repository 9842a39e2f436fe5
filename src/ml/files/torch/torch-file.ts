/** A PyTorch checkpoint (`.bin`, `.pt`, `.pth`), zip or legacy, read without executing anything. */

import { UserError } from '../../../errors.js'
import { FileSource } from '../byte-source.js'
import { TensorFile, type TensorPlace } from '../checkpoint.js'
import { byteLength, dtypeBytes, type TensorInfo } from '../dtype.js'
import { ForbiddenGlobalError, PickleError, type PickleValue } from '../pickle/values.js'
import { printable, refuse } from '../refuse.js'
import { readTorchContainer, type TorchContainer } from './container.js'
import { collectTensors } from './state-dict.js'
import type { TorchTensor } from './storage.js'
import { gatherStrided } from './strided.js'

/** A strided view reads everything between its first and last element; this much beyond its own size. */
const MAX_STRIDED_BYTES = 1 << 30

export class TorchFile extends TensorFile {
  readonly path: string
  /** Everything that was saved, as plain data: {@link PickleValue}; `toPlain` makes it JSON-like. */
  readonly root: PickleValue
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly #views: ReadonlyMap<string, TorchTensor>
  /** Of storages that a runtime can map, by key: where they begin in the file. */
  readonly #mappable: ReadonlyMap<string, number>
  readonly #source: FileSource
  readonly #container: TorchContainer
  /** The last strided tensor in C order: pieces of one tensor come one after another. */
  #gathered: { readonly name: string; readonly bytes: Uint8Array } | undefined

  private constructor(
    source: FileSource,
    container: TorchContainer,
    views: ReadonlyMap<string, TorchTensor>,
    mappable: ReadonlyMap<string, number>,
  ) {
    super()
    this.path = source.path
    this.root = container.root
    this.#source = source
    this.#container = container
    this.#views = views
    this.#mappable = mappable
    this.tensors = new Map(
      [...this.#views].map(([name, { dtype, shape }]) => [name, { name, dtype, shape }] as const),
    )
  }

  /** @throws UserError for a malformed file, and naming the first global that is not on the allow-list. */
  static async open(path: string): Promise<TorchFile> {
    const source = await FileSource.open(path)
    try {
      const container = await readTorchContainer(source)
      const views = collectTensors(container.root)
      return new TorchFile(source, container, views, await findMappable(container, views))
    } catch (error) {
      await source.close()
      throw asUserError(path, error)
    }
  }

  protected override async copyRange(info: TensorInfo, position: number, target: Uint8Array): Promise<void> {
    const view = this.#views.get(info.name)
    if (view === undefined) throw new RangeError(`${info.name} is not a tensor of ${this.path}`)
    if (view.isContiguous) {
      if (target.length > 0) await this.#source.readInto(target, (await this.#start(view)) + position)
      return
    }
    if (this.#gathered?.name !== info.name)
      this.#gathered = { name: info.name, bytes: await this.#gather(info, view) }
    target.set(this.#gathered.bytes.subarray(position, position + target.length))
    if (position + target.length === this.#gathered.bytes.length) this.#gathered = undefined
  }

  override locate(name: string): TensorPlace | undefined {
    const view = this.#views.get(name)
    const begin = view?.isContiguous === true ? this.#mappable.get(view.storage.key) : undefined
    if (view === undefined || begin === undefined) return undefined
    const size = dtypeBytes[view.dtype]
    const position = begin + view.storage.start + view.offset * size
    return position % size === 0 ? { path: this.path, position, length: byteLength(view) } : undefined
  }

  async close(): Promise<void> {
    await this.#source.close()
  }

  /** Of the view's first element, in the file. */
  async #start(view: TorchTensor): Promise<number> {
    const position = await this.#container.positionOf(view.storage.key)
    return position + view.storage.start + view.offset * dtypeBytes[view.dtype]
  }

  async #gather(info: TensorInfo, view: TorchTensor): Promise<Uint8Array> {
    const size = dtypeBytes[view.dtype]
    const length = view.extent * size
    if (length > byteLength(info) + MAX_STRIDED_BYTES)
      throw refuse(this.path, `tensor "${printable(info.name)}" is scattered over ${length} bytes`)
    const source = length === 0 ? new Uint8Array(0) : await this.#source.read(await this.#start(view), length)
    return gatherStrided(source, view.shape, view.stride, size)
  }
}

/** A storage that is compressed, or does not lie where the archive says, is refused when it is read. */
async function findMappable(
  { positionOf }: TorchContainer,
  views: ReadonlyMap<string, TorchTensor>,
): Promise<ReadonlyMap<string, number>> {
  const positions = new Map<string, number>()
  for (const key of new Set([...views.values()].map(({ storage }) => storage.key))) {
    try {
      positions.set(key, await positionOf(key))
    } catch (error) {
      if (!(error instanceof UserError)) throw error
    }
  }
  return positions
}

function asUserError(path: string, error: unknown): unknown {
  if (error instanceof UserError || !(error instanceof PickleError)) return error
  const isForbidden = error instanceof ForbiddenGlobalError
  return refuse(path, `refused unread: ${printable(error.message)}`, {
    code: isForbidden ? 'DENIED' : 'BAD_ARGUMENT',
    ...(isForbidden ? { remedy: 'use a safetensors file, or convert it where you trust its author' } : {}),
    cause: error,
  })
}
