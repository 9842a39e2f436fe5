/**
 * The payer's half of a purchase against a real provider, its own disk in the test's hand: what waits for that, and what
 * does not. Only the connection is a shortcut: messages go through their encoding, and not through sockets.
 */
import { hexToBytes } from '@noble/hashes/utils.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UserError } from '../../../../src/errors.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import { Dealing, type DealingModules, type Order } from '../../../../src/inference/client/dealing.js'
import {
  decodeOutput,
  encodeInput,
  encodeTerms,
  hashOf,
} from '../../../../src/inference/network/job-codec.js'
import { JOB_MESSAGE, type JobRequest } from '../../../../src/inference/network/messages.js'
import {
  NO_RECEIPTS,
  type Payee,
  Payer,
  ReceiptKind,
  receiptDigest,
  receiptToCbor,
  type SignedReceipt,
  signReceipt,
} from '../../../../src/inference/payment/index.js'
import { RemoteError } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { CHANNEL, DOMAIN, MemoryBooks } from '../payment/support.js'
import { MODEL, openShop, type Pipe, PRICE, type Shop } from './shop.js'

/** Of a loaded machine. */
const PATIENT = { timeout: 300_000 }
const id = CHANNEL.channelId

let shop: Shop
let pipe: Pipe
let payee: Payee
let books: MemoryBooks
let payer: Payer
let dealing: Dealing
const order: Order = {
  model: hexToBytes(MODEL),
  terms: encodeTerms({
    task: 'transcribe',
    unit: 'audio-second',
    units: 1,
    priceWeiPerUnit: PRICE,
    audit: false,
  }),
  input: encodeInput({ kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(16_000) }),
  priceWei: PRICE,
  channelId: id,
}

const openPayer = (store: MemoryBooks): Promise<Payer> =>
  Payer.open({ domain: DOMAIN, signer: shop.keys.payer, books: store }, { exposureWei: 500n, maxJobs: 8 })
const dealWith = (ledger: Payer, more: Partial<DealingModules> = {}): Dealing =>
  new Dealing({
    host: pipe as unknown as DealingModules['host'],
    target: { peerId: shop.keys.payee.peerId, addresses: [] },
    name: 'the provider',
    payment: { payer: ledger, domain: DOMAIN },
    log: silentLogger,
    ...more,
  })

beforeEach(() => enter(500n))
afterEach(() => {
  books.sync()
  return dealing.close()
})

async function enter(exposureWei: bigint): Promise<void> {
  shop = await openShop(exposureWei)
  pipe = shop.pipe
  payee = shop.payee
  books = new MemoryBooks()
  payer = await openPayer(books)
  const opened = payer.setChannel(shop.keys.payee.address, CHANNEL)
  books.sync()
  await opened
  dealing = dealWith(payer)
}

/** Something waits for the own disk, and all that does not wait for it has been done. */
async function diskIsAwaited(): Promise<void> {
  await expect.poll(() => books.waiting, PATIENT).toBe(1)
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next))
}

/** A job whose output is here, and that on the disk is not yet. */
async function runToOutput(): Promise<Uint8Array> {
  const running = dealing.run(order)
  await diskIsAwaited()
  books.sync()
  await diskIsAwaited()
  books.sync()
  return (await running).output
}

