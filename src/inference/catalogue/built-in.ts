/** The models that come with the package, in its folder `models`: they work without `models add`. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ModelCard, readCard } from './card.js'

/** Beside src in a checkout, beside dist in a package. */
const FOLDER = fileURLToPath(new URL('../../../models', import.meta.url))

export const BUILT_IN_NAMES = ['asr-small', 'language-id'] as const

/** @throws UserError where one is damaged; one that is not there is left out. */
export async function readBuiltIns(folder = FOLDER): Promise<readonly ModelCard[]> {
  const cards: ModelCard[] = []
  for (const name of BUILT_IN_NAMES) {
    const directory = join(folder, name)
    const isThere = await stat(directory).then(
      () => true,
      () => false,
    )
    if (isThere) cards.push(await readCard(directory, name))
  }
  return cards
}
