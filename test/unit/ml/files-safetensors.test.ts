import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fromFloat32 } from '../../../src/ml/files/convert.js'
import { openCheckpoint } from '../../../src/ml/files/open.js'
import { SafetensorsFile } from '../../../src/ml/files/safetensors-reader.js'
import { type TensorToWrite, writeSafetensors } from '../../../src/ml/files/safetensors-writer.js'
import { bitsOfFloat32, float16Table, narrowToFloat16 } from '../../../src/ml/files/small-floats.js'
import { isRefused, mutations, refusalOf, temporaryFile, temporaryPath } from './files-support.js'

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

function container(header: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(header)
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true)
  return Buffer.concat([length, json, data])
}

const tensors: readonly TensorToWrite[] = [
  { name: 'b.half', dtype: 'F16', shape: [3], data: Uint8Array.from([0, 0x3c, 0, 0xc0, 1, 0]) },
  { name: 'a.weight', dtype: 'F32', shape: [2, 2], data: bytesOf(Float32Array.of(1, -2, 3.5, Number.NaN)) },
  { name: 'flag', dtype: 'BOOL', shape: [], data: Uint8Array.of(1) },
  { name: 'count', dtype: 'I64', shape: [1], data: bytesOf(BigInt64Array.of(-(2n ** 60n))) },
  { name: 'nothing', dtype: 'F64', shape: [0, 7], data: new Uint8Array(0) },
]

