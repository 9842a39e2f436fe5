/** The transaction queue on a real chain: order, kills, stuck transactions, caps, re-organisations. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseGwei } from 'viem'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Anvil, startAnvil } from '../../src/chain/anvil.js'
import type { ChainCall } from '../../src/chain/call.js'
import { type ChainConnection, connectChain, type SenderOptions } from '../../src/chain/chain.js'
import { parseAmount } from '../../src/chain/ether.js'
import type { TransactionQueue } from '../../src/chain/transaction-queue.js'
import { type Address, checksumAddress } from '../../src/crypto/address.js'
import { Identity } from '../../src/crypto/identity.js'
import { openStore } from '../../src/store/index.js'
import { testClientOf, whyNoAnvil } from './support.js'

const STUCK_AFTER_MS = 300
const POLL_MS = 25
const GWEI = parseGwei('1')

let targets = 0
/** An address that nobody paid yet. */
const freshTarget = (): Address =>
  checksumAddress(new Uint8Array(20).fill(0xa0 + (targets++ % 64), 1).fill(targets, 10))

describe.skipIf(whyNoAnvil !== undefined)('the transaction queue', () => {
  let anvil: Anvil
  let client: ReturnType<typeof testClientOf>
  let directory: string

  beforeAll(async () => {
    anvil = await startAnvil()
    client = testClientOf(anvil.url)
    directory = await mkdtemp(join(tmpdir(), 'plumbline-queue-'))
  })
  afterAll(async () => {
    await anvil?.stop()
    await rm(directory, { recursive: true, force: true })
  })
  beforeEach(async () => {
    await client.setAutomine(true)
    await client.setNextBlockBaseFeePerGas({ baseFeePerGas: GWEI })
    await client.mine({ blocks: 1 })
  })

  async function funded(amount = '10'): Promise<Identity> {
    const identity = Identity.generate()
    await client.setBalance({ address: identity.address, value: parseAmount(amount) })
    return identity
  }

  async function connect(
    identity: Identity,
    options: SenderOptions = {},
  ): Promise<ChainConnection & { readonly queue: TransactionQueue }> {
    const chain = await connectChain({ rpcUrls: [anvil.url], identity, pollMs: POLL_MS, ...options })
    const { queue } = chain
    if (queue === undefined) throw new Error('no queue')
    return { ...chain, queue }
  }

  const pay = (to: Address, intent?: string): ChainCall => ({
    to,
    data: '0x',
    valueWei: 5n,
    what: 'paying',
    intent,
  })

  /** Mines until it is done, as a chain would. */
  async function mining<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const stop = () => {
      isDone = true
    }
    work.then(stop, stop)
    while (!isDone) {
      await sleep(POLL_MS)
      await client.mine({ blocks: 1 })
    }
    return work
  }

  it('gives out each nonce once, however many ask at once', async () => {
    const identity = await funded()
    const chain = await connect(identity)
    const to = freshTarget()
    const receipts = await Promise.all(Array.from({ length: 40 }, () => chain.queue.submit(pay(to))))
    expect(new Set(receipts.map(({ transactionHash }) => transactionHash)).size).toBe(40)
    expect(await client.getTransactionCount({ address: identity.address })).toBe(40)
    expect(await client.getBalance({ address: to })).toBe(200n)
    expect(chain.queue.pending).toBe(0)
    await chain.close()
  })

  it('steps aside for another program with the same key', async () => {
    const identity = await funded()
    const [one, other] = [await connect(identity), await connect(identity)]
    const to = freshTarget()
    // Two of the same at one nonce must not be one transaction with two owners.
    const receipts = await Promise.all(
      [one, other].flatMap(({ queue }) => Array.from({ length: 20 }, () => queue.submit(pay(to)))),
    )
    expect(new Set(receipts.map(({ transactionHash }) => transactionHash)).size).toBe(40)
    expect(await client.getBalance({ address: to })).toBe(200n)
    await one.close()
    await other.close()
  })

  it('sends the same intent once', async () => {
    const chain = await connect(await funded())
    const to = freshTarget()
    const together = await Promise.all([1, 2, 3].map(() => chain.queue.submit(pay(to, 'rent'))))
    const later = await chain.queue.submit(pay(to, 'rent'))
    expect(new Set([...together, later].map(({ transactionHash }) => transactionHash)).size).toBe(1)
    expect(await client.getBalance({ address: to })).toBe(5n)
    await chain.close()
  })

  for (const when of ['before', 'after'] as const)
    it(`a process killed right ${when} sending is taken up again, and pays once`, {
      timeout: 120_000,
    }, async () => {
      await client.setAutomine(false)
      const identity = await funded()
      const to = freshTarget()
      const store = join(directory, `killed-${when}`)
      const secret = identity.withSecret((bytes) => `0x${Buffer.from(bytes).toString('hex')}`)
      const spec = { url: anvil.url, directory: store, secret, to, intent: 'rent', when }
      const script = fileURLToPath(new URL('./doomed-sender.ts', import.meta.url))
      const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(spec)], {
        stdio: 'inherit',
      })
      const [, signal] = await once(child, 'exit')
      expect(signal).toBe('SIGKILL')
      const inPool = await client.getTransactionCount({ address: identity.address, blockTag: 'pending' })
      expect(inPool).toBe(when === 'after' ? 1 : 0)

      const opened = await openStore(store)
      const chain = await connect(identity, { store: opened })
      expect(chain.queue.pending).toBe(1)
      await mining(chain.queue.submit(pay(to, 'rent')))
      expect(await client.getBalance({ address: to })).toBe(5n)
      expect(await client.getTransactionCount({ address: identity.address })).toBe(1)
      await chain.close()
      // A third process asks for it again, long after.
      const third = await connect(identity, { store: opened })
      await third.queue.submit(pay(to, 'rent'))
      expect(await client.getBalance({ address: to })).toBe(5n)
      await third.close()
      await opened.close()
    })

  it('replaces a stuck transaction by at least an eighth of both fees, and keeps the nonce', async () => {
    await client.setAutomine(false)
    const identity = await funded()
    const opened = await openStore(join(directory, 'stuck'))
    const chain = await connect(identity, { store: opened, stuckAfterMs: STUCK_AFTER_MS })
    const work = chain.queue.submit(pay(freshTarget()))
    while (chain.queue.pending === 0) await sleep(POLL_MS)
    const dear = 40n * GWEI
    await client.setNextBlockBaseFeePerGas({ baseFeePerGas: dear })
    await client.mine({ blocks: 1 })
    expect(chain.queue.pending).toBe(1)
    const receipt = await mining(work)
    const [entry] = await opened.transactions.entries()
    const record = JSON.parse(new TextDecoder().decode(entry?.value))
    expect(record.attempts.length).toBeGreaterThanOrEqual(2)
    const fees = record.attempts.map((each: Record<string, string>) => [
      BigInt(each.maxFeePerGas ?? 0),
      BigInt(each.maxPriorityFeePerGas ?? 0),
    ])
    for (let i = 1; i < fees.length; i++)
      for (const k of [0, 1]) expect(fees[i][k] * 8n).toBeGreaterThanOrEqual(fees[i - 1][k] * 9n)
    expect(receipt.transactionHash).not.toBe(record.attempts[0].hash)
    expect(await client.getTransactionCount({ address: identity.address })).toBe(1)
    await chain.close()
    await opened.close()
  })

  it('never offers more than the cap, and says what it has and needs', async () => {
    await client.setAutomine(false)
    const opened = await openStore(join(directory, 'cap'))
    const cap = 3n * GWEI
    const chain = await connect(await funded(), {
      store: opened,
      stuckAfterMs: STUCK_AFTER_MS,
      maxFeePerGasWei: cap,
    })
    const work = chain.queue.submit(pay(freshTarget()))
    while (chain.queue.pending === 0) await sleep(POLL_MS)
    await client.setNextBlockBaseFeePerGas({ baseFeePerGas: 20n * GWEI })
    await client.mine({ blocks: 1 })
    await sleep(4 * STUCK_AFTER_MS)
    expect(chain.queue.pending).toBe(1)
    await expect(chain.queue.submit(pay(freshTarget()))).rejects.toThrow(
      /gas is too expensive: have a cap of 3 gwei, need \d+(\.\d+)? gwei/,
    )
    const [entry] = await opened.transactions.entries()
    const record = JSON.parse(new TextDecoder().decode(entry?.value))
    for (const { maxFeePerGas } of record.attempts) expect(BigInt(maxFeePerGas)).toBeLessThanOrEqual(cap)
    await client.setNextBlockBaseFeePerGas({ baseFeePerGas: GWEI })
    await mining(work)
    await chain.close()
    await opened.close()
  })

  it('sends again what a re-organisation took back', async () => {
    await client.setAutomine(false)
    const identity = await funded()
    const opened = await openStore(join(directory, 'reorganised'))
    const chain = await connect(identity, { confirmations: 3, store: opened })
    const to = freshTarget()
    const before = await client.snapshot()
    const work = chain.queue.submit(pay(to))
    while ((await client.getTransactionCount({ address: identity.address, blockTag: 'pending' })) === 0)
      await sleep(POLL_MS)
    await client.mine({ blocks: 1 })
    expect(await client.getBalance({ address: to })).toBe(5n)
    const stateNow = async () => {
      const [entry] = await opened.transactions.entries()
      return JSON.parse(new TextDecoder().decode(entry?.value)).state
    }
    while ((await stateNow()) !== 'mined') await sleep(POLL_MS)
    expect(chain.queue.pending).toBe(1)
    // Another block takes the place of the one that held it.
    await client.revert({ id: before })
    expect(await client.getBalance({ address: to })).toBe(0n)
    await client.mine({ blocks: 1 })
    const receipt = await mining(work)
    expect(await client.getBalance({ address: to })).toBe(5n)
    const head = await client.getBlockNumber({ cacheTime: 0 })
    expect(head - receipt.blockNumber + 1n).toBeGreaterThanOrEqual(3n)
    await chain.close()
    await opened.close()
  })

  it('does not raise the price of what waits for another reason', async () => {
    await client.setAutomine(false)
    const opened = await openStore(join(directory, 'patient'))
    const chain = await connect(await funded(), { store: opened, stuckAfterMs: 2 * POLL_MS })
    const work = chain.queue.submit(pay(freshTarget()))
    while (chain.queue.pending === 0) await sleep(POLL_MS)
    // Nothing is mined at all: many rounds, few attempts.
    await sleep(60 * POLL_MS)
    const [entry] = await opened.transactions.entries()
    const { attempts } = JSON.parse(new TextDecoder().decode(entry?.value))
    expect(attempts.length).toBeLessThanOrEqual(12)
    await mining(work)
    await chain.close()
    await opened.close()
  })

  it('sends anew what lost its nonce to a transaction of another program, once that is deep enough', async () => {
    await client.setAutomine(false)
    const identity = await funded()
    const chain = await connect(identity, { confirmations: 3 })
    const [to, foreign] = [freshTarget(), freshTarget()]
    const work = chain.queue.submit(pay(to))
    while (chain.queue.pending === 0) await sleep(POLL_MS)
    // The other one pays ten times as much for the same nonce.
    await client.request({ method: 'anvil_autoImpersonateAccount', params: [true] } as never)
    await client.sendTransaction({
      account: identity.address,
      chain: null,
      to: foreign,
      value: 7n,
      nonce: 0,
      maxFeePerGas: 50n * GWEI,
      maxPriorityFeePerGas: 20n * GWEI,
    })
    const receipt = await mining(work)
    expect(receipt.status).toBe('success')
    expect(await client.getBalance({ address: foreign })).toBe(7n)
    expect(await client.getBalance({ address: to })).toBe(5n)
    expect(await client.getTransactionCount({ address: identity.address })).toBe(2)
    await chain.close()
  })

  it('tells a lack of money by have and need', async () => {
    const chain = await connect(await funded('0.5'))
    const call = { ...pay(freshTarget()), valueWei: parseAmount('2') }
    const error = await chain.queue.submit(call).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'DENIED',
      message: expect.stringMatching(
        /not enough money at 0x\S+ for value and gas: have 0\.5 ETH, need 2\.000\d+ ETH/,
      ),
    })
    expect(chain.queue.pending).toBe(0)
    await chain.close()
  })

  it('stops waiting when it is told to, and does not forget what went out', async () => {
    await client.setAutomine(false)
    const chain = await connect(await funded())
    const to = freshTarget()
    const stop = new AbortController()
    const work = chain.queue.submit(pay(to, 'rent'), { signal: stop.signal })
    while (chain.queue.pending === 0) await sleep(POLL_MS)
    stop.abort()
    await expect(work).rejects.toThrow(/interrupted while transaction 0x[0-9a-f]{64} waits/)
    await mining(chain.queue.submit(pay(to, 'rent')))
    expect(await client.getBalance({ address: to })).toBe(5n)
    await chain.close()
  })
})