describe('the own disk', () => {
  it('has a job before the provider, and a voucher before the provider; whoever asked waits for no more', async () => {
    const running = dealing.run(order)
    await diskIsAwaited()
    expect(pipe.reached).toEqual([])
    books.sync()
    await diskIsAwaited()
    expect(pipe.reached).toEqual(['job'])
    expect(payee.account(id).voucher).toBeNull()
    books.sync()
    const { output, receipt } = await running
    expect(decodeOutput(output)).toMatchObject({ kind: 'transcription', text: 'hello' })
    expect(receipt?.priceWei).toBe(PRICE)
    // The provider is told, and lets go, when the output is known on the disk to be here.
    await diskIsAwaited()
    expect(pipe.reached).toEqual(['job', 'job-pay'])
    expect(payee.account(id).owed).toHaveLength(1)
    books.sync()
    await expect.poll(() => pipe.reached, PATIENT).toEqual(['job', 'job-pay', 'job-have'])
    await expect.poll(() => payee.account(id).owed, PATIENT).toHaveLength(0)
  })

  it('is waited for before a settling tells what is here', async () => {
    const held = Promise.withResolvers<void>()
    pipe.onAnswer = (name) => (name === 'job-sync' ? held.promise : Promise.resolve())
    await runToOutput()
    books.sync()
    await expect.poll(() => pipe.reached.at(-1), PATIENT).toBe('job-have')
    // The provider says what it owes when the second output is on its way, and that arrives before the answer.
    const running = dealing.run(order)
    await diskIsAwaited()
    books.sync()
    await diskIsAwaited()
    pipe.onAnswer = async (name) => {
      if (name === 'job-sync') await held.promise
      if (name !== 'job-pay') return
      void settling.push(dealing.settle(id))
      await expect.poll(() => pipe.reached.at(-1), PATIENT).toBe('job-sync')
    }
    const settling: Promise<void>[] = []
    books.sync()
    await running
    await diskIsAwaited()
    const before = [...pipe.reached]
    held.resolve()
    await diskIsAwaited()
    expect(pipe.reached).toEqual(before)
    books.sync()
    await Promise.all(settling)
    expect(pipe.reached.slice(before.length)).toContain('job-have')
    expect(payee.account(id).owed).toHaveLength(0)
  })

  it('that lost the last moment costs nothing: the output is fetched again, and paid once', async () => {
    await runToOutput()
    await diskIsAwaited()
    books.crash()
    payer = await openPayer(books)
    expect(payer.account(id).undelivered).toHaveLength(1)
    dealing = dealWith(payer)
    await dealing.settle(id)
    expect(pipe.reached).toEqual(['job', 'job-pay', 'job-sync', 'job-pay'])
    books.sync()
    await expect.poll(() => payee.account(id).owed, PATIENT).toHaveLength(0)
    expect(payer.account(id).undelivered).toHaveLength(0)
    expect(payee.account(id).voucher?.amountWei).toBe(PRICE)
  })

  it('that lost an output for good loses no channel by it', async () => {
    await runToOutput()
    await diskIsAwaited()
    books.crash()
    payer = await openPayer(books)
    // It was too long ago, and too much was credited already.
    const request: DealingModules['host']['request'] = async (target, exchange, ...more) =>
      exchange.name === 'job-pay'
        ? ({ kind: 'refused', code: 'DENIED', message: 'not kept', haveWei: '0', needWei: '30' } as never)
        : pipe.request(target, exchange, ...more)
    const host = { request, openAhead: () => pipe.openAhead() } as unknown as DealingModules['host']
    dealing = dealWith(payer, { host })
    await dealing.settle(id)
    expect(payer.account(id).undelivered).toHaveLength(1)
  })

  it('that lost an output for good goes on buying in the next process, too', async () => {
    await dealing.close()
    // Nothing that is lost so is credited.
    await enter(PRICE)
    await runToOutput()
    await diskIsAwaited()
    books.crash()
    Object.assign(books, { isImmediate: true })
    payer = await openPayer(books)
    shop.clock.nowMs += 100_000
    for (let process = 0; process < 3; process++) {
      dealing = dealWith(payer)
      await dealing.run(order)
      await dealing.close()
    }
    expect(payer.account(id)).toMatchObject({ receipts: 4, undelivered: [{ priceWei: PRICE }] })
  })

  it('that takes nothing lets nothing leave', async () => {
    class FullDisk extends MemoryBooks {
      isFull = false
      override write(change: Parameters<MemoryBooks['write']>[0]): Promise<void> {
        return this.isFull ? Promise.reject(new Error('ENOSPC')) : super.write(change)
      }
    }
    const full = new FullDisk(true)
    const ledger = await openPayer(full)
    await ledger.setChannel(shop.keys.payee.address, CHANNEL)
    full.isFull = true
    await expect(dealWith(ledger).run(order)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: /payments stopped/,
    })
    expect(pipe.reached).toEqual([])
  })

  it('is waited for by who closes, so that the provider is told', async () => {
    await runToOutput()
    await diskIsAwaited()
    const closing = dealing.close()
    books.sync()
    await closing
    expect(pipe.reached.at(-1)).toBe('job-have')
  })
})

