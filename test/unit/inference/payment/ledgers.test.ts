/** The two ledgers against each other, step by step: what is paid, refused, credited, redeemed. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Identity } from '../../../../src/crypto/identity.js'
import {
  type AskedJob,
  Payee,
  type PayeeLimits,
  Payer,
  type PayerLimits,
  payeeExposure,
  payerExposure,
  payerFree,
  ReceiptKind,
  type RedeemPolicy,
  receiptDigest,
  type SignedReceipt,
  type SignedVoucher,
  signReceipt,
  signVoucher,
} from '../../../../src/inference/payment/index.js'
import { askedJob, bytes32, CHANNEL, DOMAIN, identities, MemoryBooks, outputOf, workOf } from './support.js'

const PAYER_LIMITS: PayerLimits = { exposureWei: 40n, maxJobs: 8 }
const PAYEE_LIMITS: PayeeLimits = { exposureWei: 30n, maxJobs: 6, leastRemainingSeconds: 100 }
const id = CHANNEL.channelId

describe('the payment ledgers', () => {
  let keys: ReturnType<typeof identities>
  let now: number
  let payer: Payer
  let payee: Payee
  let payeeBooks: MemoryBooks
  let payerBooks: MemoryBooks

  const openPayer = (signer: Identity = keys.payer) =>
    Payer.open({ domain: DOMAIN, signer, books: payerBooks }, PAYER_LIMITS)
  const openPayee = () =>
    Payee.open({ domain: DOMAIN, signer: keys.payee, books: payeeBooks, now: () => now }, PAYEE_LIMITS)

  beforeEach(async () => {
    keys = identities()
    now = 1_900_000_000
    payerBooks = new MemoryBooks(true)
    payeeBooks = new MemoryBooks(true)
    payer = await openPayer()
    payee = await openPayee()
    await payer.setChannel(keys.payee.address, CHANNEL)
    await payee.setChannel(keys.payer.address, CHANNEL)
  })

  const ask = async (job: AskedJob) => {
    await payer.begin(id, job)
    payee.admit(id, job)
  }
  const run = async (n: number, priceWei?: bigint): Promise<SignedReceipt> => {
    const job = askedJob(n)
    await ask(job)
    return payee.issue(id, workOf(job, n, priceWei))
  }
  const receive = async (n: number) => {
    await payer.deliver(id, bytes32(n), outputOf(n))
    payee.acknowledge(id, bytes32(n))
  }
  const mayRelease = (n: number) => payee.mayRelease(id, bytes32(n))

  it('pay for jobs one after the other, each before its output', async () => {
    let paid = 0n
    for (const [n, price] of [
      [1, 10n],
      [2, 0n],
      [3, 7n],
    ] as const) {
      const receipt = await run(n, price)
      expect(await mayRelease(n)).toBe(false)
      const voucher = await payer.receive(receipt)
      paid += price
      expect(voucher).toMatchObject({
        amountWei: paid,
        receipts: n,
        receiptsHead: receiptDigest(DOMAIN, receipt),
      })
      await payee.accept(voucher)
      // Before the payer has it, it can be sent again.
      expect(await mayRelease(n)).toBe(true)
      expect(await mayRelease(n)).toBe(true)
      await receive(n)
      expect(await mayRelease(n)).toBe(false)
      expect([payerExposure(payer.account(id)), payeeExposure(payee.account(id))]).toEqual([0n, 0n])
    }
    expect(await payer.newestVoucher(id)).toEqual(payee.account(id).voucher)
    expect(payerFree(payer.account(id))).toBe(CHANNEL.depositWei - 17n)
  })

  it('take vouchers in any order and any number; the newest stands', async () => {
    const receipts = [await run(1), await run(2), await run(3)]
    const vouchers: SignedVoucher[] = []
    for (const receipt of receipts) vouchers.push(await payer.receive(receipt))
    const [first, second, third] = vouchers as [SignedVoucher, SignedVoucher, SignedVoucher]
    await payee.accept(second)
    expect(await Promise.all([1, 2, 3].map(mayRelease))).toEqual([true, true, false])
    await payee.accept(first)
    await payee.accept(second)
    expect(payee.account(id).voucher).toEqual(second)
    await payee.accept(third)
    await payee.accept(first)
    expect(payee.account(id).voucher).toEqual(third)
    expect(await Promise.all([1, 2, 3].map(mayRelease))).toEqual([true, true, true])
  })

  it('take receipts in any order, and pay for all with one voucher', async () => {
    const [first, second, third] = [await run(1), await run(2), await run(3)]
    const early = [payer.receive(third), payer.receive(second), payer.receive(third)]
    expect(payer.missing(id)).toBe(1)
    const voucher = await payer.receive(first)
    expect(voucher).toMatchObject({ amountWei: 30n, receipts: 3 })
    expect(await Promise.all(early)).toEqual([voucher, voucher, voucher])
    expect(payer.missing(id)).toBeUndefined()
    expect(await payer.receive(second)).toEqual(voucher)
    const stopped = AbortSignal.abort(new Error('stopped'))
    const waits = payer.receive({ ...third, index: 9 }, new AbortController().signal)
    const gone = new AbortController()
    const given = payer.receive({ ...third, index: 8 }, gone.signal)
    gone.abort(stopped.reason)
    await expect(given).rejects.toThrow('stopped')
    void waits
  })

  it('bound what a payer owes and what it asks for, with have and need', async () => {
    const held = [await run(1), await run(2), await run(3)]
    await expect(payer.begin(id, askedJob(4, 11n))).rejects.toThrow(
      /^the exposure to this provider is at its limit: have 0\.0+1 ETH, need 0\.0+11 ETH$/,
    )
    await payer.begin(id, askedJob(4))
    expect(() => payee.admit(id, askedJob(4))).toThrow(
      /^what one client owes and is owed is at its limit: have 0 ETH, need 0\.0+1 ETH$/,
    )
    for (const receipt of held) await payee.accept(await payer.receive(receipt))
    // Paid, and not here: still at risk on both sides.
    expect(() => payee.admit(id, askedJob(4))).toThrow(/at its limit/)
    await receive(1)
    payee.admit(id, askedJob(4))
    await expect(payer.begin(id, askedJob(4))).rejects.toMatchObject({ code: 'EXISTS' })
    expect(() => payee.admit(id, askedJob(4))).toThrow('a job of this id is under way')
    payee.dismiss(id, bytes32(4))
    await payer.drop(id, bytes32(4))
    await payer.begin(id, askedJob(5))
    const late = /exposure to this provider/
    await expect(payer.begin(id, askedJob(6, 11n))).rejects.toMatchObject({ code: 'BUSY', message: late })
    const never = askedJob(6, PAYER_LIMITS.exposureWei + 1n)
    await expect(payer.begin(id, never)).rejects.toMatchObject({ code: 'DENIED', message: late })
    await receive(2)
    await payer.begin(id, askedJob(6, 11n))
  })

  it('count jobs under way', async () => {
    for (let n = 1; n <= PAYEE_LIMITS.maxJobs; n++) payee.admit(id, askedJob(n, 0n))
    expect(() => payee.admit(id, askedJob(99, 0n))).toThrow(/^jobs under way of this client: 6 of 6$/)
    for (let n = 1; n <= PAYER_LIMITS.maxJobs; n++) await payer.begin(id, askedJob(n, 0n))
    await expect(payer.begin(id, askedJob(99, 0n))).rejects.toMatchObject({ code: 'BUSY' })
  })

  it('stop at the deposit, and go on after a top-up', async () => {
    const small = { ...CHANNEL, depositWei: 15n }
    await payer.setChannel(keys.payee.address, small)
    await payee.setChannel(keys.payer.address, small)
    const receipt = await run(1)
    await expect(payer.begin(id, askedJob(2))).rejects.toThrow(
      /^the channel is underfunded: have 0\.0+5 ETH, need 0\.0+1 ETH$/,
    )
    expect(() => payee.admit(id, askedJob(2))).toThrow(/^the channel is underfunded: have 0\.0+5 ETH/)
    const head = receiptDigest(DOMAIN, receipt)
    const large = { channelId: id, amountWei: 16n, receipts: 1, receiptsHead: head }
    await expect(payee.accept(signVoucher(DOMAIN, large, keys.payer))).rejects.toThrow(
      /^the voucher is above the deposit: have 0\.0+15 ETH, need 0\.0+16 ETH$/,
    )
    expect(payee.account(id).voucher).toBeNull()
    await payee.setChannel(keys.payer.address, CHANNEL)
    await payee.accept(signVoucher(DOMAIN, large, keys.payer))
  })

  it('begin no job on a channel that is ending, but take its vouchers', async () => {
    const receipt = await run(1)
    await payee.setChannel(keys.payer.address, { ...CHANNEL, endsAt: now + 99 })
    expect(() => payee.admit(id, askedJob(2))).toThrow(/^the channel ends in 99 s, and a job needs 100 s$/)
    now += 1000
    expect(() => payee.admit(id, askedJob(2))).toThrow(/ends in 0 s/)
    await payee.accept(await payer.receive(receipt))
    expect(await mayRelease(1)).toBe(true)
  })

  it('refuse vouchers that the payer did not sign, or that say what is not', async () => {
    const [first, second] = [await run(1), await run(2)]
    const heads = [first, second].map((receipt) => receiptDigest(DOMAIN, receipt)) as [Uint8Array, Uint8Array]
    const sign = (amountWei: bigint, receipts: number, receiptsHead: Uint8Array, signer = keys.payer) =>
      signVoucher(DOMAIN, { channelId: id, amountWei, receipts, receiptsHead }, signer)
    const refused = async (voucher: SignedVoucher, message: RegExp) => {
      const before = payee.account(id)
      await expect(payee.accept(voucher)).rejects.toThrow(message)
      expect(payee.account(id)).toBe(before)
    }
    await refused(sign(10n, 1, heads[0], keys.payee), /not signed by the payer/)
    await refused({ ...sign(10n, 1, heads[0]), amountWei: 11n }, /not signed by the payer/)
    await refused(sign(10n, 1, heads[1]), /receipts that are not in the chain/)
    await refused(sign(10n, 3, heads[1]), /receipts that are not in the chain/)
    await refused({ ...sign(10n, 1, heads[0]), channelId: bytes32(9) }, /this channel is not known here/)
    await payee.accept(sign(20n, 2, heads[1]))
    await refused(sign(21n, 1, heads[0]), /receipts that are not in the chain/)
    const third = await run(3)
    await refused(sign(19n, 3, receiptDigest(DOMAIN, third)), /takes back what an earlier one paid/)
    // Less than its receipts cost would make what is paid unpaid.
    await refused(sign(29n, 3, receiptDigest(DOMAIN, third)), /pays less than the receipts/)
    expect(await mayRelease(2)).toBe(true)
    expect(await mayRelease(3)).toBe(false)
    await payee.accept(sign(30n, 3, receiptDigest(DOMAIN, third)))
    expect(await mayRelease(3)).toBe(true)
  })

  it('refuse receipts that no honest payee signs', async () => {
    const good = await run(1)
    await payer.begin(id, askedJob(2))
    const bent = (change: Partial<SignedReceipt>, signer = keys.payee) =>
      signReceipt(DOMAIN, { ...good, ...change }, signer)
    const refused = (receipt: SignedReceipt, message: RegExp) =>
      expect(payer.receive(receipt)).rejects.toThrow(message)
    await refused(bent({}, keys.payer), /not signed by the provider/)
    await refused(bent({ previous: bytes32(1) }), /the provider rewrote its chain/)
    await refused(bent({ jobId: bytes32(77) }), /this ledger never asked for/)
    await refused(bent({ model: bytes32(1) }), /another model/)
    await refused(bent({ input: bytes32(1) }), /another input/)
    await refused(bent({ terms: bytes32(1) }), /another terms/)
    await refused(bent({ priceWei: 11n, totalWei: 11n }), /more than was agreed: 11 wei, at most 10/)
    await refused(bent({ totalWei: 11n }), /total is not the sum/)
    await refused(bent({ kind: 1, totalWei: 1n }), /total is not the difference/)
    await refused({ ...good, units: 2 }, /not signed by the provider/)
    expect(payer.account(id).voucher).toBeNull()
    await payer.receive(good)
    await refused(bent({ jobId: bytes32(2), units: 3 }), /two receipts for one place/)
    // No earlier ledger of this key asked for what comes after a receipt that this one holds.
    const next = { index: 2, previous: receiptDigest(DOMAIN, good), jobId: bytes32(77) }
    await refused(bent(next), /a job that was not asked for/)
    await expect(payer.deliver(id, bytes32(1), outputOf(2))).rejects.toThrow(
      /not the one that the receipt names/,
    )
  })

  it('credit what was paid for and lost, for the next job', async () => {
    const [first, second] = [await run(1), await run(2)]
    await payer.receive(first)
    await payee.accept(await payer.receive(second))
    expect(await mayRelease(1)).toBe(true)
    await receive(1)
    // The write that keeps the acknowledgement comes with the next voucher or receipt.
    const third = await run(3)
    payee = await openPayee()
    const credits = await payee.creditAllLost()
    expect(credits.map(({ jobId, priceWei, totalWei }) => [jobId, priceWei, totalWei])).toEqual([
      [bytes32(2), 10n, 20n],
      [bytes32(3), 10n, 10n],
    ])
    expect(await payee.creditAllLost()).toEqual([])
    const newest = await payer.receive(third)
    expect(newest.amountWei).toBe(30n)
    const [creditOfSecond, creditOfThird] = credits as [SignedReceipt, SignedReceipt]
    const late = payer.receive(creditOfThird)
    await payer.receive(creditOfSecond)
    expect(await late).toMatchObject({ amountWei: 30n, receipts: 5 })
    expect(payerExposure(payer.account(id))).toBe(0n)
    await payee.accept(await late)
    // 20 of the 30 paid are credit: two more jobs cost nothing.
    for (const n of [4, 5]) {
      const voucher = await payer.receive(await run(n))
      expect(voucher.amountWei).toBe(30n)
      await payee.accept(voucher)
      expect(await mayRelease(n)).toBe(true)
      await receive(n)
    }
    expect((await payer.receive(await run(6))).amountWei).toBe(40n)
  })

  it('take no credit of a lost job but of all of its price: its price stays at stake', async () => {
    const [first, second] = [await run(1), await run(2)]
    await payee.accept(await payer.receive(first))
    await payer.receive(second)
    const zeros = new Uint8Array(32)
    const of = { jobId: bytes32(1), output: receiptDigest(DOMAIN, first), priceWei: 10n, totalWei: 10n }
    const credit = (other: Partial<typeof of>): SignedReceipt =>
      signReceipt(
        DOMAIN,
        {
          ...{ channelId: id, index: 3, previous: receiptDigest(DOMAIN, second), kind: ReceiptKind.credit },
          ...{ model: zeros, input: zeros, terms: zeros, units: 0, issuedAt: now, ...of, ...other },
        },
        keys.payee,
      )
    for (const other of [
      { priceWei: 0n, totalWei: 20n },
      { priceWei: 9n, totalWei: 11n },
      { jobId: bytes32(2) },
    ])
      await expect(payer.receive(credit(other))).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' })
    expect(payerExposure(payer.account(id))).toBe(20n)
    await payer.receive(credit({}))
    expect(payerExposure(payer.account(id))).toBe(10n)
  })

  it('resume after a restart of either side where they were', async () => {
    await payee.accept(await payer.receive(await run(1)))
    const kept = await payer.newestVoucher(id)
    payer = await openPayer()
    expect(await payer.newestVoucher(id)).toEqual(kept)
    expect(payerExposure(payer.account(id))).toBe(10n)
    payee = await openPayee()
    expect(payee.account(id).voucher).toEqual(kept)
    const [credit] = await payee.creditAllLost()
    if (credit === undefined) throw new Error('no credit')
    await payer.receive(credit)
    expect(payerExposure(payer.account(id))).toBe(0n)
    const voucher = await payer.receive(await run(2))
    expect(voucher).toMatchObject({ amountWei: 10n, receipts: 3 })
    const held = await payer.receipts(id, 1, 10)
    expect(held).toEqual(await payee.receipts(id, 1, 10))
    expect(held.map(({ index, kind }) => [index, kind])).toEqual([
      [1, 0],
      [2, 1],
      [3, 0],
    ])
  })

  it('hand out nothing before it is on the disk', async () => {
    payeeBooks = new MemoryBooks()
    payerBooks = new MemoryBooks()
    payer = await openPayer()
    payee = await openPayee()
    const settles = async (work: Promise<unknown>, books: MemoryBooks) => {
      let isDone = false
      const stop = () => {
        isDone = true
      }
      work.then(stop, stop)
      for (let i = 0; i < 20; i++) await Promise.resolve()
      expect([isDone, books.waiting]).toEqual([false, 1])
      books.sync()
      await work
    }
    await settles(payer.setChannel(keys.payee.address, CHANNEL), payerBooks)
    await settles(payee.setChannel(keys.payer.address, CHANNEL), payeeBooks)
    const job = askedJob(1)
    await settles(payer.begin(id, job), payerBooks)
    payee.admit(id, job)
    const issued = payee.issue(id, workOf(job, 1))
    await settles(issued, payeeBooks)
    const paid = payer.receive(await issued)
    await settles(paid, payerBooks)
    const accepted = payee.accept(await paid)
    // A double of a voucher that is being written waits for it, too.
    const twice = payee.accept(await paid)
    const may = mayRelease(1)
    await settles(Promise.race([accepted, twice, may]), payeeBooks)
    await Promise.all([accepted, twice])
    expect(await may).toBe(true)
  })

  it('decide nothing more once a write failed', async () => {
    await payer.begin(id, askedJob(1))
    payerBooks.write = () => Promise.reject(new Error('no space left'))
    await expect(payer.begin(id, askedJob(2))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    payerBooks.write = MemoryBooks.prototype.write
    await expect(payer.begin(id, askedJob(3))).rejects.toThrow(/payments stopped/)
  })

  it('say when to redeem, and what', async () => {
    const policy: RedeemPolicy = { thresholdWei: 20n, beforeEndSeconds: 500, leastWei: 5n }
    expect(payee.due(policy, true)).toEqual([])
    await payee.accept(await payer.receive(await run(1)))
    expect(payee.due(policy)).toEqual([])
    expect(payee.due({ ...policy, leastWei: 11n }, true)).toEqual([])
    const [closing] = payee.due(policy, true)
    expect(closing).toMatchObject({ reason: 'closing', dueWei: 10n })
    expect(closing?.voucher).toMatchObject({ payer: keys.payer.address, amountWei: 10n, receipts: 1n })
    await payee.accept(await payer.receive(await run(2)))
    expect(payee.due(policy)[0]).toMatchObject({ reason: 'threshold', dueWei: 20n })
    await payee.setChannel(keys.payer.address, { ...CHANNEL, redeemedWei: 20n })
    expect(payee.due(policy, true)).toEqual([])
    await receive(1)
    await payee.accept(await payer.receive(await run(3)))
    now = CHANNEL.endsAt - 500
    expect(payee.due(policy)[0]).toMatchObject({ reason: 'ending', dueWei: 10n })
  })

  it('sign no second receipt where the payee lost its ledger, or went back to an older one, after a redemption', async () => {
    await payee.accept(await payer.receive(await run(1)))
    const channel = { ...CHANNEL, redeemedWei: 10n }
    payeeBooks = new MemoryBooks(true)
    const anew = await openPayee()
    await anew.setChannel(keys.payer.address, channel)
    // It would be the first one of this channel, and so contradict what auditors have.
    const refusal = expect.objectContaining({
      code: 'DENIED',
      message: expect.stringMatching(/earlier ledger/),
    })
    expect(() => anew.admit(id, askedJob(2))).toThrow(refusal)
    await payee.setChannel(keys.payer.address, channel)
    payee.admit(id, askedJob(2))
    await payee.setChannel(keys.payer.address, { ...channel, redeemedWei: 11n })
    expect(() => payee.admit(id, askedJob(3))).toThrow(refusal)
  })

  it('hand to the contract the signature that came, and take none that it could not recover', async () => {
    await payee.accept(await payer.receive(await run(1)))
    const voucher = await payer.receive(await run(2))
    const bent = voucher.signature.slice()
    bent[64] = 55 - (bent[64] ?? 0)
    await expect(payee.accept({ ...voucher, signature: bent })).rejects.toThrow('not signed by the payer')
    await payee.accept(voucher)
    const [due] = payee.due({ thresholdWei: 0n, beforeEndSeconds: 0, leastWei: 1n })
    expect(due?.voucher.signature).toBe(`0x${Buffer.from(voucher.signature).toString('hex')}`)
  })

  it('keep as many receipts as an audit window needs', async () => {
    const modules = { domain: DOMAIN, signer: keys.payee, books: payeeBooks, keptReceipts: 2, now: () => now }
    payee = await Payee.open(modules, PAYEE_LIMITS)
    for (const n of [1, 2, 3, 4]) {
      await payee.accept(await payer.receive(await run(n)))
      await receive(n)
    }
    expect((await payee.receipts(id, 1, 10)).map(({ index }) => index)).toEqual([3, 4])
    expect((await payer.receipts(id, 1, 10)).map(({ index }) => index)).toEqual([1, 2, 3, 4])
  })

  it('forget a channel with its receipts', async () => {
    await payee.accept(await payer.receive(await run(1)))
    await payee.forget(id)
    await payer.forget(id)
    expect([payee.accounts(), payer.accounts(), await payee.receipts(id, 1, 9)]).toEqual([[], [], []])
    expect(() => payee.account(id)).toThrow('this channel is not known here')
  })
})
