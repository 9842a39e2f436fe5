/** Who pays with a key while a gateway does: told what runs and what to do, not that the data directory is to be another. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { loadConfig } from '../../../../src/config/load.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { openNetworkClient } from '../../../../src/node/inference/client.js'
import { clientLedger, openLedger } from '../../../../src/node/inference/client-ledger.js'
import { openStore } from '../../../../src/store/index.js'
import { type Logger, silentLogger } from '../../../../src/telemetry/logger.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-buyer-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

it('a second one that pays with a key is told of the first', async () => {
  const identity = Identity.generate()
  const ledger = clientLedger(directory, identity.address)
  const first = await openStore(ledger)
  const reasons: unknown[] = []
  const log: Logger = {
    ...silentLogger,
    warn: (fields: unknown) => void reasons.push((fields as { readonly reason?: unknown }).reason),
    child: () => log,
  }
  // Nothing answers there; the ledger is opened first.
  const flags = { dataDir: directory, 'chain.rpcUrls': ['http://127.0.0.1:9'], 'network.listen': [] }
  const { config } = await loadConfig({ env: {}, flags })
  const client = await openNetworkClient({ config, identity, log, isLasting: true })
  try {
    await vi.waitFor(
      () => expect(reasons.join('\n')).toMatch(/a gateway, or a command that buys with this key/),
      {
        timeout: 10_000,
      },
    )
    expect(reasons.join('\n')).not.toMatch(/another process uses/)
    expect(client.unpayable()).toMatch(/^a gateway, or a command that buys with this key, is running/)
    await expect(openLedger(ledger, 'ask it')).rejects.toMatchObject({ code: 'LOCKED', remedy: 'ask it' })
    // It ends: who asks whether this one can pay finds out.
    await first.close()
    await vi.waitFor(() => expect(client.unpayable()).toBeUndefined(), { timeout: 10_000 })
  } finally {
    await client.close()
    await first.close()
  }
})
