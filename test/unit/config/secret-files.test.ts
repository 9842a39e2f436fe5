/** Files of secrets that are no files: to open a pipe that nobody writes to would wait for ever. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { readPassphraseFile } from '../../../src/config/passphrase.js'
import { readSecretFile } from '../../../src/config/secret-file.js'
import { readKeystoreText } from '../../../src/crypto/keystore-file.js'
import { readApiKeys } from '../../../src/inference/gateway/index.js'

const SECRET = 'a secret of 24 characters'

async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-secrets-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

describe.skipIf(process.platform === 'win32')('secrets that are no files', () => {
  it('are refused at once: folders, devices, and pipes that nobody writes to', async () => {
    const directory = await scratch()
    const folder = join(directory, 'folder')
    await mkdir(folder, { mode: 0o700 })
    for (const path of [folder, '/dev/zero']) {
      const message = `${path} is no file`
      await expect(readPassphraseFile(path)).rejects.toMatchObject({ code: 'BAD_KEY', message })
      await expect(readApiKeys(path)).rejects.toMatchObject({ code: 'BAD_CONFIG', exitStatus: 2, message })
    }
    const pipe = join(directory, 'pipe')
    execFileSync('mkfifo', ['-m', '600', pipe])
    await expect(readPassphraseFile(pipe)).rejects.toThrow(/has an empty first line$/)
    await expect(readApiKeys(pipe)).rejects.toThrow(/holds no key$/)
    for (const path of [folder, pipe, '/dev/zero'])
      await expect(readKeystoreText(path)).rejects.toMatchObject({ code: 'BAD_KEY' })
  })

  it('are read from a pipe whose writer takes its time, and not for ever', async () => {
    const pipe = join(await scratch(), 'pipe')
    execFileSync('mkfifo', ['-m', '600', pipe])
    // Open for reading and writing, so that it waits for nobody.
    const writer = await open(pipe, 'r+')
    const reading = readPassphraseFile(pipe)
    await sleep(120)
    await writer.write(`${SECRET}\n`)
    await sleep(120)
    await writer.close()
    expect(await reading).toBe(SECRET)
    const silent = await open(pipe, 'r+')
    const options = { refusal: { code: 'BAD_KEY' }, mostBytes: 100, pipeMs: 100 } as const
    await expect(readSecretFile(pipe, options)).rejects.toMatchObject({ code: 'TIMEOUT' })
    await silent.write('x'.repeat(101))
    expect(await readSecretFile(pipe, options)).toHaveLength(101)
    await silent.close()
  })
})

it('are read where they are, unless others may read them', async () => {
  const directory = await scratch()
  const file = join(directory, 'secret')
  await writeFile(file, `${SECRET}\nmore\n`, { mode: 0o600 })
  expect(await readPassphraseFile(file)).toBe(SECRET)
  await expect(readPassphraseFile(join(directory, 'none'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  if (process.platform === 'win32') return
  await chmod(file, 0o640)
  await expect(readPassphraseFile(file)).rejects.toThrow(/has mode 0640: others can read it$/)
})
