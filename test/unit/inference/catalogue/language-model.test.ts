/** What n-grams a recogniser of the catalogue hears with, and what it is called by then. */
import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ModelCard, readCard } from '../../../../src/inference/catalogue/card.js'
import { Catalogue, cataloguePath } from '../../../../src/inference/catalogue/catalogue.js'
import { publishedLanguageModel } from '../../../../src/inference/catalogue/language-model.js'
import { servedMemoryOf } from '../../../../src/inference/catalogue/memory.js'
import { hashedFiles, ModelHashes } from '../../../../src/inference/catalogue/model-hash.js'
import { NGRAMS, publishNgrams, writeRecogniser } from '../../../support/ngram-recogniser.js'
import { firstCase } from '../../models/checkpoint-copies.js'

let home: string
let plain: string
let published: string
let arpa: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'ngrams-'))
  plain = join(home, 'plain')
  published = join(home, 'published')
  await writeRecogniser(plain)
  await writeRecogniser(published)
  arpa = await publishNgrams(published)
})
afterAll(() => rm(home, { recursive: true }))

const shell = (script: string, cwd = home): string =>
  execFileSync('sh', ['-c', script], { cwd, env: { ...process.env, LC_ALL: 'C' } })
    .toString()
    .slice(0, 64)

/** As anybody computes it. */
async function filesOf(directory: string): Promise<string> {
  return shell(`sha256sum ${(await hashedFiles(directory)).join(' ')} | sha256sum`, directory)
}
/** The same n-grams in another writing. */
const CYRILLIC = NGRAMS.replaceAll(/\t[a-z ]+(?=[\t\n])/g, (word) =>
  word.replaceAll(/[a-z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0x3cf)),
)
const ngrams = 'alpha=2 beta=20 unknown=-10 sentence=true'
const named = (files: string, line: string): string => shell(`echo "${files} ${line}" | sha256sum`)

async function called(card: ModelCard): Promise<string> {
  const dataDir = await mkdtemp(join(home, 'data-'))
  const first = await (await ModelHashes.open(dataDir)).of(card)
  // The same from the disk, in a later process.
  expect(await (await ModelHashes.open(dataDir)).of(card)).toBe(first)
  return first
}

describe('the name of a model that hears with n-grams', () => {
  it('is made of its files, of the n-grams and of their weights, and differs with each', async () => {
    const card = await readCard(published)
    expect(card.languageModel).toMatchObject({ path: arpa, alpha: 2, beta: 20, language: null })
    const [files, sha256] = [await filesOf(published), shell(`sha256sum ${arpa}`)]
    const usual = await called(card)
    expect(usual).toBe(named(files, `lm ${sha256} ${ngrams}`))
    // Without them it is what its other files say, as before there were any.
    const without = await readCard(published, 'without', 'fp32', { given: null })
    expect(without.languageModel).toBe(null)
    expect(await called(without)).toBe(files)
    const given = await readCard(published, 'given', 'fp32', { given: { path: arpa, alpha: 1 } })
    expect(await called(given)).toBe(named(files, `lm ${sha256} alpha=1 beta=1.5 unknown=-10 sentence=true`))
    const rounded = await readCard(published, undefined, 'int8')
    expect(await called(rounded)).toBe(shell(`echo "${usual} int8" | sha256sum`))

    const moved = join(home, 'elsewhere.arpa')
    await cp(arpa, moved)
    const weights = { alpha: 2, beta: 20, unknownWordLog10: -10, isSentence: true }
    const same = await readCard(published, 'same', 'fp32', { given: { path: moved, ...weights } })
    expect(await called(same)).toBe(usual)
    await writeFile(moved, NGRAMS.replace('-0.2\ta seed', '-0.3\ta seed'))
    expect(await called(same)).not.toBe(usual)
  })

  it('is that of the files alone for a model that has none: those of the package, and any other', async () => {
    const catalogue = await Catalogue.open(home)
    const [recogniser, identifier] = catalogue.list()
    for (const card of [recogniser, identifier, await readCard(plain)]) {
      if (card === undefined) throw new Error('a model of the package is missing')
      expect(card.languageModel).toBe(null)
      expect(await called(card)).toBe(await filesOf(card.directory))
    }
  })

  it('is kept for as long as the n-grams are the same file', async () => {
    const path = join(home, 'changing.arpa')
    await writeFile(path, NGRAMS)
    const card = await readCard(plain, 'changing', 'fp32', { given: { path } })
    const hashes = await ModelHashes.open(await mkdtemp(join(home, 'data-')))
    const first = await hashes.of(card)
    await writeFile(path, NGRAMS.replace('tone', 'note'))
    const second = await hashes.of(card)
    expect(second).not.toBe(first)
    await writeFile(path, NGRAMS)
    expect(await hashes.of(card)).toBe(first)
  })
})

