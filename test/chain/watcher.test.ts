/** The watcher on a real chain: order, restarts, handlers that fail, re-organisations seen and slept through. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type Chain,
  type ChainWatcher,
  type DevChain,
  type EventBatch,
  openChain,
  openSeatCache,
  registerNode,
  signConsent,
  startDevChain,
  type WatchedEvent,
  watchChain,
} from '../../src/chain/index.js'
import { Identity } from '../../src/crypto/identity.js'
import { openStore, type Store } from '../../src/store/index.js'
import { fundedChain, startProxy, testClientOf, whyNoAnvil } from './support.js'

const POLL_MS = 25

describe.skipIf(whyNoAnvil !== undefined)('the watcher', () => {
  let dev: DevChain
  let client: ReturnType<typeof testClientOf>
  let directory: string
  let store: Store
  let chain: Chain
  let stores = 0

  beforeAll(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    client = testClientOf(dev.rpcUrl)
    directory = await mkdtemp(join(tmpdir(), 'plumbline-watch-'))
  })
  afterAll(async () => {
    await chain?.close()
    await store?.close()
    await dev?.stop()
    await rm(directory, { recursive: true, force: true })
  })
  beforeEach(async () => {
    await chain?.close()
    await store?.close()
    store = await openStore(join(directory, `store-${stores++}`))
    chain = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment, store })
  })

  let nets = 0
  async function enroll(): Promise<string> {
    const cold = await fundedChain(dev)
    const hot = Identity.generate()
    const consent = signConsent(hot, {
      chainId: cold.chainId,
      stakeRegistry: dev.deployment.contracts.stakeRegistry,
      owner: cold.identity.address,
      expiry: 4_000_000_000,
    })
    const host = `127.1.${nets++}.1`
    await registerNode(cold, {
      consent,
      endpoint: { host, udpPort: 1, uplinkKbps: 1, addresses: [] },
      seats: 1,
    })
    await cold.close()
    return hot.address
  }

  /** What a client that applies every batch holds. */
  class View {
    readonly keys: string[] = []
    readonly batches: EventBatch[] = []
    apply = (batch: EventBatch): void => {
      this.batches.push(batch)
      for (const event of batch.removed)
        if (isSeated(event)) this.keys.splice(this.keys.lastIndexOf(keyOf(event)), 1)
      for (const event of batch.events) if (isSeated(event)) this.keys.push(keyOf(event))
    }
  }
  const isSeated = ({ eventName }: WatchedEvent) => eventName === 'NodeSeated'
  const keyOf = ({ args }: WatchedEvent) => String(args.hotKey)

  async function caughtUp(watcher: ChainWatcher): Promise<void> {
    for (let i = 0; i < 400; i++) {
      const block = await client.getBlockNumber({ cacheTime: 0 })
      if (watcher.blockNumber === block) return
      await sleep(POLL_MS)
    }
    throw new Error('the watcher did not catch up')
  }
  async function until(what: () => boolean): Promise<void> {
    for (let i = 0; i < 400 && !what(); i++) await sleep(POLL_MS)
    expect(what()).toBe(true)
  }
  const watching = (view: View) => watchChain(chain, { name: 'test', onBatch: view.apply, pollMs: POLL_MS })

  it('delivers in order, goes on after a restart, and repeats nothing that was done', async () => {
    const first = new View()
    const one = watching(first)
    const known = await enroll()
    await caughtUp(one)
    await one.close()
    expect(first.keys.at(-1)).toBe(known)
    const later = [await enroll(), await enroll()]
    const second = new View()
    const other = watching(second)
    await caughtUp(other)
    await other.close()
    expect(second.keys).toEqual(later)
  })

  it('repeats a batch whose handler failed', async () => {
    const view = new View()
    let failures = 0
    const watcher = watchChain(chain, {
      name: 'test',
      pollMs: POLL_MS,
      onBatch: (batch) => {
        if (batch.events.some(isSeated) && failures++ < 2) throw new Error('the disk is full')
        view.apply(batch)
      },
    })
    const key = await enroll()
    await until(() => view.keys.includes(key))
    await watcher.close()
    expect(failures).toBeGreaterThanOrEqual(2)
    expect(view.keys.filter((each) => each === key)).toEqual([key])
  })

  for (const sleeps of [false, true])
    it(`takes back what a re-organisation ${sleeps ? 'removed while it slept' : 'removes'}`, async () => {
      const view = new View()
      let watcher = watching(view)
      const kept = await enroll()
      await caughtUp(watcher)
      const cache = await openSeatCache(chain)
      const seats = cache.seatCount
      const before = await client.snapshot()
      const lost = [await enroll(), await enroll()]
      await caughtUp(watcher)
      await cache.sync()
      expect(cache.seatCount).toBe(seats + 2)
      expect(view.keys.slice(-3)).toEqual([kept, ...lost])
      if (sleeps) await watcher.close()
      await client.revert({ id: before })
      // Other blocks in their place, one more than there were.
      const instead = await enroll()
      await client.mine({ blocks: 3 })
      if (sleeps) watcher = watching(view)
      await until(() => view.keys.includes(instead))
      await watcher.close()
      expect(view.keys.slice(-2)).toEqual([kept, instead])
      const removed = view.batches.flatMap((batch) => batch.removed.filter(isSeated).map(keyOf))
      expect(removed).toEqual([...lost].reverse())
      // The seats follow, too.
      await cache.sync()
      expect(cache.seatCount).toBe(seats + 1)
    })

  it('asks for fewer blocks where the server limits ranges', async () => {
    await client.mine({ blocks: 300 })
    const view = new View()
    let asked = 0
    const { url, server } = await startProxy(dev.rpcUrl, async (method, params, pass) => {
      if (method !== 'eth_getLogs') return pass()
      asked++
      const [{ fromBlock, toBlock }] = params as [{ fromBlock: string; toBlock: string }]
      if (Number(toBlock) - Number(fromBlock) < 50) return pass()
      const error = { code: -32005, message: 'query exceeds max block range 50' }
      return JSON.stringify({ jsonrpc: '2.0', id: 1, error })
    })
    const limited = await openChain({ rpcUrls: [url], deployment: dev.deployment })
    const watcher = watchChain(limited, { name: 'limited', onBatch: view.apply, pollMs: POLL_MS })
    await caughtUp(watcher)
    await watcher.close()
    // Those who read everything at once are limited, too.
    expect((await openSeatCache(limited)).seatCount).toBe(view.keys.length)
    await limited.close()
    server.closeAllConnections()
    server.close()
    expect(asked).toBeGreaterThan(6)
    expect(view.keys.length).toBeGreaterThanOrEqual(6)
    expect(new Set(view.keys).size).toBe(view.keys.length)
  })
})
