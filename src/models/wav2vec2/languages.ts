/** The languages of a recogniser that has several, by the files of its directory. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SafetensorsFile } from '../../ml/files/safetensors-reader.js'
import { CtcTokenizer } from '../../ml/tokenizers/ctc.js'

const ADAPTER_FILE = /^adapter\.(.+)\.safetensors$/

/** Languages with an adapter file in the directory, by name. */
export async function adapterLanguages(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory)
  return names.flatMap((name) => ADAPTER_FILE.exec(name)?.[1] ?? []).toSorted()
}

/**
 * Those that the directory has all files of: a vocabulary, and a whole adapter or the weights that the model was saved
 * with. Empty for a model with one vocabulary.
 */
export async function servedLanguages(directory: string): Promise<readonly string[]> {
  const adapters = await adapterLanguages(directory)
  const own = await CtcTokenizer.ownLanguage(directory)
  const languages = await CtcTokenizer.languages(directory)
  const served: string[] = []
  for (const name of languages)
    if (name === own || (adapters.includes(name) && (await isWhole(adapterPath(directory, name)))))
      served.push(name)
  return served
}

export const adapterPath = (directory: string, language: string): string =>
  join(directory, `adapter.${language}.safetensors`)

/** Whether the file can be read and is as long as its header says: a download may have broken off. */
async function isWhole(path: string): Promise<boolean> {
  const file = await SafetensorsFile.open(path).catch(() => undefined)
  await file?.close()
  return file !== undefined
}