describe('writing safetensors', () => {
  it('reads back what was written, types, shapes, metadata and bytes', async () => {
    const path = temporaryPath('model.safetensors')
    await writeSafetensors(path, tensors, { format: 'pt', note: 'ünï "q"' })
    const file = await SafetensorsFile.open(path)
    expect(Object.fromEntries(file.metadata)).toEqual({ format: 'pt', note: 'ünï "q"' })
    expect(file.tensors.size).toBe(tensors.length)
    for (const { name, dtype, shape, data } of tensors) {
      expect(file.tensors.get(name)).toMatchObject({ dtype, shape })
      expect(Buffer.from(await file.readBytes(name))).toEqual(Buffer.from(data as Uint8Array))
    }
    await file.close()
  })

  it('gives the same bytes whatever the order of tensors and metadata, every tensor aligned', async () => {
    const [one, two] = [temporaryPath(), temporaryPath()]
    await writeSafetensors(one, tensors, { a: '1', b: '2' })
    const lazy = tensors
      .toReversed()
      .map((tensor) => ({ ...tensor, data: async () => tensor.data as Uint8Array }))
    await writeSafetensors(two, lazy, { b: '2', a: '1' })
    expect(readFileSync(two)).toEqual(readFileSync(one))
    const file = await SafetensorsFile.open(one)
    for (const { dtype, position } of file.tensors.values())
      expect(position % (dtype === 'F16' ? 2 : dtype === 'F32' ? 4 : dtype === 'BOOL' ? 1 : 8)).toBe(0)
    await file.close()
  })

  it('leaves the old file and no debris where the data fail', async () => {
    const path = temporaryFile('old', 'kept.safetensors')
    const wrong: TensorToWrite = { name: 'x', dtype: 'F32', shape: [2], data: () => new Uint8Array(7) }
    await expect(writeSafetensors(path, [wrong])).rejects.toThrow(/7 bytes of data, 8/)
    expect(readFileSync(path, 'utf8')).toBe('old')
    expect(readdirSync(dirname(path)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('refuses doubled and reserved names, and a directory that is not there', async () => {
    const one: TensorToWrite = { name: 'x', dtype: 'U8', shape: [0], data: new Uint8Array(0) }
    await expect(writeSafetensors(temporaryPath(), [one, one])).rejects.toThrow(/taken/)
    await expect(writeSafetensors(temporaryPath(), [{ ...one, name: '__metadata__' }])).rejects.toThrow(
      /taken/,
    )
    const error = await refusalOf(() => writeSafetensors('/nowhere/at/all.safetensors', [one]))
    expect(error.code).toBe('UNAVAILABLE')
  })
})

describe('reading safetensors', () => {
  it('refuses a name that is spelled twice, which JSON.parse would hide', async () => {
    const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'
    const path = temporaryFile(container(`{"a":${entry},"a":${entry}}`, new Uint8Array(1)))
    expect((await refusalOf(() => SafetensorsFile.open(path))).message).toContain('twice')
  })

  it('keeps terminal escapes in tensor names out of its messages', async () => {
    const name = '\\u001b[2J\\nevil'
    const path = temporaryFile(container(`{"${name}":{"dtype":"Q","shape":[],"data_offsets":[0,0]}}`))
    await refusalOf(() => SafetensorsFile.open(path))
  })

  it('reads a tensor named __proto__ like any other', async () => {
    const path = temporaryFile(
      container('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', Uint8Array.of(7)),
    )
    const file = await SafetensorsFile.open(path)
    expect([...(await file.readFloat32('__proto__'))]).toEqual([7])
    await file.close()
  })

  it('names a tensor that is not there, and the file', async () => {
    const path = temporaryPath('some.safetensors')
    await writeSafetensors(path, tensors)
    const file = await SafetensorsFile.open(path)
    const error = await refusalOf(() => file.readFloat32('missing.weight'))
    expect(error.message).toMatch(/some\.safetensors.*missing\.weight/)
    await file.close()
    expect((await refusalOf(() => SafetensorsFile.open('/nowhere.safetensors'))).code).toBe('NOT_FOUND')
    expect((await refusalOf(() => SafetensorsFile.open('/tmp'))).message).toContain('regular file')
  })

  it('widens a tensor of several pieces into a target handed in', async () => {
    const values = Float32Array.from({ length: 5_000_001 }, (_, i) => (i % 2048) - 1024)
    const path = temporaryPath()
    await writeSafetensors(path, [
      { name: 'x', dtype: 'F16', shape: [values.length], data: fromFloat32(values, 'F16') },
    ])
    const file = await SafetensorsFile.open(path)
    const target = new Float32Array(values.length)
    expect(await file.readFloat32('x', { target })).toBe(target)
    expect(Buffer.compare(bytesOf(target), bytesOf(values))).toBe(0)
    await expect(file.readFloat32('x', { target: new Float32Array(3) })).rejects.toThrow(RangeError)
    await file.close()
  })

  it('never fails otherwise than by a refusal (fuzz)', async () => {
    const path = temporaryPath()
    await writeSafetensors(path, tensors, { a: 'b' })
    let refused = 0
    for (const bytes of mutations(readFileSync(path), 400, 1)) {
      const attempt = async () => {
        const file = await SafetensorsFile.open(temporaryFile(bytes))
        try {
          for (const name of file.tensors.keys()) await file.readBytes(name)
        } finally {
          await file.close()
        }
      }
      if (await isRefused(attempt)) refused++
    }
    expect(refused).toBeGreaterThan(100)
  })
})

describe('conversions lose nothing or refuse', () => {
  async function one(dtype: TensorToWrite['dtype'], data: ArrayBufferView, length: number) {
    const path = temporaryPath()
    await writeSafetensors(path, [{ name: 'x', dtype, shape: [length], data: bytesOf(data) }])
    return SafetensorsFile.open(path)
  }

  it.each([
    ['F64', Float64Array.of(0.1)],
    ['I64', BigInt64Array.of(2n ** 53n + 1n)],
    ['I32', Int32Array.of(2 ** 24 + 1)],
    ['U32', Uint32Array.of(2 ** 32 - 1)],
  ] as const)('%s that float32 cannot hold', async (dtype, data) => {
    const file = await one(dtype, data, 1)
    expect((await refusalOf(() => file.readFloat32('x'))).message).toContain('no exact float32')
    const rounded = await file.readFloat32('x', { rounding: true })
    expect(rounded[0]).toBe(Math.fround(Number(data[0])))
    await file.close()
  })

  it.each([
    ['F64', Float64Array.of(0.5, Number.NaN, Number.NEGATIVE_INFINITY)],
    ['I64', BigInt64Array.of(2n ** 53n, -1n, 0n)],
    ['U16', Uint16Array.of(65535, 0, 1)],
    ['I8', Int8Array.of(-128, 127, 0)],
  ] as const)('%s that it can', async (dtype, data) => {
    const file = await one(dtype, data, 3)
    expect([...(await file.readFloat32('x'))]).toEqual(Array.from(data as ArrayLike<number | bigint>, Number))
    await file.close()
  })

  it('integers: exact, U64 past 2^63 and floats refused', async () => {
    const large = await one('U64', BigUint64Array.of(2n ** 63n), 1)
    expect((await refusalOf(() => large.readInt64('x'))).message).toContain('exceeds int64')
    await large.close()
    const float = await one('F32', Float32Array.of(1), 1)
    expect((await refusalOf(() => float.readInt64('x'))).message).toContain('not integers')
    await float.close()
    const small = await one('U8', Uint8Array.of(255, 3), 2)
    expect(await small.readInt64('x')).toEqual(BigInt64Array.of(255n, 3n))
    await small.close()
  })

  it('every float16 survives widening and narrowing; NaNs stay NaNs', () => {
    const wide = float16Table()
    for (let bits = 0; bits < 65536; bits++) {
      const isNaN16 = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0
      const back = narrowToFloat16(wide[bits] ?? 0)
      if (isNaN16) expect(back & 0x7c00).toBe(0x7c00)
      else if (back !== bits) expect(back).toBe(bits)
    }
  })

  it('narrows to nearest, ties to even, overflow to infinity', () => {
    const half = (value: number) => narrowToFloat16(bitsOfFloat32(value))
    expect(half(1 + 2 ** -11)).toBe(0x3c00)
    expect(half(1 + 3 * 2 ** -11)).toBe(0x3c02)
    expect(half(65519)).toBe(0x7bff)
    expect(half(65520)).toBe(0x7c00)
    expect(half(2 ** -25)).toBe(0)
    expect(half(1.5 * 2 ** -24)).toBe(2)
    expect(half(-0)).toBe(0x8000)
    const brain = new Uint16Array(
      fromFloat32(Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, Number.NaN), 'BF16').buffer,
    )
    expect([brain[0], brain[1]]).toEqual([0x3f80, 0x3f82])
    expect((brain[2] ?? 0) & 0x7fff).toBeGreaterThan(0x7f80)
  })
})

describe('shards', () => {
  async function sharded(weightMap: unknown): Promise<string> {
    const directory = temporaryPath('shards')
    await mkdir(directory)
    const [a, b] = tensors.slice(0, 2) as [TensorToWrite, TensorToWrite]
    await writeSafetensors(join(directory, 'one.safetensors'), [a])
    await writeSafetensors(join(directory, 'two.safetensors'), [b])
    await writeFile(
      join(directory, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: weightMap }),
    )
    return directory
  }

  it('are one checkpoint', async () => {
    const directory = await sharded({ 'b.half': 'one.safetensors', 'a.weight': 'two.safetensors' })
    const checkpoint = await openCheckpoint(directory)
    expect([...checkpoint.tensors.keys()]).toEqual(['b.half', 'a.weight'])
    expect((await checkpoint.readFloat32('b.half'))[1]).toBe(-2)
    expect((await refusalOf(() => checkpoint.readBytes('c'))).message).toContain('"c"')
    await checkpoint.close()
  })

  it.each([
    [{ 'b.half': '../one.safetensors' }, /plain file name/],
    [{ 'b.half': '/etc/passwd' }, /plain file name/],
    [{ 'b.half': '..' }, /plain file name/],
    [{ 'b.half': 'one.safetensors', gone: 'two.safetensors' }, /"gone" is missing/],
    [{ 'b.half': 'one.safetensors', 'b.half2': 'one.safetensors' }, /"b.half2" is missing/],
    [[], /weight_map/],
  ])('refuse the index %j', async (weightMap, message) => {
    const directory = await sharded(weightMap)
    expect((await refusalOf(() => openCheckpoint(directory))).message).toMatch(message)
  })

  it('a directory without weights names what it looked for', async () => {
    const error = await refusalOf(() => openCheckpoint(dirname(temporaryPath())))
    expect(error.line).toContain('pytorch_model.bin')
    expect(existsSync('/tmp/model.safetensors')).toBe(false)
  })
})
