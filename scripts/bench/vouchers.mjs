#!/usr/bin/env node
/**
 * `npm run bench -- vouchers [--clients 8] [--jobs 150] [--runs 3] [--json]`: what one provider process can be paid for,
 * on a real store. Two figures: vouchers verified and durably stored, and whole paid jobs of a no-op model (admitted,
 * receipt signed and stored, voucher verified and stored, output released, acknowledged), all clients at once. The
 * clients' own work, receipts checked and vouchers signed, is done beforehand, so that only the provider is measured.
 * Processor time beside the clock: on a busy machine the clock says little. Exit status 1 where a second of processor
 * time suffices for less than 250 paid jobs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const TARGET_JOBS_PER_SECOND = 250
const PRICE_WEI = 1000n
const NOW = 1_900_000_000
const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'vouchers'),
  options: {
    clients: { type: 'string', default: '8' },
    jobs: { type: 'string', default: '150' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})
const [clients, jobs, runs] = [values.clients, values.jobs, values.runs].map(Number)

register()
await import('../../src/node/polyfills.ts')
const { Identity } = await import('../../src/crypto/identity.ts')
const payment = await import('../../src/inference/payment/index.ts')
const { openStore } = await import('../../src/store/index.ts')

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
function prepare(client, run) {
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

async function timed(what) {
  const processor = process.cpuUsage()
  const started = performance.now()
  await what()
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(processor)
  const total = clients * jobs
  return { perSecond: total / seconds, perProcessorSecond: (total * 1e6) / (user + system) }
}

const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'))
try {
  const stored = []
  const paid = []
  const latenciesMs = []
  for (let run = 0; run < runs; run++) {
    const all = Array.from({ length: clients }, (_, client) => prepare(client, run))
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
            const begun = performance.now()
            payee.admit(channelId, { jobId: work.jobId, maxPriceWei: PRICE_WEI })
            await payee.issue(channelId, work)
            await payee.accept(voucher)
            if (!(await payee.mayRelease(channelId, work.jobId)))
              throw new Error('an output was not released')
            payee.acknowledge(channelId, work.jobId)
            latenciesMs.push(performance.now() - begun)
          }
        },
      }[kind]
      const result = await timed(() => Promise.all(all.map(course)))
      ;(kind === 'stored' ? stored : paid).push(result)
      await store.close()
      // What was promised is on the disk.
      const again = await openStore(join(directory, `${kind}-${run}`))
      const { accounts } = { accounts: await again.paymentsEarned.accounts() }
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
  const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
  const medians = (results) => ({
    perSecond: Math.round(median(results.map(({ perSecond }) => perSecond))),
    perProcessorSecond: Math.round(median(results.map(({ perProcessorSecond }) => perProcessorSecond))),
  })
  const sorted = latenciesMs.sort((a, b) => a - b)
  const at = (share) =>
    Math.round(10 * sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]) / 10
  const report = {
    clients,
    jobs: clients * jobs,
    runs,
    vouchers: medians(stored),
    paidJobs: { ...medians(paid), p50Ms: at(0.5), p99Ms: at(0.99) },
    targetJobsPerSecond: TARGET_JOBS_PER_SECOND,
  }
  const met = report.paidJobs.perProcessorSecond >= TARGET_JOBS_PER_SECOND
  if (values.json) console.log(JSON.stringify({ ...report, met }, null, 2))
  else
    console.log(
      [
        `vouchers, ${clients} clients at once, ${report.jobs} jobs, medians of ${runs}:`,
        `  verified and durably stored: ${report.vouchers.perSecond}/s, ${report.vouchers.perProcessorSecond} per second of processor time`,
        `  paid jobs (receipt and voucher): ${report.paidJobs.perSecond}/s, ${report.paidJobs.perProcessorSecond} per second of processor time (target ${TARGET_JOBS_PER_SECOND})`,
        `  the provider's part of a job: p50 ${report.paidJobs.p50Ms} ms, p99 ${report.paidJobs.p99Ms} ms with ${clients} clients`,
      ].join('\n'),
    )
  process.exitCode = met ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
