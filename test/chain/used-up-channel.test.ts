/** A channel that is used up every few jobs, several of them under way: on a real chain, with both ledgers on the disk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { channelsContract, type DevChain, readChannel, startDevChain } from '../../src/chain/index.js'
import { Channels } from '../../src/inference/client/channels.js'
import { Purse } from '../../src/inference/client/payments.js'
import { Purchases } from '../../src/inference/client/purchases.js'
import {
  ChannelKeeper,
  Payee,
  Payer,
  paymentDomain,
  RetiredOpenings,
} from '../../src/inference/payment/index.js'
import type { Host } from '../../src/p2p/index.js'
import { openStore, type Store } from '../../src/store/index.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import { candidateOf, openShopWith, PRICE, type Shop, SOLD_JOB } from '../unit/inference/client/shop.js'
import { fundedChain, startProxy, whyNoAnvil } from './support.js'

/** So many jobs use it up. */
const JOBS_EACH = 3
const DEPOSIT = BigInt(JOBS_EACH) * PRICE
const AT_ONCE = 7
const DAY = 86_400
const EXPOSURE = 100n * PRICE

describe.skipIf(whyNoAnvil !== undefined)('a channel that is used up', () => {
  let dev: DevChain
  let directory: string
  let shop: Shop
  let purchases: Purchases
  let channels: Channels
  let payer: Payer
  let depositOnChain: () => Promise<bigint>
  /** Where a transaction of the buyer waits on its way. */
  let onTransaction: () => Promise<void>
  const closing: (() => Promise<unknown>)[] = []

  beforeEach(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    closing.push(() => dev.stop())
    directory = await mkdtemp(join(tmpdir(), 'plumbline-used-up-'))
    closing.push(() => rm(directory, { recursive: true, force: true }))
    onTransaction = async () => {}
    const proxy = await startProxy(dev.rpcUrl, async (method, _, pass) => {
      if (method === 'eth_sendRawTransaction') await onTransaction()
      return pass()
    })
    closing.push(async () => proxy.server.close())
    const buying = await fundedChain(dev, { rpcUrls: [proxy.url] })
    const selling = await fundedChain(dev)
    const keys = { payer: buying.identity, payee: selling.identity }
    const contract = channelsContract(buying)
    const domain = paymentDomain(buying.chainId, contract)
    const [made, earned] = await Promise.all(
      ['made', 'earned'].map((name): Promise<Store> => openStore(join(directory, name))),
    )
    if (made === undefined || earned === undefined) throw new Error('two stores were opened')
    closing.push(
      () => buying.close(),
      () => selling.close(),
      () => made.close(),
      () => earned.close(),
    )
    const now = () => Math.floor(Date.now() / 1000)
    const payee = await Payee.open(
      { domain, signer: keys.payee, books: earned.paymentsEarned, now },
      { exposureWei: EXPOSURE, maxJobs: 2 * AT_ONCE, leastRemainingSeconds: 1 },
    )
    const keeper = new ChannelKeeper(
      {
        policy: { thresholdWei: 1n, beforeEndSeconds: 0, leastWei: 1n },
        ...{ leastDepositWei: 1n, maxChannels: 4, maxPerPayer: 2, auditWindowSeconds: DAY },
      },
      {
        chain: selling,
        payee,
        address: keys.payee.address,
        retired: new RetiredOpenings(earned.retiredOpenings),
      },
    )
    const opened = await openShopWith({ keys, payee, keeper, domain, contract, exposureWei: EXPOSURE })
    shop = { ...opened, offered: { ...opened.offered, chainId: buying.chainId } }
    payer = await Payer.open(
      { domain, signer: keys.payer, books: made.paymentsMade },
      { exposureWei: EXPOSURE, maxJobs: 2 * AT_ONCE },
    )
    const ledger = payer
    channels = new Channels(
      { depositWei: DEPOSIT, lifeSeconds: DAY },
      { chain: buying, payer, address: keys.payer.address, log: silentLogger },
    )
    const payments = { payer: ledger, channels, domain, chainId: buying.chainId, contract }
    purchases = new Purchases(true, {
      host: shop.pipe as unknown as Host,
      log: silentLogger,
      purse: new Purse(async () => payments),
      audits: undefined,
    })
    depositOnChain = async () =>
      (await readChannel(selling, { payer: keys.payer.address, payee: keys.payee.address })).depositWei
    closing.push(() => purchases.close())
  }, 60_000)
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  const buy = (signal?: AbortSignal) => purchases.buy(candidateOf(shop), SOLD_JOB, { signal })
  const boughtWei = () => payer.accounts().reduce((sum, { totalWei }) => sum + totalWei, 0n)

  it('refuses nobody: who finds it so waits until it is topped up', { timeout: 120_000 }, async () => {
    let left = 6 * AT_ONCE
    const outcomes = new Set<string>()
    const buyer = async () => {
      while (left-- > 0)
        outcomes.add(
          await buy().then(
            () => 'done',
            (error: unknown) => String(error),
          ),
        )
    }
    await Promise.all(Array.from({ length: AT_ONCE }, buyer))
    expect([...outcomes]).toEqual(['done'])
    expect(boughtWei()).toBe(BigInt(6 * AT_ONCE) * PRICE)
    // And no more is locked than that asked for.
    expect(await depositOnChain()).toBe(BigInt(6 * AT_ONCE) * PRICE)
  })

  it('keeps nobody who breaks off, and leaves what was locked for the next', {
    timeout: 120_000,
  }, async () => {
    for (let job = 0; job < JOBS_EACH; job++) await buy()
    const mined = Promise.withResolvers<void>()
    const sent = Promise.withResolvers<void>()
    onTransaction = () => {
      sent.resolve()
      return mined.promise
    }
    const gone = new AbortController()
    const leaving = buy(gone.signal)
    await sent.promise
    const waiting = buy()
    gone.abort(new Error('gone'))
    await expect(leaving).rejects.toThrow('gone')
    mined.resolve()
    await waiting
    await Promise.all([buy(), buy()])
    expect(boughtWei()).toBe(BigInt(2 * JOBS_EACH) * PRICE)
    expect(await depositOnChain()).toBe(2n * DEPOSIT)
  })
})
