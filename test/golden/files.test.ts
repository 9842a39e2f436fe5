/** Cases 15 and 15b: containers of tensors, bit for bit, and damaged or malicious files refused. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../src/errors.js'
import type { Checkpoint } from '../../src/ml/files/checkpoint.js'
import { openCheckpoint } from '../../src/ml/files/open.js'
import { toPlain } from '../../src/ml/files/pickle/values.js'
import { SafetensorsFile } from '../../src/ml/files/safetensors-reader.js'
import { TorchFile } from '../../src/ml/files/torch/torch-file.js'
import { canonicalWeightNormName } from '../../src/ml/files/weight-norm.js'
import { caseJson, inCase, withTensors } from './files-support.js'
import { caseNames, namesOf, namesOfKind, orLacking } from './harness.js'

/** The weights that a case's pickles were written from: a model beside it with the same configuration. */
function referenceOf(pickles: string): string | undefined {
  const config = JSON.stringify(caseConfig(pickles))
  const found = caseNames().find(
    (name) =>
      existsSync(inCase(name, 'model.safetensors')) &&
      existsSync(inCase(name, 'config.json')) &&
      JSON.stringify(caseConfig(name)) === config,
  )
  return found === undefined ? undefined : inCase(found, 'model.safetensors')
}

const caseConfig = (name: string): unknown => JSON.parse(readFileSync(inCase(name, 'config.json'), 'utf8'))

/** Names, types, shapes and bytes. */
async function expectSame(actual: Checkpoint, expected: Checkpoint): Promise<void> {
  expect([...actual.tensors.keys()].toSorted()).toEqual([...expected.tensors.keys()].toSorted())
  expect(expected.tensors.size).toBeGreaterThan(0)
  for (const [name, info] of expected.tensors) {
    const found = actual.tensors.get(name)
    expect({ dtype: found?.dtype, shape: found?.shape }).toEqual({ dtype: info.dtype, shape: info.shape })
    const [a, b] = await Promise.all([actual.readBytes(name), expected.readBytes(name)])
    expect(Buffer.compare(a, b), name).toBe(0)
  }
}

