/** A provider that takes its time, or has no end, where both sides are to be brought to one state before a job. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Address, addressBytes, addressOfPublicKey } from '../../../../src/crypto/address.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import { Conduct } from '../../../../src/inference/client/conduct.js'
import { Dealing, type DealingModules, type Order } from '../../../../src/inference/client/dealing.js'
import { withEarlier } from '../../../../src/inference/client/earlier-receipts.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import {
  encodeInput,
  encodeOutput,
  encodeTerms,
  hashOf,
} from '../../../../src/inference/network/job-codec.js'
import type { JobRequest } from '../../../../src/inference/network/messages.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import {
  NO_RECEIPTS,
  Payer,
  ReceiptKind,
  readReceipt,
  receiptDigest,
  receiptToCbor,
  type SignedReceipt,
  signReceipt,
} from '../../../../src/inference/payment/index.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { askedJob, bytes32, CHANNEL, CONTRACT, DOMAIN, MemoryBooks, workOf } from '../payment/support.js'
import { MODEL, SOLD_JOB } from './shop.js'

const PATIENT = { timeout: 300_000 }
const PRICE = 30n
const id = CHANNEL.channelId
const OUTPUT = encodeOutput({ kind: 'transcription', text: 'hello', language: null, words: [] })

/** Signs one receipt after the other. */
class Seller {
  readonly identity = Identity.generate()
  readonly #channelId: Uint8Array
  #index = 0
  #head: Uint8Array = NO_RECEIPTS
  #totalWei = 0n

  constructor(channelId = id) {
    this.#channelId = channelId
  }

  get address(): Address {
    return addressOfPublicKey(this.identity.publicKey)
  }

