/** A provider's paid half against a chain of the test's own: what it does about channels that change while it serves. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import {
  Payee,
  type PayeeAccount,
  ReceiptKind,
  receiptDigest,
  type SignedReceipt,
  signVoucher,
} from '../../../../src/inference/payment/index.js'
import { HeldOutputs } from '../../../../src/inference/provider/held-outputs.js'
import { PaidService } from '../../../../src/inference/provider/paid-service.js'
import type { Remote } from '../../../../src/p2p/index.js'
import { askedJob, bytes32, CHANNEL, DOMAIN, identities, MemoryBooks, workOf } from '../payment/support.js'

/** Of a loaded machine. */
const PATIENT = { timeout: 300_000 }
const id = CHANNEL.channelId
const OUTPUT = bytes32(0xa0)
const STILL = new AbortController().signal

/** What a keeper reads, and how often it did; a look takes as long as the test likes. */
class TestChain {
  /** Deep enough; undefined where no channel is open. */
  depositWei: bigint | undefined = CHANNEL.depositWei
  newestWei = 0n
  looks = 0
  before: () => Promise<void> = async () => {}

  constructor(
    readonly payee: Payee,
    readonly payer: Identity,
  ) {}

  async adopt(): Promise<PayeeAccount> {
    this.looks++
    const { depositWei } = this
    await this.before()
    if (depositWei === undefined) throw new UserError('there is no open channel', { code: 'NOT_FOUND' })
    await this.payee.setChannel(this.payer.address, { ...CHANNEL, depositWei })
    return this.payee.account(id)
  }

  async isMoreComing(): Promise<boolean> {
    return this.newestWei > (this.depositWei ?? 0n)
  }
}

let payer: Identity
let remote: Remote
let payee: Payee
let chain: TestChain
let held: HeldOutputs
let service: PaidService

beforeEach(async () => {
  keep = async () => {}
  const keys = identities()
  payer = keys.payer
  const { publicKey, peerId } = payer
  remote = { publicKey, peerId, address: '/ip4/127.0.0.1/tcp/1', limited: false }
  payee = await Payee.open(
    { domain: DOMAIN, signer: keys.payee, books: new MemoryBooks(true), now: () => 1_900_000_000 },
    { exposureWei: 10_000n, maxJobs: 64, leastRemainingSeconds: 100 },
  )
  chain = new TestChain(payee, payer)
  held = new HeldOutputs({ mostBytes: 1000, mostMs: 60_000 }, () => 0)
  service = new PaidService({ payee, keeper: chain, held })
})

const admit = (n: number, priceWei: bigint, channelId = id): Promise<Uint8Array> => {
  const { jobId, model, terms, input } = askedJob(n)
  return service.admit(remote, { jobId, model, terms, input, channelId }, priceWei, STILL)
}
const run = async (n: number, priceWei: bigint): Promise<SignedReceipt> => {
  await admit(n, priceWei)
  return service.issue(id, workOf(askedJob(n), n, priceWei), OUTPUT, keep)
}
let keep: (receipt: SignedReceipt) => Promise<void>
const voucherFor = ({ index, totalWei }: SignedReceipt) => {
  const { head } = payee.account(id)
  const content = { channelId: id, amountWei: totalWei, receipts: index, receiptsHead: head }
  return signVoucher(DOMAIN, content, payer)
}

describe('a channel that is not known yet', () => {
  it('is looked for on the chain, once, and serves from then on', async () => {
    await admit(1, 10n)
    await admit(2, 10n)
    expect(chain.looks).toBe(1)
    expect(payee.account(id).running).toHaveLength(2)
  })

  it('is to be tried again in a moment where the chain does not have it', async () => {
    chain.depositWei = undefined
    const later = { code: 'BUSY', details: { retryAfterSeconds: 2 } }
    await expect(admit(1, 10n)).rejects.toMatchObject(later)
    chain.depositWei = CHANNEL.depositWei
    // Opened a moment after the look: the next one sees it, however soon it is asked for.
    await admit(2, 10n)
    expect(chain.looks).toBe(2)
  })

  it("is no one else's", async () => {
    await admit(1, 10n)
    const stranger = identities().payer
    const { jobId, model, terms, input } = askedJob(2)
    const request = { jobId, model, terms, input, channelId: id }
    const other = { ...remote, publicKey: stranger.publicKey }
    await expect(service.admit(other, request, 10n, STILL)).rejects.toMatchObject({ code: 'BUSY' })
    await expect(service.admit(remote, { jobId, model, terms, input }, 10n, STILL)).rejects.toMatchObject({
      code: 'DENIED',
      message: /through a channel/,
    })
  })
})

