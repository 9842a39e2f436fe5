import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/ml/files/open.js'
import {
  bounded,
  damaged,
  damagedJson,
  fileOf,
  fuzzRuns,
  fuzzTimeout,
  outcome,
  refusal,
} from '../support/damage.js'

const golden = (name: string): string => fileURLToPath(new URL(`../fixtures/golden/${name}`, import.meta.url))

/** Opens a checkpoint and reads every tensor in every way. */
async function readAll(path: string): Promise<number> {
  const checkpoint = await openCheckpoint(path)
  try {
    for (const [name, { dtype }] of checkpoint.tensors) {
      await checkpoint.readBytes(name)
      await checkpoint.readFloat32(name, { rounding: true })
      if (dtype.startsWith('I')) await checkpoint.readInt64(name)
      checkpoint.locate(name)
    }
    return checkpoint.tensors.size
  } finally {
    await checkpoint.close()
  }
}

const RUNS = 150
const kinds: readonly (readonly [string, string, string])[] = [
  ['safetensors', '15b-safetensors-variants/dtypes.safetensors', 'damaged.safetensors'],
  ['a PyTorch archive', '15-pickle-checkpoints/shared-storage/zip.bin', 'damaged.bin'],
  ['a legacy PyTorch file', '15-pickle-checkpoints/shared-storage/legacy.bin', 'damaged.bin'],
  ['halves in an archive', '15-pickle-checkpoints/half/zip.bin', 'damaged.bin'],
  ['a fairseq checkpoint', '15-pickle-checkpoints/nested.pt', 'damaged.pt'],
]

describe('checkpoints, damaged anywhere, give tensors or one line', () => {
  it.each(kinds)(
    '%s',
    async (_, source, name) => {
      const sound = readFileSync(golden(source))
      expect(await readAll(fileOf(sound, name))).toBeGreaterThan(0)
      await fc.assert(
        fc.asyncProperty(damaged(sound), async (bytes) => {
          const path = fileOf(bytes, name)
          await outcome(path, () => readAll(path))
        }),
        fuzzRuns(RUNS),
      )
    },
    fuzzTimeout(RUNS),
  )

  it.each(kinds)(
    '%s of no bytes, of one, of random ones',
    async (_kind, _source, name) => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (bytes) => {
          const path = fileOf(bytes, name)
          await refusal(path, () => readAll(path))
        }),
        fuzzRuns(50),
      )
    },
    fuzzTimeout(50),
  )
})

describe('safetensors headers that lie', () => {
  const withHeader = (json: string, data = 0, length = BigInt(Buffer.byteLength(json))): Uint8Array => {
    const head = Buffer.alloc(8)
    head.writeBigUInt64LE(length)
    return Buffer.concat([head, Buffer.from(json), Buffer.alloc(data)])
  }
  const entry = (dtype: string, shape: string, end = 0): string =>
    `{"a":{"dtype":${dtype},"shape":${shape},"data_offsets":[0,${end}]}}`
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`

  it.each([
    ['a header of petabytes', withHeader('{}', 0, 2n ** 53n)],
    ['a header of all ones', withHeader('{}', 0, 2n ** 64n - 1n)],
    ['a tensor of petabytes', withHeader(entry('"F32"', `[${2 ** 25},${2 ** 24}]`, 2 ** 51))],
    ['a size beyond any number', withHeader(entry('"F32"', '[1e308,1e308]'))],
    ['a shape 200,000 levels deep', withHeader(entry('"F32"', deep))],
    ['a type 200,000 levels deep', withHeader(entry(deep, '[]'))],
    ['a type that would be called', withHeader(entry('{"toString":1}', '[]'))],
    ['a million dimensions', withHeader(entry('"F32"', `[${'1,'.repeat(1e6)}1]`, 4), 4)],
    ['a million tensors of nothing', withHeader(`{${'"a":{},'.repeat(1e6)}"b":{}}`)],
    ['sixty megabytes of brackets', withHeader(`{"a":[${'[],'.repeat(2e7)}[]]}`)],
    ['a name spelled twice', withHeader('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{}}')],
    [
      'a tensor named like a method',
      withHeader('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'),
    ],
  ])('%s', async (_, bytes) => {
    const path = fileOf(bytes, 'lying.safetensors')
    await bounded(() => refusal(path, () => readAll(path)))
  })

  it('a sparse file that holds what it says and is larger than memory', async () => {
    const end = 2 ** 42
    const bytes = withHeader(entry('"U8"', `[${end}]`, end))
    const path = fileOf(bytes, 'sparse.safetensors')
    try {
      truncateSync(path, bytes.length + end)
    } catch {
      return // a file system without sparse files of 4 TiB
    }
    const error = await bounded(() => refusal(path, () => readAll(path)))
    expect(error.code).toBe('UNAVAILABLE')
  })
})

describe('shard indexes', () => {
  const shard = readFileSync(golden('15b-safetensors-variants/sharded/model-00001-of-00002.safetensors'))
  const index = JSON.parse(
    readFileSync(golden('15b-safetensors-variants/sharded/model.safetensors.index.json'), 'utf8'),
  ) as { readonly weight_map: Readonly<Record<string, string>> }
  const folder = join(dirname(fileOf('', 'mark')), 'sharded')
  mkdirSync(folder)
  for (const file of new Set(Object.values(index.weight_map)))
    writeFileSync(join(folder, file), readFileSync(golden(`15b-safetensors-variants/sharded/${file}`)))
  const path = join(folder, 'model.safetensors.index.json')
  const write = (text: string): string => {
    writeFileSync(path, text)
    return path
  }

  it(
    'damaged anywhere give tensors or one line',
    async () => {
      expect(await readAll(write(JSON.stringify(index)))).toBeGreaterThan(0)
      await fc.assert(
        fc.asyncProperty(damagedJson(index), async (text) => {
          write(text)
          await outcome(path, () => readAll(path))
        }),
        fuzzRuns(RUNS),
      )
    },
    fuzzTimeout(RUNS),
  )

  it.each([
    '../model.safetensors',
    '/etc/passwd',
    'sub/model.safetensors',
    'sub\\model.safetensors',
    '..',
    '.',
    '',
    'a\0b.safetensors',
    'model.safetensors.index.json',
    'missing.safetensors',
  ])('a shard called %j is refused', async (file) => {
    await refusal(write(JSON.stringify({ weight_map: { a: file } })), () => readAll(path))
  })

  it('a tensor in two shards, in the wrong one, or in none that the index names', async () => {
    const [first = '', ...rest] = Object.keys(index.weight_map)
    const elsewhere = Object.values(index.weight_map).find((file) => file !== index.weight_map[first]) ?? ''
    const lacking = Object.fromEntries(rest.map((name) => [name, index.weight_map[name] ?? '']))
    for (const map of [
      { ...index.weight_map, [first]: elsewhere },
      lacking,
      { ...index.weight_map, extra: elsewhere },
    ]) {
      const error = await refusal(write(JSON.stringify({ weight_map: map })), () => readAll(path))
      expect(error.message).toMatch(/tensor "/)
    }
  })

  it('a shard that is a link into a store of blobs is read', async () => {
    const link = join(folder, 'link.safetensors')
    writeFileSync(join(folder, 'blob'), shard)
    symlinkSync('blob', link)
    expect(await readAll(link)).toBeGreaterThan(0)
  })
})
