/** Weights where a runtime maps them: in their own file, or in a copy that leaves nothing behind. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, utimesSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../../src/ml/files/open.js'
import { makeScratchFolder } from '../../../src/models/checkpoint/scratch-folder.js'
import { WeightFiles } from '../../../src/models/checkpoint/weight-files.js'
import { op, tensorOf, torchZip } from '../ml/files-builders.js'
import { firstCase } from './checkpoint-copies.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weight-files-'))
})
afterAll(() => rm(directory, { recursive: true }))

/** What a runtime finds behind each float tensor, and in which folder. */
async function mapped(path: string) {
  const checkpoint = await openCheckpoint(path)
  const files = await WeightFiles.of(checkpoint)
  const wrong: string[] = []
  let checked = 0
  for (const name of checkpoint.tensors.keys()) {
    const source = files.lookup(name)?.source
    if (source?.kind !== 'external') continue
    const { location, offset, length } = source
    const found = readFileSync(join(files.folder, location)).subarray(offset, offset + length)
    if (!found.equals(await checkpoint.readBytes(name))) wrong.push(name)
    checked++
  }
  await checkpoint.close()
  return { files, wrong, checked }
}

describe('weights to be mapped', () => {
  it.each([
    ['zip', 'pytorch_model.bin'],
    ['half', 'zip.bin'],
  ])('of a PyTorch file (%s) lie in that file', async (...path) => {
    const file = firstCase('15').path(...path)
    const { files, wrong, checked } = await mapped(file)
    expect(files.folder).toBe(realpathSync(dirname(file)))
    expect(checked).toBeGreaterThan(1)
    expect(wrong).toEqual([])
    // It is the model's: closing removes nothing.
    await files.close()
    expect(existsSync(file)).toBe(true)
  })

  it('of the older kind of PyTorch file begin anywhere, and are copied', async () => {
    const file = firstCase('15').path('legacy', 'pytorch_model.bin')
    const { files, wrong, checked } = await mapped(file)
    expect(files.folder).not.toBe(realpathSync(dirname(file)))
    expect(checked).toBeGreaterThan(1)
    expect(wrong).toEqual([])
    await files.close()
    expect(existsSync(files.folder)).toBe(false)
  })

  it('that lie otherwise are copied in order, and the copy goes with them', async () => {
    const path = join(directory, 'turned.bin')
    const turned = op.dict(op.text('a'), tensorOf('0', 6, [3, 2], [1, 3]))
    await writeFile(path, torchZip(turned, { 0: Float32Array.of(1, 2, 3, 4, 5, 6) }))
    const { files, wrong, checked } = await mapped(path)
    expect(files.folder).not.toBe(directory)
    expect([checked, wrong]).toEqual([1, []])
    await files.close()
    expect(existsSync(files.folder)).toBe(false)
  })
})

describe('a folder for copies', () => {
  it('is refused with have and need where there is no room', async () => {
    await expect(makeScratchFolder(2 ** 52, directory)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/has no room for the weights: have \d+ MB, need 4503599627 MB$/),
      details: { needBytes: 2 ** 52 },
    })
  })

  it('goes after its process was killed, and not before', async () => {
    const { pid } = spawnSync(process.execPath, ['--version'])
    const yesterday = new Date(Date.now() - 86_400_000)
    const made = (name: string, time?: Date): string => {
      const path = join(directory, name)
      mkdirSync(path)
      if (time !== undefined) utimesSync(path, time, time)
      return path
    }
    const dead = made(`plumbline-weights-${pid}-aaaaaa`, yesterday)
    const fresh = made(`plumbline-weights-${pid}-bbbbbb`)
    const alive = made(`plumbline-weights-${process.pid}-cccccc`, yesterday)
    const other = made('plumbline-weights-of-mine', yesterday)
    const own = await makeScratchFolder(1, directory)
    expect([dead, fresh, alive, other, own].map(existsSync)).toEqual([false, true, true, true, true])
  })
})