async function refusal(open: Promise<Checkpoint>): Promise<UserError> {
  const error: unknown = await open.then(
    (checkpoint) => checkpoint.close().then(() => undefined),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(UserError)
  expect((error as UserError).line).not.toContain('\n')
  return error as UserError
}

describe.each(orLacking(namesOfKind('pickles'), 'case of pickles'))('golden %s', (pickles) => {
  const reference = referenceOf(pickles)

  it.skipIf(reference === undefined).each(['zip', 'legacy'])(
    '%s checkpoint equals the safetensors file',
    async (form) => {
      const torch = await openCheckpoint(inCase(pickles, form, 'pytorch_model.bin'))
      await withTensors(reference ?? '', (file) => expectSame(torch, file))
      const count = await withTensors(inCase(pickles, 'io.safetensors'), (io) => io.readInt64('keys_count'))
      expect(BigInt(torch.tensors.size)).toBe(count[0])
      const { keys } = caseJson(pickles) as { keys: Record<string, number[]> }
      for (const [name, shape] of Object.entries(keys)) expect(torch.tensors.get(name)?.shape).toEqual(shape)
      await torch.close()
    },
  )

  it('a directory is opened by what it holds', async () => {
    const torch = await openCheckpoint(inCase(pickles, 'zip'))
    expect(torch).toBeInstanceOf(TorchFile)
    await torch.close()
  })

  it.each(['zip', 'legacy'])('shared storages, strides, views, every type: %s', async (form) => {
    const torch = await TorchFile.open(inCase(pickles, 'shared-storage', `${form}.bin`))
    await withTensors(inCase(pickles, 'shared-storage/expected.safetensors'), (file) =>
      expectSame(torch, file),
    )
    await torch.close()
  })

  it.each(['zip', 'legacy'])('half precision widened: %s', async (form) => {
    const torch = await TorchFile.open(inCase(pickles, 'half', `${form}.bin`))
    await withTensors(inCase(pickles, 'half/expected-as-float32.safetensors'), async (file) => {
      expect([...torch.tensors.keys()].toSorted()).toEqual([...file.tensors.keys()].toSorted())
      const types = new Set([...torch.tensors.values()].map((info) => info.dtype))
      expect(types).toEqual(new Set(['F16', 'BF16']))
      for (const name of file.tensors.keys())
        expect(Buffer.from((await torch.readFloat32(name)).buffer)).toEqual(
          Buffer.from(await file.readBytes(name)),
        )
    })
    await torch.close()
  })

  it('nested fairseq checkpoint: tensors under "model", the rest as data', async () => {
    const torch = await TorchFile.open(inCase(pickles, 'nested.pt'))
    const { nested } = caseJson(pickles) as { nested: Record<string, unknown> }
    expect([...torch.tensors.keys()].toSorted()).toEqual(nested.model_keys)
    if (reference === undefined) return torch.close()
    await withTensors(reference, async (file) => {
      for (const name of torch.tensors.keys())
        expect(Buffer.compare(await torch.readBytes(name), await file.readBytes(name))).toBe(0)
    })
    const plain = JSON.parse(JSON.stringify(toPlain(torch.root))) as Record<string, unknown>
    for (const key of ['optimizer_history', 'extra_state', 'cfg']) expect(plain[key]).toEqual(nested[key])
    expect(plain.args).toBeNull()
    await torch.close()
  })

  it.each(readdirSync(inCase(pickles, 'malicious')))('refuses %s by the name of its global', async (name) => {
    const trace = '/tmp/pwned-by-pickle'
    const before = existsSync(trace)
    const path = inCase(pickles, 'malicious', name)
    const error = await refusal(openCheckpoint(path))
    expect(error.code).toBe('DENIED')
    const global = /"([\w.]+)"/.exec(error.message)?.[1] ?? 'none'
    // The refused name is spelled in the file.
    const [module, attribute] = [
      global.slice(0, global.lastIndexOf('.')),
      global.slice(global.lastIndexOf('.') + 1),
    ]
    expect(readFileSync(path).includes(`c${module}\n${attribute}\n`)).toBe(true)
    expect(existsSync(trace)).toBe(before)
  })
})

describe.each(orLacking(namesOfKind('safetensors'), 'case of safetensors'))('golden %s', (variants) => {
  interface Expected {
    readonly metadata: Record<string, string>
    readonly tensors: Record<string, { dtype: string; shape: number[]; values: (number | string)[] }>
  }
  const expected = JSON.parse(readFileSync(inCase(variants, 'dtypes.expected.json'), 'utf8')) as Expected

  it('every type, in a header whose order is not the data order', async () => {
    await withTensors(inCase(variants, 'dtypes.safetensors'), async (file) => {
      expect(Object.fromEntries(file.metadata)).toEqual(expected.metadata)
      expect([...file.tensors.keys()].toSorted()).toEqual(Object.keys(expected.tensors).toSorted())
      const count = await withTensors(inCase(variants, 'io.safetensors'), (io) => io.readInt64('count'))
      expect(BigInt(file.tensors.size)).toBe(count[0])
      for (const [name, { dtype, shape, values }] of Object.entries(expected.tensors)) {
        expect(file.tensors.get(name)).toMatchObject({ dtype, shape })
        if (/^[IU]|BOOL/.test(dtype))
          expect([...(await file.readInt64(name))], name).toEqual(values.map((value) => BigInt(value)))
        const isFloat = dtype.startsWith('F') || dtype.startsWith('BF')
        if (!isFloat) continue
        const numbers = values.map((value) =>
          typeof value === 'string' ? Number(value.replace('inf', 'Infinity')) : value,
        )
        if (dtype === 'F64') {
          const bytes = await file.readBytes(name)
          expect([...new Float64Array(bytes.buffer)]).toEqual(numbers)
        }
        const read = await file.readFloat32(name, { rounding: dtype === 'F64' })
        expect([...read], name).toEqual(numbers.map(Math.fround))
      }
    })
  })

  it('shards behind an index equal the whole', async () => {
    const sharded = await openCheckpoint(inCase(variants, 'sharded'))
    await withTensors(inCase(variants, 'sharded/expected-whole.safetensors'), (file) =>
      expectSame(sharded, file),
    )
    await sharded.close()
  })

  const bad = Object.entries(caseJson(variants).bad_files as Record<string, string>)
  it('lists every damaged file', () => {
    expect(bad.map(([name]) => name).toSorted()).toEqual(readdirSync(inCase(variants, 'bad')).toSorted())
  })
  it.each(bad)('refuses %s: %s', async (name) => {
    const error = await refusal(SafetensorsFile.open(inCase(variants, 'bad', name)))
    expect(error.message).toContain(name)
    expect(error.message).toContain('not a valid safetensors file')
  })
})

describe('weight norm', () => {
  const [older, newer] = ['01', '02'].map((number) => namesOf(number)[0])
  it.skipIf(older === undefined || newer === undefined)('both spellings have the older names', async () => {
    const names: string[][] = []
    for (const name of [older, newer])
      names.push(
        await withTensors(inCase(name ?? '', 'model.safetensors'), async (file) =>
          [...file.tensors.keys()].map(canonicalWeightNormName).filter((each) => /weight_[gv]$/.test(each)),
        ),
      )
    expect(names[0]?.length).toBe(2)
    expect(names[1]?.toSorted()).toEqual(names[0]?.toSorted())
  })
})
