/**
 * The provider's ledger alone, called in this process: no network, no evidence, no model. Two figures: vouchers verified
 * and durably stored, and whole jobs (admitted, receipt signed and stored, voucher verified and stored, output released,
 * acknowledged), all clients at once. Receipts checked and vouchers signed, the clients' part, are done beforehand.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Identity } from '../../../src/crypto/identity.ts'
import * as payment from '../../../src/inference/payment/index.ts'
import { openStore } from '../../../src/store/index.ts'

const PRICE_WEI = 1000n
const NOW = 1_900_000_000

const domain = payment.paymentDomain(31337, Identity.generate().address)
const provider = Identity.generate()
const bytes32 = (...numbers) => {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  numbers.forEach((number, i) => {
    view.setUint32(4 * i, number)
  })
  return bytes
}
const limits = { exposureWei: 100n * PRICE_WEI, maxJobs: 16, leastRemainingSeconds: 60 }

/** A client's jobs, with the vouchers it is going to send for them. */
function prepare(client, run, jobs) {
  const signer = Identity.generate()
  const channelId = bytes32(0xc4a, client, run)
  const channel = { channelId, nonce: 1, depositWei: PRICE_WEI * BigInt(jobs + 1), endsAt: NOW + 1_000_000 }
  let [previous, totalWei] = [payment.NO_RECEIPTS, 0n]
  const works = Array.from({ length: jobs }, (_, i) => {
    const work = {
      jobId: bytes32(0x10b, client, run, i),
      model: bytes32(1),
      input: bytes32(2, i),
      terms: bytes32(3),
      output: bytes32(4, i),
      units: 1,
      priceWei: PRICE_WEI,
    }
    totalWei += PRICE_WEI
    const place = {
      channelId,
      index: i + 1,
      previous,
      kind: payment.ReceiptKind.job,
      totalWei,
      issuedAt: NOW,
    }
    previous = payment.receiptDigest(domain, { ...work, ...place })
    const content = { channelId, amountWei: totalWei, receipts: i + 1, receiptsHead: previous }
    return { work, voucher: payment.signVoucher(domain, content, signer) }
  })
  const ahead = Array.from({ length: jobs }, (_, i) =>
    payment.signVoucher(
      domain,
      { channelId, amountWei: BigInt(i + 1), receipts: 0, receiptsHead: payment.NO_RECEIPTS },
      signer,
    ),
  )
  return { signer, channel, works, ahead }
}

async function timed(total, what) {
  const processor = process.cpuUsage()
  const started = performance.now()
  await what()
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(processor)
  return { perSecond: total / seconds, perProcessorSecond: (total * 1e6) / (user + system) }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
const medians = (results) => ({
  perSecond: Math.round(median(results.map(({ perSecond }) => perSecond))),
  perProcessorSecond: Math.round(median(results.map(({ perProcessorSecond }) => perProcessorSecond))),
})

/** @returns medians of the runs */
export async function ledgerAlone({ clients, jobs, runs }) {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'))
  try {
    const stored = []
    const paid = []
    for (let run = 0; run < runs; run++) {
      const all = Array.from({ length: clients }, (_, client) => prepare(client, run, jobs))
      for (const kind of ['stored', 'paid']) {
        const store = await openStore(join(directory, `${kind}-${run}`))
        const payee = await payment.Payee.open(
          { domain, signer: provider, books: store.paymentsEarned, now: () => NOW },
          limits,
        )
        for (const { signer, channel } of all) await payee.setChannel(signer.address, channel)
        const course = {
          stored: async ({ ahead }) => {
            for (const voucher of ahead) await payee.accept(voucher)
          },
          paid: async ({ channel: { channelId }, works }) => {
            for (const { work, voucher } of works) {
              payee.admit(channelId, { jobId: work.jobId, maxPriceWei: PRICE_WEI })
              await payee.issue(channelId, work)
              await payee.accept(voucher)
              if (!(await payee.mayRelease(channelId, work.jobId)))
                throw new Error('an output was not released')
              payee.acknowledge(channelId, work.jobId)
            }
          },
        }[kind]
        const result = await timed(clients * jobs, () => Promise.all(all.map(course)))
        ;(kind === 'stored' ? stored : paid).push(result)
        await store.close()
        // What was promised is on the disk.
        const again = await openStore(join(directory, `${kind}-${run}`))
        const accounts = await again.paymentsEarned.accounts()
        if (accounts.length !== clients) throw new Error('an account is missing')
        const reopened = await payment.Payee.open(
          { domain, signer: provider, books: again.paymentsEarned, now: () => NOW },
          limits,
        )
        const expected = kind === 'stored' ? BigInt(jobs) : PRICE_WEI * BigInt(jobs)
        for (const { voucher } of reopened.accounts())
          if (voucher?.amountWei !== expected) throw new Error('a voucher is missing on the disk')
        await again.close()
      }
    }
    return { stored: medians(stored), paid: medians(paid) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