describe('a channel that was topped up', () => {
  it('serves at once, right after a look that did not see it', async () => {
    await expect(admit(1, CHANNEL.depositWei + 1n)).rejects.toMatchObject({ code: 'DENIED' })
    chain.depositWei = 2n * CHANNEL.depositWei
    await admit(2, CHANNEL.depositWei + 1n)
    expect(payee.account(id).depositWei).toBe(2n * CHANNEL.depositWei)
    expect(chain.looks).toBe(3)
  })

  it('serves those who ask while a look is under way that began too early', async () => {
    await admit(1, 10n)
    const { promise, resolve } = Promise.withResolvers<void>()
    chain.before = () => promise
    const early = admit(2, 5000n)
    await expect.poll(() => chain.looks, PATIENT).toBe(2)
    chain.depositWei = 20_000n
    const late = [3, 4, 5].map((n) => admit(n, 1500n))
    resolve()
    await expect(early).rejects.toMatchObject({ code: 'DENIED' })
    await Promise.all(late)
    // One look for all three.
    expect(chain.looks).toBe(3)
  })

  it('is to be tried again in a moment while the top-up is not deep enough', async () => {
    await admit(1, 10n)
    chain.newestWei = 5000n
    await expect(admit(2, 2000n)).rejects.toMatchObject({
      code: 'BUSY',
      message: /underfunded/,
      details: { retryAfterSeconds: 2, needWei: '2000' },
    })
    chain.newestWei = 0n
    await expect(admit(3, 2000n)).rejects.toMatchObject({ code: 'DENIED', details: { needWei: '2000' } })
  })

  it('pays with a voucher above the deposit that was known', async () => {
    const receipt = await run(1, 600n)
    // As after a restart on an older copy of what the chain had.
    await payee.setChannel(payer.address, { ...CHANNEL, depositWei: 500n })
    expect(await service.pay(remote, receipt.jobId, voucherFor(receipt))).toEqual({ output: OUTPUT })
    expect(payee.account(id).voucher?.amountWei).toBe(600n)
  })
})

describe('an output', () => {
  it('that is paid makes no room for what others leave unpaid', async () => {
    const receipt = await run(1, 600n)
    const voucher = voucherFor(receipt)
    expect(await service.pay(remote, receipt.jobId, voucher)).toEqual({ output: OUTPUT })
    for (let i = 0; i < 30; i++) held.put(bytes32(0xbad), bytes32(i), new Uint8Array(100))
    expect(await service.pay(remote, receipt.jobId, voucher)).toEqual({ output: OUTPUT })
  })

  it('is let go of by word alone that it came, once it is paid', async () => {
    const receipt = await run(1, 600n)
    service.have(remote, id, [receipt.jobId])
    expect(await service.pay(remote, receipt.jobId, voucherFor(receipt))).toEqual({ output: OUTPUT })
    service.have(remote, id, [receipt.jobId])
    expect(held.get(id, receipt.jobId)).toBeUndefined()
    expect(payee.account(id).owed).toEqual([])
  })

  it('leaves for the voucher that pays for it, as often as it takes, and is credited once it is lost', async () => {
    const receipt = await run(1, 600n)
    const voucher = voucherFor(receipt)
    const cheap = signVoucher(DOMAIN, { ...voucher, amountWei: 599n }, payer)
    await expect(service.pay(remote, receipt.jobId, cheap)).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
    })
    for (let i = 0; i < 2; i++)
      expect(await service.pay(remote, receipt.jobId, voucher)).toEqual({ output: OUTPUT })
    held.remove(id, receipt.jobId)
    const lost = await service.pay(remote, receipt.jobId, voucher)
    expect('credits' in lost && lost.credits.map(({ totalWei }) => totalWei)).toEqual([0n])
  })

  it('of a job that cannot be kept for auditors is not sold: its price is taken off at once', async () => {
    keep = async () => {
      throw new UserError('the disk is full', { code: 'UNAVAILABLE' })
    }
    const receipt = await run(1, 600n)
    const [, credit] = await payee.receipts(id, 1, 10)
    expect(credit).toMatchObject({
      kind: ReceiptKind.credit,
      output: receiptDigest(DOMAIN, receipt),
      totalWei: 0n,
    })
    const voucher = signVoucher(
      DOMAIN,
      { channelId: id, amountWei: 600n, receipts: 1, receiptsHead: receiptDigest(DOMAIN, receipt) },
      payer,
    )
    expect(await service.pay(remote, receipt.jobId, voucher)).toEqual({ credits: [credit] })
    expect(payee.account(id).owed).toEqual([])
  })

  it('is known to run until its receipt is there, and unknown once it was given up', async () => {
    await admit(1, 10n)
    const asked = [askedJob(1).jobId, askedJob(2).jobId]
    const ask = { channelId: id, voucher: undefined, from: 1, asked }
    expect((await service.sync(remote, ask)).unknown).toEqual([askedJob(2).jobId])
    service.dismiss(id, askedJob(1).jobId)
    expect((await service.sync(remote, ask)).unknown).toEqual(asked)
  })
})
