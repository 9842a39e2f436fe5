/** A ledger that is lost while its channels are open, and a chain that is lost while the ledger has channels on it. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { channelsContract, type DevChain, readChannel, startDevChain } from '../../src/chain/index.js'
import type { Address } from '../../src/crypto/address.js'
import { Identity } from '../../src/crypto/identity.js'
import { UserError } from '../../src/errors.js'
import { ChannelNotes } from '../../src/inference/client/channel-notes.js'
import { Channels } from '../../src/inference/client/channels.js'
import { Locked } from '../../src/inference/client/locked.js'
import { Openings } from '../../src/inference/client/openings.js'
import {
  NO_RECEIPTS,
  Payer,
  paymentDomain,
  ReceiptKind,
  signReceipt,
} from '../../src/inference/payment/index.js'
import type { DurableChange } from '../../src/store/index.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import { askedJob, bytes32, MemoryBooks, workOf } from '../unit/inference/payment/support.js'
import { fundedChain, startProxy, testClientOf, whyNoAnvil } from './support.js'

const DEPOSIT = 1000n
const DAY = 86_400
const PATIENT = { timeout: 120_000 }
const OFFERED = { chainId: 0, contract: new Uint8Array(20), leastDepositWei: 1n, exposureWei: 1n }

/** What a ledger keeps. */
class Disk {
  readonly books = new MemoryBooks(true)
  readonly #notes = new Map<string, Uint8Array>()
  readonly notes = {
    entries: async () => [...this.#notes].map(([key, value]) => ({ key, value })),
    write: async (changes: readonly DurableChange[]) => {
      for (const { key, value } of changes)
        if (value === undefined) this.#notes.delete(key)
        else this.#notes.set(key, value)
    },
  }
}

describe.skipIf(whyNoAnvil !== undefined)('a buyer', () => {
  let dev: DevChain
  let chain: Awaited<ReturnType<typeof fundedChain>>
  let lines: string[]
  /** Calls are answered as of this block where there is one. */
  let behind: string | undefined
  let calls = 0
  /** Calls that name it fail. */
  let unreadable: Address | undefined
  const closing: (() => unknown)[] = []
  const provider = Identity.generate()
  const payee: Address = provider.address
  beforeEach(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    closing.push(() => dev.stop())
    lines = []
    behind = undefined
    unreadable = undefined
    const proxy = await startProxy(dev.rpcUrl, async (method, params, pass) => {
      calls++
      const isUnreadable =
        method === 'eth_call' &&
        unreadable !== undefined &&
        JSON.stringify(params).includes(unreadable.slice(2).toLowerCase())
      if (isUnreadable)
        return JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'no state' } })
      if (method !== 'eth_call' || behind === undefined) return pass()
      const [call] = params as [unknown]
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [call, behind] })
      const headers = { 'content-type': 'application/json' }
      return (await fetch(dev.rpcUrl, { method: 'POST', headers, body })).text()
    })
    closing.push(() => proxy.server.close())
    chain = await fundedChain(dev, { rpcUrls: [proxy.url] })
    closing.push(() => chain.close())
  }, 60_000)
  afterEach(async () => {
    vi.restoreAllMocks()
    for (const close of closing.splice(0).reverse()) await close()
  })

  /** A process of the buyer with what is on a disk. */
  async function start(disk: Disk, openings = Openings.passing()) {
    const { address } = chain.identity
    const domain = paymentDomain(chain.chainId, channelsContract(chain))
    const payer = await Payer.open(
      { domain, signer: chain.identity, books: disk.books },
      { exposureWei: DEPOSIT, maxJobs: 8 },
    )
    const channels = new Channels(
      { depositWei: DEPOSIT, lifeSeconds: 30 * DAY },
      {
        ...{ chain, payer, address, openings, log: silentLogger },
        notes: await ChannelNotes.open(disk.notes),
        onGivenUp: (line) => lines.push(line),
      },
    )
    const ready = async (other = payee) => {
      const claim = await channels.ready(other, 1n, OFFERED)
      claim.release()
      return claim.channelId
    }
    const buy = async (priceWei = 1n) => {
      const channelId = await ready()
      const job = askedJob(1, priceWei)
      await payer.begin(channelId, job)
      const place = { channelId, index: 1, previous: NO_RECEIPTS, kind: ReceiptKind.job }
      const work = { ...workOf(job, 1), totalWei: priceWei, issuedAt: 1_900_000_000 }
      await payer.receive(signReceipt(domain, { ...place, ...work }, provider))
      await payer.deliver(channelId, job.jobId, work.output)
      return channelId
    }
    const roomWei = () => new Locked(10n * DEPOSIT, payer, Date.now).roomWei
    return { payer, channels, ready, buy, roomWei }
  }
  const state = () => readChannel(chain, { payer: chain.identity.address, payee })

  it(
    'whose ledger is lost pays nothing from its open channel, and gets the deposit back',
    PATIENT,
    async () => {
      await (await start(new Disk())).buy()
      const disk = new Disk()
      const { channels, ready, payer } = await start(disk)
      const refusal = {
        code: 'DENIED',
        message: expect.stringMatching(
          /the channel with 0x.* is given up: another ledger of this key used it; .* comes back after/,
        ),
      }
      await expect(ready()).rejects.toMatchObject(refusal)
      // No job waits for the chain to be told that again.
      const before = calls
      for (let jobs = 0; jobs < 3; jobs++) await expect(ready()).rejects.toMatchObject(refusal)
      expect(calls).toBe(before)
      expect(channels.isOpen(payee)).toBe(false)
      expect(lines).toEqual([expect.stringContaining(payee)])
      expect(payer.accounts()).toEqual([])
      const soonest = (await chain.clock()).timestamp + chain.terms.channelChallengeSeconds
      expect((await state()).endsAt).toBeLessThanOrEqual(soonest)

      await dev.increaseTime(chain.terms.channelChallengeSeconds + 1)
      await channels.refundOver()
      expect(await state()).toMatchObject({ isOpen: false, depositWei: 0n })
      expect(await disk.notes.entries()).toEqual([])
      await ready()
      expect(await state()).toMatchObject({ nonce: 2, isOpen: true })
    },
  )

  it('that ends while its channel is opened finds it unused, and pays from it', PATIENT, async () => {
    const disk = new Disk()
    const first = await start(disk)
    const { queue } = chain
    if (queue === undefined) throw new Error('a buyer pays')
    const submit = queue.submit.bind(queue)
    vi.spyOn(queue, 'submit').mockImplementationOnce(async (...given) => {
      await submit(...given)
      throw new UserError('the process ends', { code: 'INTERRUPTED' })
    })
    await expect(first.ready()).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(first.payer.accounts()).toEqual([])
    const second = await start(disk)
    const channelId = await second.buy()
    expect(second.payer.account(channelId)).toMatchObject({ nonce: 1, depositWei: DEPOSIT })
    expect(await disk.notes.entries()).toEqual([])
    // The note was for once: without the account it is not known to be unused any more.
    const third = await start(Object.assign(new Disk(), { notes: disk.notes }))
    await expect(third.ready()).rejects.toMatchObject({ code: 'DENIED' })
  })

  it(
    'whose provider knows more of a channel pays from it no more, in the next process neither',
    PATIENT,
    async () => {
      const disk = new Disk()
      const { channels, ready } = await start(disk)
      await ready()
      await channels.giveUp(payee, 'it lost its ledger')
      expect(lines).toEqual([
        expect.stringContaining('is given up: it lost its ledger; its end is asked for'),
      ])
      await expect(ready()).rejects.toMatchObject({ code: 'DENIED' })
      await expect((await start(disk)).ready()).rejects.toMatchObject({ code: 'DENIED' })
      await dev.increaseTime(chain.terms.channelChallengeSeconds + 1)
      // Of itself a job looks again within a minute.
      await channels.refundOver()
      await ready()
      expect(await state()).toMatchObject({ nonce: 2, isOpen: true })
    },
  )

  it(
    'takes every deposit back that it can, though a channel without an account cannot be read',
    PATIENT,
    async () => {
      const disk = new Disk()
      const { channels, ready } = await start(disk)
      const others = [payee, Identity.generate().address]
      for (const each of others) {
        await ready(each)
        await channels.giveUp(each, 'it lost its ledger')
      }
      await dev.increaseTime(chain.terms.channelChallengeSeconds + 1)
      unreadable = payee
      await channels.refundOver()
      unreadable = undefined
      const [first, second] = others.map((each) =>
        readChannel(chain, { payer: chain.identity.address, payee: each }),
      )
      expect(await first).toMatchObject({ isOpen: true })
      expect(await second).toMatchObject({ isOpen: false })
      await channels.refundOver()
      expect(await state()).toMatchObject({ isOpen: false })
    },
  )

  it('forgets an opening that was sent and never came to be', PATIENT, async () => {
    const disk = new Disk()
    const { ready } = await start(disk)
    const { queue } = chain
    if (queue === undefined) throw new Error('a buyer pays')
    vi.spyOn(queue, 'submit').mockRejectedValueOnce(new UserError('it ends', { code: 'INTERRUPTED' }))
    await expect(ready()).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(await disk.notes.entries()).toHaveLength(1)
    // A process of another day.
    const { channels } = await start(disk)
    await channels.refundOver()
    expect(await disk.notes.entries()).toEqual([])
  })

  it('that tries again while an opening is under way pays from it once it is mined', PATIENT, async () => {
    const disk = new Disk()
    const { channels, ready } = await start(disk)
    const { queue } = chain
    if (queue === undefined) throw new Error('a buyer pays')
    const submit = queue.submit.bind(queue)
    let mine: (() => Promise<unknown>) | undefined
    const submitted = vi.spyOn(queue, 'submit').mockImplementationOnce(async (...given) => {
      mine = () => submit(...given)
      throw new UserError('it takes long', { code: 'TIMEOUT' })
    })
    await expect(ready()).rejects.toMatchObject({ code: 'TIMEOUT' })
    submitted.mockRejectedValueOnce(new UserError('too many transactions wait', { code: 'BUSY' }))
    await expect(ready()).rejects.toMatchObject({ code: 'BUSY' })
    await channels.refundOver()
    expect(await disk.notes.entries()).toHaveLength(1)
    await mine?.()
    await ready()
    expect(lines).toEqual([])
    expect(await state()).toMatchObject({ nonce: 1, isOpen: true })
  })

  it('that does not get as far as sending an opening has opened nothing', PATIENT, async () => {
    const disk = new Disk()
    const openings = Openings.passing()
    const { ready } = await start(disk, openings)
    vi.spyOn(chain, 'clock').mockRejectedValueOnce(new UserError('no answer', { code: 'UNREACHABLE' }))
    await expect(ready()).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect([openings.payees(), await disk.notes.entries()]).toEqual([[], []])
  })

  it('locks what it may beside what lies on another chain', PATIENT, async () => {
    const { payer, ready } = await start(new Disk())
    const endsAt = (await chain.clock()).timestamp + DAY
    const elsewhere = { channelId: bytes32(9), nonce: 1, depositWei: 10n * DEPOSIT, endsAt }
    await payer.setChannel(Identity.generate().address, elsewhere)
    await ready()
    expect(await state()).toMatchObject({ isOpen: true, depositWei: DEPOSIT })
  })

  it('that leaves a provider gives it no more money, whatever waits for a top-up', PATIENT, async () => {
    const { channels, buy } = await start(new Disk())
    await buy()
    const more = channels.ready(payee, DEPOSIT, OFFERED).catch((error: unknown) => error)
    await channels.leave(payee)
    await more
    const soonest = (await chain.clock()).timestamp + chain.terms.channelChallengeSeconds
    expect((await state()).endsAt).toBeLessThanOrEqual(soonest)
    expect(await channels.ready(payee, 1n, OFFERED).catch((error: unknown) => error)).toMatchObject({
      code: 'DENIED',
    })
  })

  it('whose chain is begun anew opens a new channel there, and mixes nothing up', PATIENT, async () => {
    const anew = testClientOf(dev.rpcUrl)
    const snapshot = await anew.snapshot()
    const disk = new Disk()
    const first = await start(disk)
    const channelId = await first.buy()
    await anew.revert({ id: snapshot })
    await dev.increaseTime(60)
    // A moment ago it was opened: a node may be behind.
    await first.channels.doubt(payee)
    expect(first.channels.isOpen(payee)).toBe(true)

    const { channels, payer, buy, roomWei } = await start(disk)
    expect(roomWei()).toBe(9n * DEPOSIT + 1n)
    await channels.doubt(payee)
    expect([channels.isOpen(payee), roomWei()]).toEqual([false, 10n * DEPOSIT])
    expect((await payer.receipts(channelId, 1, 1)).length).toBe(1)
    // The same id by chance of the same keys and the same count.
    expect(await buy(2n)).toEqual(channelId)
    expect(payer.accounts()).toHaveLength(1)
    expect(payer.account(channelId)).toMatchObject({ receipts: 1, totalWei: 2n, voucher: { amountWei: 2n } })
    expect(await state()).toMatchObject({ nonce: 1, isOpen: true, depositWei: DEPOSIT })
  })

  it('whose node of the chain is behind forgets nothing for that', PATIENT, async () => {
    const { number } = await testClientOf(dev.rpcUrl).getBlock()
    const disk = new Disk()
    const { payer, channels, buy } = await start(disk)
    const channelId = await buy()
    behind = `0x${number.toString(16)}`
    await channels.refundOver()
    // More than what is left in it is asked for: the chain shows no channel.
    await expect(channels.ready(payee, DEPOSIT, OFFERED)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(payer.account(channelId)).toMatchObject({ receipts: 1, totalWei: 1n })
    behind = undefined
    await channels.ready(payee, DEPOSIT, OFFERED)
    expect(payer.account(channelId)).toMatchObject({ receipts: 1, depositWei: 2n * DEPOSIT })
  })
})