describe('a provider that trusts one job far', () => {
  it('is asked again for the next once it was told that the last one came', async () => {
    await enter(PRICE)
    const told = Promise.withResolvers<void>()
    pipe.onRequest = (name) => (name === 'job-have' ? told.promise : Promise.resolve())
    await runToOutput()
    await diskIsAwaited()
    books.sync()
    const claims = new Claims()
    const claim = claims.claim(id, PRICE)
    expect(claims.heldWei(id)).toBe(PRICE)
    const next = dealing.run({ ...order, claim })
    await diskIsAwaited()
    expect(claims.heldWei(id)).toBe(0n)
    books.sync()
    // Refused, and dropped: nobody else has its room meanwhile.
    await diskIsAwaited()
    expect(claims.heldWei(id)).toBe(PRICE)
    books.sync()
    await expect.poll(() => payer.account(id).asked.length, PATIENT).toBe(0)
    expect(pipe.reached).toEqual(['job', 'job-pay', 'job'])
    told.resolve()
    for (let write = 0; write < 2; write++) {
      await diskIsAwaited()
      books.sync()
    }
    expect(decodeOutput((await next).output)).toMatchObject({ text: 'hello' })
    expect(claims.heldWei(id)).toBe(0n)
    expect(pipe.reached.slice(3)).toEqual(['job-have', 'job', 'job-pay'])
  })

  it('is waited for no longer than the job is, where it does not say that it was told', async () => {
    await dealing.close()
    await enter(PRICE)
    Object.assign(books, { isImmediate: true })
    const told = Promise.withResolvers<void>()
    pipe.onRequest = (name) => (name === 'job-have' ? told.promise : Promise.resolve())
    await dealing.run(order)
    const begunMs = performance.now()
    const next = dealing.run({ ...order, patienceMs: 200 }).catch((error: unknown) => error)
    const late = new Promise((resolve) => setTimeout(resolve, 5000, 'late'))
    expect(await Promise.race([next, late])).toMatchObject({ code: 'DENIED' })
    expect(performance.now() - begunMs).toBeGreaterThan(150)
    expect(pipe.reached).toEqual(['job', 'job-pay', 'job'])
    told.resolve()
  })

  it('and refuses what is beyond that', async () => {
    await enter(PRICE - 1n)
    const refused = dealing.run(order)
    await diskIsAwaited()
    books.sync()
    await diskIsAwaited()
    books.sync()
    await expect(refused).rejects.toMatchObject({ code: 'DENIED', details: { needWei: String(PRICE) } })
    expect(pipe.reached).toEqual(['job'])
  })
})

describe('an answer for which the provider has no room', () => {
  it('is asked for again: what is paid is not given up', async () => {
    const ledger = await openPayer(new MemoryBooks(true))
    await ledger.setChannel(shop.keys.payee.address, CHANNEL)
    dealing = dealWith(ledger)
    let refusals = 0
    pipe.onRequest = async (name) => {
      if (name === 'job-pay' && refusals++ < 1)
        throw new RemoteError(shop.keys.payee.peerId, 'busy', 'too many answers wait to be read')
    }
    expect(decodeOutput((await dealing.run(order)).output)).toMatchObject({ text: 'hello' })
    expect(refusals).toBe(2)
    expect(ledger.account(id).undelivered).toHaveLength(0)
  })

  it('is no longer waited for by who has given up', async () => {
    const ledger = await openPayer(new MemoryBooks(true))
    await ledger.setChannel(shop.keys.payee.address, CHANNEL)
    dealing = dealWith(ledger)
    const giving = new AbortController()
    pipe.onRequest = async (name) => {
      if (name !== 'job-pay') return
      setImmediate(() => giving.abort(new Error('enough')))
      throw new RemoteError(shop.keys.payee.peerId, 'busy', 'too many answers wait to be read')
    }
    await expect(dealing.run(order, giving.signal)).rejects.toThrow('enough')
  })
})

