/** What a node keeps on disk beside its keys: bans, evidence, the registry it trusts. */
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Identity } from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'
import { keptBans } from '../../../src/node/bans.js'
import { RegistryFile, readRegistryFile } from '../../../src/node/registry-file.js'
import { safetyStore } from '../../../src/node/safety-store.js'
import { signRegistry } from '../../../src/pob/registry.js'
import { openStore, type Store } from '../../../src/store/index.js'
import { silentLogger } from '../../../src/telemetry/logger.js'

let directory = ''
let store: Store
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-kept-'))
  store = await openStore(join(directory, 'store'))
})
afterEach(async () => {
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

describe('bans', () => {
  it('are kept beside what is known of a peer, until they are over', async () => {
    const untilMs = Date.now() + 60_000
    const known = {
      peerId: 'known',
      addresses: ['/ip4/192.0.2.1/tcp/1'],
      roles: [],
      lastSeenMs: 5,
      score: -3,
    }
    await store.peers.put('known', known)
    const { bans, onBan } = await keptBans(store, silentLogger)
    expect(bans).toEqual([])
    for (const peerId of ['known', 'stranger']) onBan({ peerId, untilMs })
    onBan({ peerId: 'free again', untilMs: Date.now() - 1 })
    await expect.poll(async () => (await keptBans(store, silentLogger)).bans.length).toBe(2)
    expect(await store.peers.get('known')).toEqual({ ...known, bannedUntilMs: untilMs })
    await store.close()
    store = await openStore(join(directory, 'store'))
    const { bans: after } = await keptBans(store, silentLogger)
    expect(after).toEqual(expect.arrayContaining([{ peerId: 'stranger', untilMs }]))
    expect(after.map(({ peerId }) => peerId)).not.toContain('free again')
  })
})

describe('evidence', () => {
  it('goes to the archive', async () => {
    await safetyStore(store, directory).saveEvidence('c1', Uint8Array.of(1, 2, 3))
    expect(await store.evidence.get('c1')).toEqual(Uint8Array.of(1, 2, 3))
  })
})

describe("the registry's publisher", () => {
  const [publisher, other] = [Identity.generate(), Identity.generate()]
  const file = (signer: Identity): Promise<string> => {
    const path = join(directory, 'registry.json')
    return writeFile(path, signRegistry([], signer)).then(() => path)
  }

  it('may be named by address or peer id; a file of another key is refused in one line', async () => {
    const path = await file(publisher)
    for (const name of [undefined, publisher.address, publisher.peerId])
      expect(readRegistryFile(path, name).publisher).toEqual(publisher.publicKey)
    for (const name of [other.address, other.peerId]) {
      let refused: unknown
      try {
        readRegistryFile(path, name)
      } catch (error) {
        refused = error
      }
      expect(refused).toBeInstanceOf(UserError)
      if (refused instanceof UserError)
        expect(refused.line).toBe(
          `the registry at ${path} is signed by ${publisher.address}, not by ${name}; get a copy of the right publisher, or change registry.publisher`,
        )
    }
  })

  it('is asked for again with each newer file', async () => {
    const path = await file(publisher)
    const registry = new RegistryFile(path, silentLogger, publisher.address)
    await file(other)
    await utimes(path, 1, 1)
    expect(registry.current().publisher).toEqual(publisher.publicKey)
    const trusting = new RegistryFile(path, silentLogger)
    expect(trusting.current().publisher).toEqual(other.publicKey)
  })
})