  sign(work: ReturnType<typeof workOf>): SignedReceipt {
    this.#totalWei += work.priceWei
    const place = { channelId: this.#channelId, index: ++this.#index, previous: this.#head }
    const rest = { kind: ReceiptKind.job, totalWei: this.#totalWei, issuedAt: 1_900_000_000 }
    const receipt = signReceipt(DOMAIN, { ...place, ...rest, ...work }, this.identity)
    this.#head = receiptDigest(DOMAIN, receipt)
    return receipt
  }
}

const ledger = (books: MemoryBooks): Promise<Payer> =>
  Payer.open({ domain: DOMAIN, signer: Identity.generate(), books }, { exposureWei: 500n, maxJobs: 1000 })

const order: Order = {
  model: hexToBytes(MODEL),
  terms: encodeTerms({
    ...{ task: 'transcribe', unit: 'audio-second', units: 1, priceWeiPerUnit: PRICE, audit: false },
  }),
  input: encodeInput({ kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(16_000) }),
  priceWei: PRICE,
  channelId: id,
}

/** A ledger with jobs that an earlier process left open, and a dealing with who has a receipt for each of them. */
async function open(jobs: number) {
  const seller = new Seller()
  const books = new MemoryBooks(true)
  const payer = await ledger(books)
  await payer.setChannel(seller.address, CHANNEL)
  const asked = Array.from({ length: jobs }, (_, n) => askedJob(n + 1, 0n))
  for (const job of asked) await payer.begin(id, job)
  const receipts = asked.map((job, n) => receiptToCbor(seller.sign(workOf(job, n + 1))))
  const reached: string[] = []
  const syncing = { now: 0, most: 0, signals: [] as (AbortSignal | undefined)[] }
  /** What holds a settling up, before each page. @param from the number of its first receipt */
  const hold: { until: (from: number) => Promise<void> } = { until: async () => {} }
  const pay: { answer: () => unknown } = {
    answer: () => ({ kind: 'refused', code: 'DENIED', message: 'gone', haveWei: '0', needWei: '1' }),
  }
  const request = async (
    _: unknown,
    { name }: { name: string },
    body: unknown,
    { signal, until }: { signal?: AbortSignal; until?: Promise<void> } = {},
  ): Promise<unknown> => {
    await until
    reached.push(name)
    if (name === 'job') return { kind: 'refused', code: 'BUSY', message: 'not now' }
    if (name === 'job-pay') return pay.answer()
    if (name !== 'job-sync') return null
    const { from } = body as { from: number }
    syncing.most = Math.max(syncing.most, ++syncing.now)
    syncing.signals.push(signal)
    try {
      await hold.until(from)
      return { receipts: receipts.slice(from - 1, from + 99), unknown: [], owed: [] }
    } finally {
      syncing.now--
    }
  }
  const dealing = new Dealing({
    host: {
      request,
      openAhead: () => Promise.reject(new Error('none')),
    } as unknown as DealingModules['host'],
    target: { peerId: seller.identity.peerId, addresses: [] },
    name: 'the provider',
    payment: { payer, domain: DOMAIN },
    log: silentLogger,
  })
  return { seller, books, payer, receipts, reached, syncing, hold, pay, dealing }
}

describe('a settling that takes long', () => {
  it('keeps a job no longer than its patience, and goes on without it; what came is kept', async () => {
    const { books, payer, reached, syncing, hold, dealing } = await open(150)
    const held = Promise.withResolvers<void>()
    hold.until = async (from) => {
      if (from > 1) await held.promise
    }
    const late = { code: 'UNAVAILABLE', message: /takes long over what earlier jobs left open/ }
    await expect(dealing.run({ ...order, patienceMs: 20 })).rejects.toMatchObject(late)
    await expect.poll(() => payer.account(id).receipts, PATIENT).toBe(100)
    // Others find the same one under way, and begin no second.
    await expect(dealing.run({ ...order, patienceMs: 20 })).rejects.toMatchObject(late)
    expect(reached.filter((name) => name !== 'job-sync')).toEqual([])
    expect([reached.length, syncing.most, dealing.isIdle]).toEqual([2, 1, false])
    const kept = await ledger(books)
    expect(kept.account(id)).toMatchObject({ receipts: 100, voucher: { receipts: 100 } })
    held.resolve()
    await expect.poll(() => dealing.isIdle, PATIENT).toBe(true)
    expect(payer.account(id)).toMatchObject({ receipts: 150, asked: [] })
    await expect(dealing.run(order)).rejects.toMatchObject({ code: 'BUSY', message: /not now/ })
    expect(reached.filter((name) => name === 'job-sync')).toHaveLength(2)
    await dealing.close()
  })

  it('keeps no job that is given up', async () => {
    const { reached, hold, dealing } = await open(1)
    const held = Promise.withResolvers<void>()
    hold.until = () => held.promise
    const gone = new AbortController()
    const running = dealing.run(order, gone.signal)
    await expect.poll(() => reached, PATIENT).toEqual(['job-sync'])
    gone.abort(new Error('gone'))
    await expect(running).rejects.toThrow('gone')
    held.resolve()
    await dealing.close()
  })

  it('keeps a job for a few pages, however fast they come', async () => {
    const { payer, hold, syncing, dealing } = await open(450)
    const held = Promise.withResolvers<void>()
    hold.until = async (from) => {
      if (from > 400) await held.promise
    }
    await expect(dealing.run(order)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(payer.account(id).receipts).toBe(400)
    held.resolve()
    await expect.poll(() => payer.account(id).receipts, PATIENT).toBe(450)
    expect(syncing.most).toBe(1)
    await dealing.close()
  })

  it('ends with the client, and leaves what it took', async () => {
    const { payer, hold, syncing, dealing } = await open(150)
    hold.until = (from) =>
      from === 1
        ? Promise.resolve()
        : new Promise((_, reject) => {
            const signal = syncing.signals.at(-1)
            signal?.addEventListener('abort', () => reject(signal.reason))
          })
    const settling = dealing.settle(id)
    await expect.poll(() => payer.account(id).receipts, PATIENT).toBe(100)
    const ended = expect(settling).rejects.toMatchObject({ code: 'INTERRUPTED' })
    await dealing.close()
    await ended
    expect(payer.account(id)).toMatchObject({ receipts: 100, voucher: { receipts: 100 } })
  })

  it('that is given a credit before the receipts before it takes them first, and waits for nothing', async () => {
    const { seller, payer, receipts, reached, pay, dealing } = await open(2)
    const [first, second] = receipts.splice(0)
    if (first === undefined || second === undefined) throw new Error('no receipts')
    receipts.push(first)
    await payer.receive(readReceipt(first))
    const zeros = new Uint8Array(32)
    const work = { ...workOf(askedJob(1, 0n), 1), kind: ReceiptKind.credit, units: 0 }
    const takenBack = { model: zeros, input: zeros, terms: zeros }
    const output = receiptDigest(DOMAIN, readReceipt(first))
    const credit = receiptToCbor(seller.sign({ ...work, ...takenBack, output }))
    const refuse = pay.answer
    // The second receipt comes to be while the first job's output is asked for.
    pay.answer = () => {
      receipts.push(second, credit)
      pay.answer = refuse
      return { kind: 'credited', receipts: [credit] }
    }
    const begunMs = performance.now()
    await dealing.settle(id)
    expect(performance.now() - begunMs).toBeLessThan(5000)
    expect(reached).toEqual(['job-sync', 'job-pay', 'job-sync', 'job-pay'])
    expect(payer.account(id)).toMatchObject({ receipts: 3, undelivered: [{ jobId: bytes32(2) }] })
  })

  it('that finds out a cheat when nobody waits tells the next job', async () => {
    const { receipts, reached, hold, dealing } = await open(150)
    const held = Promise.withResolvers<void>()
    hold.until = () => held.promise
    await expect(dealing.run({ ...order, patienceMs: 20 })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const other = new Seller()
    receipts[120] = receiptToCbor({ ...other.sign(workOf(askedJob(121, 0n), 121)), index: 121 })
    held.resolve()
    await expect.poll(() => dealing.isIdle, PATIENT).toBe(true)
    const before = reached.length
    await expect(dealing.run(order)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' })
    expect(reached).toHaveLength(before)
    await dealing.close()
  })

  it('waits for no receipt that was left out', async () => {
    const { receipts, payer, dealing } = await open(20)
    receipts.splice(10, 1)
    const outcome = { code: 'UNAVAILABLE', message: /left a receipt out/ }
    await expect(dealing.run(order)).rejects.toMatchObject(outcome)
    expect(payer.account(id).receipts).toBe(10)
    await dealing.close()
  })
})

it('a provider that holds a settling up is passed over, and stands behind the others from then on', async () => {
  const otherId = bytes32(0xc2)
  const [stalling, honest] = [new Seller(), new Seller(otherId)]
  const payer = await ledger(new MemoryBooks(true))
  await payer.setChannel(stalling.address, CHANNEL)
  await payer.setChannel(honest.address, { ...CHANNEL, channelId: otherId })
  await payer.begin(id, askedJob(1, 10n))
  const payment = {
    ...{ chainId: 31337, contract: addressBytes(CONTRACT), leastDepositWei: 0n, exposureWei: 500n },
  }
  const offerOf = ({ identity }: Seller, priceWeiPerUnit: bigint): Uint8Array => {
    const model = {
      ...{ id: 'recogniser', sha256: hexToBytes(MODEL), task: 'transcribe' as const, languages: ['en'] },
      ...{ unit: 'audio-second' as const, priceWeiPerUnit },
    }
    const content = { addresses: [], models: [model], payment, queue: 8, keptSeconds: 0, audited: true }
    return signOffer(identity, content, Date.now())
  }
  const reached: string[] = []
  const request = async (
    target: string | { readonly peerId: string },
    { name }: { name: string },
    body: unknown,
    { until, signal }: { until?: Promise<void>; signal?: AbortSignal } = {},
  ): Promise<unknown> => {
    await until
    const isStalling = (typeof target === 'string' ? target : target.peerId) === stalling.identity.peerId
    if (name === 'offer')
      return { offer: isStalling ? offerOf(stalling, PRICE - 1n) : offerOf(honest, PRICE) }
    reached.push(`${isStalling ? 'stalling' : 'honest'} ${name}`)
    if (isStalling)
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    if (name === 'job-pay') return { kind: 'output', output: OUTPUT }
    if (name !== 'job') return null
    const { jobId, model, input, terms } = body as JobRequest
    const asked = { jobId, model, input: hashOf(input), terms: hashOf(terms), maxPriceWei: PRICE }
    const receipt = honest.sign({ ...workOf(asked, 1), output: hashOf(OUTPUT) })
    return { kind: 'receipt', receipt: receiptToCbor(receipt), runMs: 1 }
  }
  const host = {
    node: { services: { pubsub: {} } },
    ping: async () => [1],
    request,
    onPeerGone: () => () => {},
  } as unknown as Host
  const channelOf = (payee: Address): Uint8Array => (payee === stalling.address ? id : otherId)
  const channels = {
    isOpen: () => true,
    hasDelivered: () => true,
    isFresh: () => false,
    ready: async (payee: Address, wei: bigint) => new Claims().claim(channelOf(payee), wei),
  } as unknown as Channels
  // No rest is over before the test is.
  const conduct = new Conduct({ patienceMs: 50, now: () => 0 })
  const jobs = new NetworkJobs(
    { providers: [stalling, honest].map(({ identity }) => identity.peerId), exposureWei: 500n },
    {
      ...{ host, log: silentLogger, conduct, knownModels: async () => new KnownModels([]) },
      openPayments: async () => ({ payer, channels, domain: DOMAIN, chainId: 31337, contract: CONTRACT }),
    },
  )
  for (let i = 0; i < 2; i++) expect((await jobs.run(SOLD_JOB)).output).toMatchObject({ text: 'hello' })
  expect(reached.filter((each) => each.startsWith('stalling'))).toEqual(['stalling job-sync'])
  expect(conduct.arrears(stalling.identity.peerId)).toBe(1)
  await jobs.close()
  expect(payer.account(id).asked).toHaveLength(1)
})

describe('a receipt before which others are missing', () => {
  afterEach(() => void vi.useRealTimers())

  it('has them asked for each second, and waits for a minute', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    let settled = 0
    const settle = async (): Promise<void> => void settled++
    const never = (signal: AbortSignal): Promise<void> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const waiting = withEarlier(id, never, { name: 'it', payer: { missing: () => 1 }, settle })
    const outcome = expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT' })
    vi.advanceTimersByTime(60_000)
    expect(settled).toBe(60)
    vi.advanceTimersByTime(1_000)
    await outcome
    expect(vi.getTimerCount()).toBe(0)
  })
})
