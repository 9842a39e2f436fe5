import { describe, expect, it } from 'vitest'
import { FileSource } from '../../../src/ml/files/byte-source.js'
import { TorchFile } from '../../../src/ml/files/torch/torch-file.js'
import { ZipArchive } from '../../../src/ml/files/zip.js'
import { makeZip, op, pickle, tensorOf, torchZip, type ZipPart } from './files-builders.js'
import { refusalOf, temporaryFile } from './files-support.js'

const text = (value: string) => new TextEncoder().encode(value)
const hello: ZipPart = { name: 'a/hello', data: text('hello hello hello') }

async function withArchive<Result>(
  bytes: Uint8Array,
  use: (archive: ZipArchive) => Promise<Result>,
): Promise<Result> {
  const source = await FileSource.open(temporaryFile(bytes, 'x.zip'))
  try {
    return await use(await ZipArchive.open(source))
  } finally {
    await source.close()
  }
}

const read = (bytes: Uint8Array, name = hello.name, limit = 1000) =>
  withArchive(bytes, async (archive) => new TextDecoder().decode(await archive.read(name, limit)))

describe('entries', () => {
  it.each([
    ['stored', [hello], {}],
    ['deflated', [{ ...hello, deflate: true }], {}],
    ['zip64 fields', [{ ...hello, wide: true }], {}],
    ['zip64 end record', [hello], { wideEnd: true }],
    ['both, deflated', [{ ...hello, wide: true, deflate: true }], { wideEnd: true }],
  ] as const)('%s', async (_, parts, options) => {
    const more = [...parts, { name: 'b', data: text('other') }]
    expect(await read(makeZip(more, options))).toBe('hello hello hello')
    expect(await read(makeZip(more, options), 'b')).toBe('other')
  })

  it('names never become paths: they are keys, whatever they look like', async () => {
    const parts = ['../up', '/etc/passwd', 'a\\b', '__proto__'].map((name) => ({ name, data: text(name) }))
    for (const { name } of parts) expect(await read(makeZip(parts), name)).toBe(name)
  })

  it('an archive comment is skipped', async () => {
    const bytes = Buffer.concat([makeZip([hello]), text('PK\x05\x06 comment')])
    bytes.writeUInt16LE(12, bytes.length - 14)
    expect(await read(bytes)).toBe('hello hello hello')
  })
})

describe('lies', () => {
  const other: ZipPart = { name: 'b', data: text('other') }
  it.each([
    ['a size larger than the content inflates to', [{ ...hello, deflate: true, size: 99 }]],
    ['a size smaller than the content inflates to', [{ ...hello, deflate: true, size: 3 }]],
    ['a wrong checksum', [{ ...hello, deflate: true, crc: 1 }]],
    ['two sizes of a stored entry', [{ ...hello, size: 3 }]],
    ['a size beyond the file', [{ ...hello, size: 2 ** 31, compressedSize: 2 ** 31 }]],
    ['a zip64 size beyond all files', [{ ...hello, wide: true, size: 2 ** 52, compressedSize: 2 ** 52 }]],
    ['a position beyond the file', [{ ...hello, position: 10_000 }]],
    ['a position inside another entry', [hello, { ...other, position: 8 }]],
    ['encryption', [{ ...hello, flags: 1 }]],
    ['an unknown method', [{ ...hello, method: 12 }]],
    ['one name twice', [hello, hello]],
  ] as const)('%s', async (_, parts) => {
    await refusalOf(() => read(makeZip(parts)))
  })

  it('reads no more than the caller allows', async () => {
    const bomb = { name: 'a/hello', data: new Uint8Array(5_000_000), deflate: true }
    expect((await refusalOf(() => read(makeZip([bomb])))).message).toContain('more than 1000')
  })

  it('every truncation is refused', async () => {
    const whole = makeZip([hello, other])
    for (let length = 0; length < whole.length; length++) await refusalOf(() => read(whole.slice(0, length)))
  })
})

describe('a PyTorch archive', () => {
  const model = op.dict(op.text('x'), tensorOf('0', 2, [2], [1]))
  const values = { '0': Float32Array.of(1, 2) }
  const open = (bytes: Uint8Array) => TorchFile.open(temporaryFile(bytes, 'm.bin'))

  it('needs one data.pkl, little-endian, and stored tensors', async () => {
    const twice = torchZip(model, values, [{ name: 'other/data.pkl', data: pickle('N') }])
    expect((await refusalOf(() => open(twice))).message).toContain('no single data.pkl')
    expect((await refusalOf(() => open(makeZip([hello])))).message).toContain('no single data.pkl')
    const big = torchZip(model, values, [{ name: 'archive/byteorder', data: text('big') }])
    expect((await refusalOf(() => open(big))).message).toContain('byte order "big"')
    const data = { name: 'archive/data/0', data: new Uint8Array(values['0'].buffer), deflate: true }
    const packed = makeZip([{ name: 'archive/data.pkl', data: pickle(model), deflate: true }, data])
    const file = await open(packed)
    expect((await refusalOf(() => file.readFloat32('x'))).message).toContain('must be stored')
    await file.close()
  })

  it('is read with its byte order said', async () => {
    const file = await open(torchZip(model, values, [{ name: 'archive/byteorder', data: text('little') }]))
    expect([...(await file.readFloat32('x'))]).toEqual([1, 2])
    await file.close()
  })
})
