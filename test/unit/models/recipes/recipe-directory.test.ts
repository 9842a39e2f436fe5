import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { claimDirectory } from '../../../../src/models/recipes/recipe-directory.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-recipe-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

test('a directory is of the recipe that came first, and of no other', async () => {
  await claimDirectory(directory, { seed: 1 })
  await claimDirectory(directory, { seed: 1 })
  await expect(claimDirectory(directory, { seed: 2 })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  expect(await readFile(join(directory, 'recipe.json'), 'utf8')).toBe('{"seed":1}')
})

test('a name that cannot be read is not taken for none', async () => {
  await mkdir(join(directory, 'recipe.json'))
  await writeFile(join(directory, 'recipe.json', 'kept'), '')
  await expect(claimDirectory(directory, { seed: 1 })).rejects.toMatchObject({
    code: 'EISDIR',
    syscall: 'read',
  })
})