describe('what a recogniser hears with', () => {
  it('is in the catalogue, counts for its memory, and is none in entries of older versions', async () => {
    const dataDir = await mkdtemp(join(home, 'data-'))
    const card = await readCard(published)
    await (await Catalogue.open(dataDir)).add(card)
    expect((await Catalogue.open(dataDir)).get('published')).toEqual(card)
    const bytes = card.languageModel?.memoryBytes ?? 0
    expect(bytes).toBeGreaterThan(0)
    expect(servedMemoryOf(card)).toBe(card.memoryBytes + bytes)
    const path = cataloguePath(dataDir)
    const file = JSON.parse(await readFile(path, 'utf8'))
    for (const each of file.models) delete each.languageModel
    await writeFile(path, JSON.stringify(file))
    expect((await Catalogue.open(dataDir)).get('published').languageModel).toBe(null)
  })

  it('what it was published with and cannot be used is left, and said', async () => {
    const why = async (change: (directory: string, path: string) => Promise<unknown>): Promise<string> => {
      const directory = await mkdtemp(join(home, 'odd-'))
      await writeRecogniser(directory)
      await change(directory, await publishNgrams(directory))
      const card = await readCard(directory, 'odd')
      expect(card.languageModel).toBe(null)
      return (await publishedLanguageModel(card))?.reason ?? ''
    }
    expect(
      await why(async (directory, path) => {
        await cp(path, join(directory, 'language_model', '2gram.bin'))
        await rm(path)
      }),
    ).toMatch(/2gram\.bin is a KenLM binary, which does not run here/)
    expect(await why((_, path) => writeFile(path, NGRAMS.slice(0, 60)))).toMatch(/breaks off after line/)
    expect(await why((_, path) => writeFile(path, CYRILLIC))).toMatch(
      /not spelt in this recogniser's letters/,
    )
    expect(await why((directory) => publishNgrams(directory, { alpha: 'much' }))).toMatch(/alpha is not/)
  })

  it.each([
    [{ given: { path: '/nowhere/4gram.arpa' } }, /4gram\.arpa: cannot be opened/],
    [{ language: 'deu' }, /was published without n-grams/],
    [{ given: null, language: 'deu' }, /--language says which one/],
  ])('refuses %j', async (wanted, message) => {
    await expect(readCard(plain, 'plain', 'fp32', wanted)).rejects.toThrow(message)
  })

  it('refuses n-grams of another writing, and those for a model that hears no words', async () => {
    const given = { path: join(home, 'cyrillic.arpa') }
    await writeFile(given.path, CYRILLIC)
    await expect(readCard(plain, 'plain', 'fp32', { given })).rejects.toThrow(
      /not spelt in this recogniser's/,
    )
    const identifier = firstCase('04').folder
    await expect(readCard(identifier, 'lid', 'fp32', { given: { path: arpa } })).rejects.toThrow(
      /lid does not hear with n-grams/,
    )
    const { directory } = (await Catalogue.open(home)).get('asr-small')
    await expect(readCard(directory, 'own', 'fp32', { given: { path: arpa } })).rejects.toThrow(
      /own does not hear with n-grams/,
    )
  })

  it('n-grams are of one language: a checkpoint with several is added for that one, under its own name', async () => {
    const mms = firstCase('03')
    const [own, other] = mms.about.languages as [string, string]
    const words = await writeWords(mms.folder, other)
    const several = (await readCard(mms.folder)).languages.length
    await expect(readCard(mms.folder, 'mms', 'fp32', { given: { path: words } })).rejects.toMatchObject({
      message: `n-grams are of one language, and mms has ${several}`,
      remedy: 'say with --language which one it is to hear',
    })
    const unknown = readCard(mms.folder, 'mms', 'fp32', { given: { path: words }, language: 'xxx' })
    await expect(unknown).rejects.toThrow(/mms does not know the language "xxx"/)
    const card = await readCard(mms.folder, 'mms', 'fp32', { given: { path: words }, language: other })
    expect(card.languages).toEqual([other])
    const line = `lm ${shell(`sha256sum ${words}`)} alpha=0.5 beta=1.5 unknown=-10 sentence=true`
    const files = await filesOf(mms.folder)
    expect(await called(card)).toBe(named(files, `${line} language=${other}`))
    expect(own).not.toBe(other)
  })

  /** N-grams of a vocabulary's own letters. */
  async function writeWords(directory: string, language: string): Promise<string> {
    const vocabulary = JSON.parse(await readFile(join(directory, 'vocab.json'), 'utf8'))[language] as object
    const letters = Object.keys(vocabulary).filter((each) => /^\p{L}$/u.test(each))
    const path = join(home, `${language}.arpa`)
    const grams = letters.map((letter) => `-1\t${letter}${letter}`)
    const text = ['\\data\\', `ngram 1=${grams.length}`, '\n\\1-grams:', ...grams, '\n\\end\\\n'].join('\n')
    await writeFile(path, text)
    return path
  }
})
