/**
 * Payer and payee as processes on real stores, killed with SIGKILL at every step of a job, before, during and after its
 * write: `LEDGER_KILLS=100 npx vitest run test/unit/inference/payment/killed.test.ts` for as many as issue 6 asks for.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type PayeeAccount,
  type PayerAccount,
  receiptDigest,
  type SignedReceipt,
  type SignedVoucher,
} from '../../../../src/inference/payment/index.js'
import { Killable, Killed } from './killable.js'
import { askedJob, DOMAIN, identities, outputOf } from './support.js'

const KILLS = Number(process.env.LEDGER_KILLS ?? 6)
const EXPOSURE = 50n
const PRICE = 10n
/** A synced write takes about as long. */
const LONGEST_DELAY_MS = 4

const STEPS = ['begin', 'run', 'receive', 'pay', 'deliver', 'have'] as const

describe('ledgers whose processes are killed', () => {
  let directory: string
  let payer: Killable
  let payee: Killable

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plumbline-killed-'))
    const keys = identities()
    payer = new Killable('payer', join(directory, 'payer'), keys.payer, keys.payee.address)
    payee = new Killable('payee', join(directory, 'payee'), keys.payee, keys.payer.address)
    await Promise.all([payer.start(), payee.start()])
  })
  afterEach(async () => {
    await Promise.all([payer.stop(), payee.stop()])
    await rm(directory, { recursive: true, force: true })
  })

  it(`lose no voucher and no receipt, and stay within the bound, in ${KILLS} kills`, async () => {
    const digests = new Map<number, string>()
    const delivered = new Set<number>()
    /** The newest voucher that the payee said it holds. */
    let heldWei = 0n
    let leftWei = 0n
    let jobs = 0

    const seen = (receipt: SignedReceipt): SignedReceipt => {
      const digest = Buffer.from(receiptDigest(DOMAIN, receipt)).toString('hex')
      expect(digests.get(receipt.index) ?? digest).toBe(digest)
      digests.set(receipt.index, digest)
      return receipt
    }
    const left = (voucher: SignedVoucher): SignedVoucher => {
      if (voucher.amountWei > leftWei) leftWei = voucher.amountWei
      return voucher
    }

    /** What both say to each other after one of them was away. */
    async function resume(): Promise<void> {
      const before = await payer.ask<PayerAccount>({ what: 'account' })
      const receipts = await payee.ask<readonly SignedReceipt[]>({
        what: 'receipts',
        from: before.receipts + 1,
      })
      for (const receipt of receipts) await payer.ask({ what: 'receive', receipt: seen(receipt) })
      const newest = await payer.ask<SignedVoucher | undefined>({ what: 'newest' })
      const { asked, undelivered } = await payer.ask<PayerAccount>({ what: 'account' })
      for (const { jobId } of asked) await payer.ask({ what: 'drop', jobId })
      if (newest === undefined) return
      left(newest)
      for (const { jobId } of undelivered.length > 0 ? undelivered : [{ jobId: newest.channelId }]) {
        const n = Buffer.from(jobId).readUInt32BE(28)
        const output = await payee.ask<Uint8Array | undefined>({ what: 'pay', voucher: newest, jobId, n })
        if (output === undefined) continue
        await payer.ask({ what: 'deliver', jobId, output })
        delivered.add(n)
        await payee.ask({ what: 'have', jobId })
      }
      heldWei = newest.amountWei
      const owed = (await payee.ask<PayeeAccount>({ what: 'account' })).owed
      for (const { jobId } of owed) await payee.ask({ what: 'have', jobId })
    }

    /** One job, with a kill at one of its steps. */
    async function job(
      n: number,
      doomed: (typeof STEPS)[number] | undefined,
      delayMs: number,
    ): Promise<void> {
      const asked = askedJob(n, PRICE)
      const { jobId } = asked
      const at = (step: (typeof STEPS)[number]) => (step === doomed ? delayMs : undefined)
      await payer.ask({ what: 'begin', job: asked }, at('begin'))
      const receipt = seen(await payee.ask<SignedReceipt>({ what: 'run', job: asked, n }, at('run')))
      const voucher = left(await payer.ask<SignedVoucher>({ what: 'receive', receipt }, at('receive')))
      const output = await payee.ask<Uint8Array | undefined>({ what: 'pay', voucher, jobId, n }, at('pay'))
      heldWei = voucher.amountWei
      if (output === undefined) {
        // Killed right after it said what the job costs, the payee credited it.
        expect(doomed).toBe('run')
        return
      }
      expect(output).toEqual(outputOf(n))
      delivered.add(n)
      await payer.ask({ what: 'deliver', jobId, output: outputOf(n) }, at('deliver'))
      await payee.ask({ what: 'have', jobId }, at('have'))
    }

    for (let kill = 0; kill < KILLS; kill++) {
      const doomed = STEPS[kill % STEPS.length]
      // From at once to surely afterwards.
      const delayMs = (kill * 7) % (2 * LONGEST_DELAY_MS)
      await job(++jobs, doomed, delayMs).catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error
      })
      // Whoever was killed holds what it said it holds.
      const { voucher } = await payee.ask<PayeeAccount>({ what: 'account' })
      expect(voucher?.amountWei ?? 0n).toBeGreaterThanOrEqual(heldWei)
      const mine = await payer.ask<PayerAccount>({ what: 'account' })
      expect(mine.voucher?.amountWei ?? 0n).toBeGreaterThanOrEqual(leftWei)
      expect(leftWei - PRICE * BigInt(delivered.size)).toBeLessThanOrEqual(EXPOSURE)
      await resume()
      await job(++jobs, undefined, 0)
    }
    expect(payer.kills + payee.kills).toBe(KILLS)
    const [mine, theirs] = [
      await payer.ask<PayerAccount>({ what: 'account' }),
      await payee.ask<PayeeAccount>({ what: 'account' }),
    ]
    expect(mine.voucher).toEqual(theirs.voucher)
    expect([mine.receipts, mine.totalWei]).toEqual([theirs.issued, theirs.totalWei])
    expect([mine.undelivered, theirs.owed]).toEqual([[], []])
    // Everything delivered is paid, but for what a killed payee credited although it had left.
    const paid = mine.voucher?.amountWei ?? 0n
    expect(PRICE * BigInt(delivered.size) - paid).toBeLessThanOrEqual(EXPOSURE * BigInt(payee.kills))
    expect(paid - PRICE * BigInt(delivered.size)).toBeLessThanOrEqual(EXPOSURE)
  }, 1_200_000)
})
