/** What `transcribe` says of language models that it cannot hear with, before anything is loaded; cards tell of theirs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
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
  [['--local', '--lm', arpa, '--dictation'], /--lm and --dictation exclude each other/],
  [['--local', '--lm', arpa, '--grammar', 'menu.txt'], /--grammar and --lm exclude each other/],
  [['--lm', arpa], /on this machine alone; add --local/],
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
  expect((await models('add', checkpoint, '--name', 'without')).stdout).not.toMatch(/--lm/)
  mkdirSync(join(checkpoint, 'language_model'))
  writeFileSync(join(checkpoint, 'alphabet.json'), '{"labels": [], "is_bpe": false}')
  await cp(arpa, join(checkpoint, 'language_model', '2gram.arpa'))
  expect((await models('add', checkpoint, '--name', 'with-lm')).stdout).toMatch(/2gram\.arpa/)
  expect((await models('show', 'with-lm')).stdout).toMatch(/2gram\.arpa.*--lm\s+auto/s)
  writeFileSync(join(checkpoint, 'language_model', '3gram.bin'), '')
  rmSync(join(checkpoint, 'language_model', '2gram.arpa'))
  expect((await models('show', 'with-lm')).stdout).toMatch(/3gram\.bin\s+is\s+a\s+KenLM\s+binary/)
}, 60_000)
