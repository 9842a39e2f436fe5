/** What is said of a client's ledger that the disk spoilt: its money is on the chain. */
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLedger } from '../../../src/node/inference/client-ledger.js'

it('a damaged ledger names the way to its deposits', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-damaged-'))
  try {
    await (await openLedger(directory, 'stop it')).close()
    for (const name of await readdir(directory))
      if (name.startsWith('MANIFEST')) {
        await truncate(join(directory, name), 0)
        await writeFile(join(directory, name), Buffer.alloc(64, 0x5a))
      }
    await expect(openLedger(directory, 'stop it')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('it is damaged'),
      remedy: expect.stringMatching(/move it away.*plumbline channels close <provider's address>/),
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