describe('an answer that is lost', () => {
  it('leaves a job open, which the next one settles first', async () => {
    pipe.onAnswer = async (name) => {
      if (name === 'job') throw new UserError('broken off', { code: 'UNREACHABLE' })
    }
    const broken = dealing.run(order)
    await diskIsAwaited()
    books.sync()
    await expect(broken).rejects.toMatchObject({ code: 'UNREACHABLE' })
    pipe.onAnswer = async () => {}
    // Its receipt is fetched and paid, its output taken and let go: nothing stands against the limits.
    const next = dealing.run(order)
    while (payer.account(id).receipts < 2 || books.waiting > 0) {
      books.sync()
      await new Promise((turn) => setImmediate(turn))
    }
    await next
    books.sync()
    expect(pipe.reached.slice(0, 4)).toEqual(['job', 'job-sync', 'job-pay', expect.stringMatching(/^job/)])
    expect(payer.account(id)).toMatchObject({ receipts: 2, totalWei: 2n * PRICE, asked: [], undelivered: [] })
  })
})

describe('a receipt that is not dated now', () => {
  it('is paid when the own clock is set right, and blames nobody until then', async () => {
    const ledger = await openPayer(new MemoryBooks(true))
    await ledger.setChannel(shop.keys.payee.address, CHANNEL)
    let offSeconds = -3600
    const isTimely = (issuedAt: number): boolean => Math.abs(issuedAt - 1_900_000_000 - offSeconds) < 30
    dealing = dealWith(ledger, { isTimely })
    await expect(dealing.run(order)).rejects.toMatchObject({ code: 'WRONG_CLOCK' })
    // Neither is it paid by the back door, when the next job settles what is open.
    await expect(dealing.run(order)).rejects.toMatchObject({ code: 'WRONG_CLOCK' })
    expect(pipe.reached).not.toContain('job-pay')
    expect(ledger.account(id).totalWei).toBe(0n)
    offSeconds = 0
    await dealing.run(order)
    expect(ledger.account(id)).toMatchObject({ receipts: 2, totalWei: 2n * PRICE })
  })
})

