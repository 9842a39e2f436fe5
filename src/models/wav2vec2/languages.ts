/** The languages of a recogniser that has several, by the files of its directory. */
import { readdir } from 'node:fs/promises'
import { CtcTokenizer } from '../../ml/tokenizers/ctc.js'

const ADAPTER_FILE = /^adapter\.(.+)\.safetensors$/

/** Languages with an adapter file in the directory, by name. */
export async function adapterLanguages(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory)
  return names.flatMap((name) => ADAPTER_FILE.exec(name)?.[1] ?? []).toSorted()
}

/**
 * Those that the directory has all files of: a vocabulary, and an adapter or the weights that the model was saved with.
 * Empty for a model with one vocabulary.
 */
export async function servedLanguages(directory: string): Promise<readonly string[]> {
  const adapters = await adapterLanguages(directory)
  const own = await CtcTokenizer.ownLanguage(directory)
  const languages = await CtcTokenizer.languages(directory)
  return languages.filter((name) => name === own || adapters.includes(name))
}
