/** What `transcribe` says of language models that it cannot hear with, before anything is loaded; cards tell of theirs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { publishNgrams } from '../../support/ngram-recogniser.js'
import { temporaryFile } from '../ml/files-support.js'
import { firstCase } from '../models/checkpoint-copies.js'
import { complaint, run } from './in-process.js'

const SPOKEN = 'test/fixtures/speech/accept-this-call.wav'
const home = mkdtempSync(join(tmpdir(), 'plumbline-lm-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
const { folder } = firstCase('01')
const arpa = temporaryFile('\\data\\\nngram 1=1\n\n\\1-grams:\n-0.1 tea\n\n\\end\\\n', 'small.arpa')
const local = ['--local', '--model', folder]

it.each([
  [[...local, '--lm', '/nowhere/4gram.arpa'], /4gram\.arpa: cannot be opened/],
  [[...local, '--lm', SPOKEN], /no \\data\\ so far; is it an ARPA file\?/],
  [
    [...local, '--lm', temporaryFile('\\data\\\nngram 1=2', 'cut.arpa')],
    /cut\.arpa: breaks off after line 2/,
  ],
  [
    [...local, '--lm', temporaryFile('\\data\\\nngram 1=30000000', 'large.arpa')],
    /30000000 words, more than/,
  ],
  [[...local, '--lm', 'auto'], /has no language model of its own; name an ARPA file/],
  [[...local, '--lm', arpa, '--memory', '0.05'], /does not fit: have 0\.05 GiB, need 0\.\d\d GiB/],
  [
    ['--local', '--model', 'asr-small', '--lm', arpa],
    /asr-small has a language model of its own; use --dictation/,
  ],
  [['--local', '--language', 'de'], /asr-small hears en alone; leave --language out/],
  [['--local', '--lm', arpa, '--dictation'], /--lm and --dictation exclude each other/],
  [['--local', '--lm', arpa, '--grammar', 'menu.txt'], /--grammar and --lm exclude each other/],
  [['--lm', arpa], /on this machine alone; add --local: providers hear with what a model was added with/],
  [['--lm', 'none'], /on this machine alone; add --local/],
  [[...local, '--lm', 'none', '--beam', '10'], /are for a language model; give --lm/],
  [['--local', '--beam', '10'], /are for a language model; give --lm/],
  [['--local', '--lm', arpa, '--beam', '0'], /--beam expects a whole number from 1 to 2000/],
])(
  'transcribe %j',
  async (args, message) => {
    const outcome = await run(['transcribe', SPOKEN, '--data-dir', home, ...args])
    expect(complaint(outcome)).toMatch(message)
    expect(outcome.stdout).toBe('')
  },
  60_000,
)

it('a card tells of the language model that a checkpoint was published with', async () => {
  const checkpoint = join(home, 'checkpoint')
  await cp(folder, checkpoint, { recursive: true })
  const models = (...args: readonly string[]) => run(['models', ...args, '--data-dir', home])
  expect((await models('add', checkpoint, '--name', 'before')).stdout).not.toMatch(/Decoder/)
  const published = await publishNgrams(checkpoint)
  expect((await models('add', checkpoint, '--name', 'with-lm')).stdout).toMatch(
    /Decoder +n-grams:.*2gram\.arpa/s,
  )
  expect((await models('show', 'with-lm')).stdout).toMatch(/weight\s+2,\s+word\s+bonus\s+20/)
  expect(JSON.parse((await models('show', 'with-lm', '--json')).stdout)).toMatchObject({
    languageModel: { path: published, alpha: 2 },
  })
  // An entry that was made without them stays so, and says what is there.
  expect((await models('show', 'before')).stdout).toMatch(/without\s+the\s+n-grams.*--lm\s+auto/s)
  const added = await models('add', checkpoint, '--name', 'other', '--lm', arpa, '--lm-weight', '0.7')
  expect(added.stdout).toMatch(/small\.arpa,\s+weight\s+0\.7,\s+word\s+bonus\s+1\.5/)
  expect((await models('add', checkpoint, '--name', 'none', '--lm', 'none')).status).toBe(0)
  const families = (await models('list')).stdout.split('\n').filter((line) => line.includes(' + n-grams'))
  expect(families.map((line) => line.split(' ')[0])).toEqual(['other', 'with-lm'])

  const refused = async (...args: readonly string[]) =>
    complaint(await models('add', checkpoint, '--name', 'x', ...args))
  expect(await refused('--lm', 'none', '--lm-weight', '1')).toMatch(/are for an ARPA file; give --lm/)
  expect(await refused('--word-bonus', '1')).toMatch(/are for an ARPA file; give --lm/)
  expect(await refused('--lm', SPOKEN)).toMatch(/is it an ARPA file\?/)
  expect(await refused('--lm', arpa, '--language', 'deu')).toMatch(/one vocabulary for all languages; leave/)

  writeFileSync(join(checkpoint, 'language_model', '3gram.bin'), '')
  rmSync(published)
  expect((await models('show', 'none')).stdout).toMatch(/3gram\.bin\s+is\s+a\s+KenLM\s+binary/)
}, 60_000)

it('who hears with the n-grams of one language is told to ask for that one', async () => {
  const mms = firstCase('03')
  const [own, other] = mms.about.languages as [string, string]
  const vocabulary = JSON.parse(readFileSync(join(mms.folder, 'vocab.json'), 'utf8'))[other] as object
  const letter = Object.keys(vocabulary).find((each) => /^\p{L}$/u.test(each)) ?? ''
  const words = temporaryFile(`\\data\\\nngram 1=1\n\n\\1-grams:\n-0.1 ${letter}\n\n\\end\\\n`, 'words.arpa')
  const add = (...args: readonly string[]) =>
    run(['models', 'add', mms.folder, '--lm', words, '--data-dir', home, ...args])
  expect(complaint(await add())).toMatch(/n-grams are of one language, and .* has 3; say with --language/)
  expect((await add('--name', 'pinned', '--language', other)).stdout).toMatch(
    new RegExp(`n-grams of ${other}, which alone it hears`),
  )
  const asked = ['--local', '--model', 'pinned', '--language', own, '--data-dir', home]
  expect(complaint(await run(['transcribe', SPOKEN, ...asked]))).toMatch(
    new RegExp(`pinned hears ${other} alone, which its language model is of; leave --language out`),
  )
}, 60_000)
