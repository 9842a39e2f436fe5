/**
 * A published recogniser with n-grams, small enough for tests: a golden checkpoint, which hears nonsense, and the same
 * nonsense each time; words of its letters; and weights by which the n-grams decide what is heard.
 */
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { firstCase } from '../unit/models/checkpoint-copies.js'

const WORDS = ['tea', 'tone', 'hat', 'on', 'a', 'seed', 'load', 'of', 'time', 'gas']

/** ARPA text of two-grams. */
export const NGRAMS = [
  '\\data\\',
  `ngram 1=${WORDS.length + 3}`,
  'ngram 2=1',
  '\n\\1-grams:',
  ...['<s>', '</s>', '<unk>', ...WORDS].map((word) => `-1.1\t${word}\t-0.1`),
  '\n\\2-grams:',
  '-0.2\ta seed',
  '\n\\end\\\n',
].join('\n')

/** As its author would have chosen them (pyctcdecode's names). */
export const WEIGHTS = { alpha: 2, beta: 20, unk_score_offset: -10, score_boundary: true } as const

/** Writes the checkpoint alone. */
export async function writeRecogniser(directory: string): Promise<void> {
  await cp(firstCase('01').folder, directory, { recursive: true })
}

/** Puts n-grams beside a checkpoint, as pyctcdecode does. @returns the ARPA file's path */
export async function publishNgrams(
  directory: string,
  weights: object | undefined = WEIGHTS,
): Promise<string> {
  const folder = join(directory, 'language_model')
  await mkdir(folder, { recursive: true })
  await writeFile(join(directory, 'alphabet.json'), '{"labels": [], "is_bpe": false}')
  if (weights !== undefined) await writeFile(join(folder, 'attrs.json'), JSON.stringify(weights))
  const path = join(folder, '2gram.arpa')
  await writeFile(path, NGRAMS)
  return path
}