describe('a receipt that comes with a settling', () => {
  const EPOCH_SECONDS = 30
  const ASKED_AT = 1_900_000_000
  let now = ASKED_AT
  const isTimely = (issuedAt: number, at = now): boolean => Math.abs(issuedAt - at) <= EPOCH_SECONDS

  /** A job is asked for, its answer lost, and an hour gone; the ledger opened again. @param askedAt by the client's clock */
  async function broken(askedAt: number, store = new MemoryBooks(true)): Promise<Payer> {
    const ledger = await openPayer(store)
    await ledger.setChannel(shop.keys.payee.address, CHANNEL)
    pipe.onAnswer = async (name) => {
      if (name === 'job') throw new UserError('broken off', { code: 'UNREACHABLE' })
    }
    now = askedAt
    const first = dealWith(ledger, { isTimely, now: () => now })
    await expect(first.run(order)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    pipe.onAnswer = async () => {}
    now = ASKED_AT + 3600
    const again = await openPayer(store)
    dealing = dealWith(again, { isTimely, now: () => now })
    return again
  }

  it('may have waited since its job was asked for', async () => {
    const ledger = await broken(ASKED_AT)
    await dealing.settle(id)
    expect(ledger.account(id)).toMatchObject({ receipts: 1, totalWei: PRICE, asked: [] })
  })

  it('is not paid where its date is one before that, or one to come, by whichever exchange it comes', async () => {
    for (const askedAt of [ASKED_AT + EPOCH_SECONDS + 1, ASKED_AT - 5000]) {
      await enter(500n)
      const ledger = await broken(askedAt)
      if (askedAt < ASKED_AT) now = ASKED_AT - EPOCH_SECONDS - 1
      for (let attempt = 0; attempt < 2; attempt++)
        await expect(dealing.settle(id)).rejects.toMatchObject({ code: 'WRONG_CLOCK' })
      await expect(dealing.run(order)).rejects.toMatchObject({ code: 'WRONG_CLOCK' })
      expect(ledger.account(id)).toMatchObject({ receipts: 0, voucher: null })
      expect(pipe.reached).not.toContain('job-pay')
    }
  })

  it('is not paid either where it comes in place of an output', async () => {
    const ledger = await openPayer(new MemoryBooks(true))
    await ledger.setChannel(shop.keys.payee.address, CHANNEL)
    now = ASKED_AT
    let asked: JobRequest | undefined
    let first: SignedReceipt | undefined
    const sign = ({ jobId, model, input, terms }: JobRequest, issuedAt: number): SignedReceipt => {
      const index = first === undefined ? 1 : 2
      const work = { jobId, model, input: hashOf(input), terms: hashOf(terms), output: hashOf(input) }
      const price = { units: 1, priceWei: PRICE, totalWei: BigInt(index) * PRICE }
      const previous = first === undefined ? NO_RECEIPTS : receiptDigest(DOMAIN, first)
      const place = { channelId: id, index, previous, kind: ReceiptKind.job, issuedAt }
      return signReceipt(DOMAIN, { ...place, ...work, ...price }, shop.keys.payee)
    }
    const request = async (_: unknown, { name }: { name: string }, body: unknown): Promise<unknown> => {
      if (name === 'job-sync') return { receipts: [], unknown: [], owed: [] }
      if (name === 'job-pay' && asked !== undefined)
        return { kind: 'credited', receipts: [receiptToCbor(sign(asked, ASKED_AT - 3600))] }
      if (asked === undefined) {
        asked = body as JobRequest
        throw new UserError('broken off', { code: 'UNREACHABLE' })
      }
      first = sign(body as JobRequest, ASKED_AT)
      return { kind: 'receipt', receipt: receiptToCbor(first), runMs: 1 }
    }
    const host = { request, openAhead: () => pipe.openAhead() } as unknown as DealingModules['host']
    dealing = dealWith(ledger, { isTimely, now: () => now, host })
    await expect(dealing.run(order)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    await expect(dealing.run(order)).rejects.toMatchObject({ code: 'WRONG_CLOCK' })
    expect(ledger.account(id)).toMatchObject({ receipts: 1, totalWei: PRICE })
  })

  it('is paid where the clock was set back since', async () => {
    const ahead = await broken(ASKED_AT + 90_000)
    await dealing.settle(id)
    expect(ahead.account(id).receipts).toBe(1)
  })

  it('is paid where a ledger of before does not say when its job was asked for', async () => {
    const ledger = await openPayer(new MemoryBooks(true))
    await ledger.setChannel(shop.keys.payee.address, CHANNEL)
    const { model, terms, input } = order
    const jobId = new Uint8Array(32).fill(7)
    await ledger.begin(id, { jobId, model, input: hashOf(input), terms: hashOf(terms), maxPriceWei: PRICE })
    const target = { peerId: shop.keys.payee.peerId, addresses: [] }
    await pipe.request(target, JOB_MESSAGE, { jobId, model, terms, input, channelId: id })
    now = ASKED_AT + 90_000
    dealing = dealWith(ledger, { isTimely, now: () => now })
    await dealing.settle(id)
    expect(ledger.account(id).receipts).toBe(1)
  })
})
