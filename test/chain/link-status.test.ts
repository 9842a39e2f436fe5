/** What a daemon says of its chain while the RPC server takes requests and answers none, as a stopped process does. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { parseAmount, startDevChain, writeDeployment } from '../../src/chain/index.js'
import { loadConfig } from '../../src/config/load.js'
import { Identity } from '../../src/crypto/identity.js'
import { ChainLink } from '../../src/node/chain/link.js'
import { openStore } from '../../src/store/index.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import { startProxy, whyNoAnvil } from './support.js'

it.skipIf(whyNoAnvil !== undefined)(
  'is told from what was known, soon, and from one reading, however often it is asked',
  { timeout: 90_000 },
  async () => {
    const dev = await startDevChain()
    onTestFinished(() => dev.stop())
    const { beacon } = dev
    if (beacon === undefined) throw new Error('a chain with a beacon is needed')
    let balanceReadings = 0
    let hang: Promise<void> | undefined
    const proxy = await startProxy(dev.rpcUrl, async (method, _, pass) => {
      if (method === 'eth_getBalance') balanceReadings++
      await hang
      return pass()
    })
    onTestFinished(() => {
      proxy.server.closeAllConnections()
      proxy.server.close()
    })
    const dataDir = await mkdtemp(join(tmpdir(), 'plumbline-link-'))
    onTestFinished(() => rm(dataDir, { recursive: true }))
    const addresses = join(dataDir, 'addresses.json')
    await writeDeployment(addresses, dev.deployment)
    const flags = { dataDir, 'chain.rpcUrls': [proxy.url], 'chain.addresses': addresses }
    const { config } = await loadConfig({ env: {}, flags })
    const store = await openStore(join(dataDir, 'store'))
    onTestFinished(() => store.close())
    const identity = Identity.generate()
    await dev.fund(identity.address, parseAmount('3'))
    const link = new ChainLink({ config, identity, roles: ['provider'], beacon, store, log: silentLogger })
    await link.start()
    onTestFinished(() => link.stop())
    // Nobody asked so far: it is there for the first who does, even where the chain is gone by then.
    await expect.poll(() => balanceReadings, { timeout: 10_000 }).toBe(1)
    const well = { chainId: 31337, isKnown: true, balanceWei: String(parseAmount('3')), problems: [] }
    expect(await link.status()).toMatchObject(well)

    let release = (): void => undefined
    hang = new Promise((resolve) => {
      release = resolve
    })
    const before = balanceReadings
    const startedMs = performance.now()
    const told = await Promise.all(Array.from({ length: 5 }, () => link.status()))
    told.push(await link.status())
    // Two answers in succession: the limit is two seconds each, and a request of the chain lasts ten.
    expect(performance.now() - startedMs).toBeLessThan(9_000)
    expect(balanceReadings - before).toBe(1)
    for (const status of told)
      expect(status).toMatchObject({
        ...well,
        problems: [expect.stringMatching(/^no RPC server of the chain answers since \d{4}-[^ ]+Z$/)],
      })

    release()
    hang = undefined
    await expect.poll(() => link.status(), { timeout: 10_000 }).toMatchObject(well)
  },
)
