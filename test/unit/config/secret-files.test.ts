/** Files of secrets that are no files: to open a pipe that nobody writes to would wait for ever. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { readPassphraseFile } from '../../../src/config/passphrase.js'
import { readKeystoreText } from '../../../src/crypto/keystore-file.js'
import { readApiKeys } from '../../../src/inference/gateway/index.js'

it.skipIf(process.platform === 'win32')('are refused at once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-secrets-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const pipe = join(directory, 'pipe')
  execFileSync('mkfifo', ['-m', '600', pipe])
  const folder = join(directory, 'folder')
  await mkdir(folder, { mode: 0o700 })
  for (const path of [pipe, folder, '/dev/zero']) {
    const message = `${path} is no regular file`
    await expect(readPassphraseFile(path)).rejects.toMatchObject({ code: 'BAD_KEY', message })
    await expect(readApiKeys(path)).rejects.toMatchObject({ code: 'BAD_CONFIG', exitStatus: 2, message })
    await expect(readKeystoreText(path)).rejects.toMatchObject({ code: 'BAD_KEY' })
  }
})

it('are read where they are, unless others may read them', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-secrets-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'secret')
  await writeFile(file, 'a secret of 24 characters\nmore\n', { mode: 0o600 })
  expect(await readPassphraseFile(file)).toBe('a secret of 24 characters')
  await expect(readPassphraseFile(join(directory, 'none'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  if (process.platform === 'win32') return
  await chmod(file, 0o640)
  await expect(readPassphraseFile(file)).rejects.toThrow(/has mode 0640: others can read it$/)
})
