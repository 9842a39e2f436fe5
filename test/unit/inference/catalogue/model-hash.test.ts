import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashedFiles, hashModel, ModelHashes } from '../../../../src/inference/catalogue/model-hash.js'

let folder: string
let dataDir: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'model-hash-'))
  dataDir = await mkdtemp(join(tmpdir(), 'model-hash-data-'))
  for (const name of [
    'config.json',
    'model.safetensors',
    'pytorch_model.bin',
    'README.md',
    '.gitattributes',
    'LICENSE',
  ])
    await writeFile(join(folder, name), `what ${name} holds`)
})
afterEach(() => Promise.all([folder, dataDir].map((each) => rm(each, { recursive: true }))))

describe('the hash of a model', () => {
  it('is what coreutils make of the files that a run reads', async () => {
    const files = await hashedFiles(folder)
    expect(files).toEqual(['config.json', 'model.safetensors'])
    const theirs = execFileSync('sh', ['-c', `sha256sum ${files.join(' ')} | sha256sum`], { cwd: folder })
    expect(await hashModel(folder)).toBe(theirs.toString().slice(0, 64))
  })

  it('changes with the weights, and with a name, but not with what is written about them', async () => {
    const first = await hashModel(folder)
    await writeFile(join(folder, 'README.md'), 'another text')
    expect(await hashModel(folder)).toBe(first)
    await writeFile(join(folder, 'model.safetensors'), 'other weights')
    const second = await hashModel(folder)
    expect(second).not.toBe(first)
    await writeFile(join(folder, 'vocab.json'), '{}')
    expect(await hashModel(folder)).not.toBe(second)
  })

  it('is kept until a file changes, also by a later process', async () => {
    const config = join(folder, 'config.json')
    const model = { directory: folder, precision: 'fp32', languageModel: null } as const
    const when = new Date(1_800_000_000_000)
    await utimes(config, when, when)
    const first = await (await ModelHashes.open(dataDir)).of(model)
    expect(first).toBe(await hashModel(folder))
    // The same size and time: as far as anyone can see, the same file.
    await writeFile(config, 'WHAT config.json holds')
    await utimes(config, when, when)
    const later = await ModelHashes.open(dataDir)
    expect(await later.of(model)).toBe(first)
    await utimes(config, when, new Date(1_800_000_001_000))
    expect(await later.of(model)).toBe(await hashModel(folder))
    expect(await hashModel(folder)).not.toBe(first)
  })
})
