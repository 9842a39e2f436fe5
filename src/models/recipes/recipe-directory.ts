/** A directory of prepared data belongs to one recipe, which its recipe.json names. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.js'

/** Marks a new directory. @throws UserError BAD_ARGUMENT where it holds data of another recipe; as the file system */
export async function claimDirectory(directory: string, recipe: object): Promise<void> {
  const path = join(directory, 'recipe.json')
  const wanted = JSON.stringify(recipe)
  const found = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) await writeFile(path, wanted)
  else if (found !== wanted)
    throw new UserError(`${directory} holds data of another recipe: ${found}`, {
      code: 'BAD_ARGUMENT',
      remedy: 'name another directory, or remove this one',
    })
}
