/** Makers of zip archives and pickles, byte by byte, so that every field can lie. */

import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipPart {
  readonly name: string
  readonly data: Uint8Array
  readonly deflate?: boolean
  /** Write the sizes and the offset into a zip64 field. */
  readonly wide?: boolean
  /** Lies for the central directory. */
  readonly size?: number
  readonly compressedSize?: number
  readonly position?: number
  readonly flags?: number
  readonly method?: number
  readonly crc?: number
}

function field(bytes: number, value: number | bigint): Buffer {
  const out = Buffer.alloc(bytes)
  if (bytes === 8) out.writeBigUInt64LE(BigInt(value))
  else out.writeUIntLE(Number(value), 0, bytes)
  return out
}

export function makeZip(parts: readonly ZipPart[], options: { readonly wideEnd?: boolean } = {}): Uint8Array {
  const body: Uint8Array[] = []
  const directory: Uint8Array[] = []
  let at = 0
  for (const part of parts) {
    const content = part.deflate === true ? deflateRawSync(part.data) : part.data
    const name = Buffer.from(part.name)
    const method = part.method ?? (part.deflate === true ? 8 : 0)
    const crc = part.crc ?? crc32(part.data)
    const [size, packed, position] = [
      part.size ?? part.data.length,
      part.compressedSize ?? content.length,
      part.position ?? at,
    ]
    const local = [
      field(4, 0x04034b50),
      field(2, 20),
      field(2, 0),
      field(2, method),
      field(4, 0),
      field(4, crc),
    ]
    const localSizes = [
      field(4, content.length),
      field(4, part.data.length),
      field(2, name.length),
      field(2, 0),
    ]
    body.push(...local, ...localSizes, name, content)
    at += 30 + name.length + content.length
    const extra =
      part.wide === true
        ? Buffer.concat([field(2, 1), field(2, 24), field(8, size), field(8, packed), field(8, position)])
        : Buffer.alloc(0)
    const narrow = (value: number) => field(4, part.wide === true ? 0xffffffff : value)
    directory.push(
      Buffer.concat([
        ...[field(4, 0x02014b50), field(2, 45), field(2, 45), field(2, part.flags ?? 0), field(2, method)],
        ...[field(4, 0), field(4, crc), narrow(packed), narrow(size), field(2, name.length)],
        ...[
          field(2, extra.length),
          field(2, 0),
          field(2, 0),
          field(2, 0),
          field(4, 0),
          narrow(position),
          name,
          extra,
        ],
      ]),
    )
  }
  const central = Buffer.concat(directory)
  const wideEnd =
    options.wideEnd === true
      ? Buffer.concat([
          ...[field(4, 0x06064b50), field(8, 44), field(2, 45), field(2, 45), field(4, 0), field(4, 0)],
          ...[field(8, parts.length), field(8, parts.length), field(8, central.length), field(8, at)],
          ...[field(4, 0x07064b50), field(4, 0), field(8, at + central.length), field(4, 1)],
        ])
      : Buffer.alloc(0)
  const count = options.wideEnd === true ? 0xffff : parts.length
  const end = [field(4, 0x06054b50), field(2, 0), field(2, 0), field(2, count), field(2, count)]
  const place = options.wideEnd === true ? [0xffffffff, 0xffffffff] : [central.length, at]
  return Buffer.concat([
    ...body,
    central,
    wideEnd,
    ...end,
    ...place.map((value) => field(4, value)),
    field(2, 0),
  ])
}

/** Pickle opcodes by what they do. */
export const op = {
  global: (module: string, name: string) => `c${module}\n${name}\n`,
  text: (value: string) =>
    `X${field(4, Buffer.byteLength(value)).toString('latin1')}${Buffer.from(value).toString('latin1')}`,
  int: (value: number) => `J${field(4, value >>> 0).toString('latin1')}`,
  tuple: (...items: readonly string[]) => `(${items.join('')}t`,
  list: (...items: readonly string[]) => `](${items.join('')}e`,
  dict: (...items: readonly string[]) => `}(${items.join('')}u`,
  call: (callee: string, ...args: readonly string[]) => `${callee}${op.tuple(...args)}R`,
}

/** `_rebuild_tensor_v2` of storage `key` with `count` float32 elements. */
export function tensorOf(
  key: string,
  count: number,
  shape: readonly number[],
  stride: readonly number[],
  offset = 0,
): string {
  const type = op.global('torch', 'FloatStorage')
  const id = op.tuple(op.text('storage'), type, op.text(key), op.text('cpu'), op.int(count))
  const ints = (values: readonly number[]) => op.tuple(...values.map(op.int))
  const hooks = op.call(op.global('collections', 'OrderedDict'))
  return op.call(
    op.global('torch._utils', '_rebuild_tensor_v2'),
    `${id}Q`,
    op.int(offset),
    ints(shape),
    ints(stride),
    '\x89',
    hooks,
  )
}

export const pickle = (body: string, protocol = 2): Uint8Array =>
  Buffer.from(`\x80${String.fromCharCode(protocol)}${body}.`, 'latin1')

/** A torch zip with one pickle and float32 storages. */
export function torchZip(
  body: string,
  storages: Readonly<Record<string, Float32Array>> = {},
  more: readonly ZipPart[] = [],
): Uint8Array {
  const data = Object.entries(storages).map(([key, values]) => ({
    name: `archive/data/${key}`,
    data: new Uint8Array(values.buffer),
  }))
  return makeZip([{ name: 'archive/data.pkl', data: pickle(body) }, ...data, ...more])
}
