#!/usr/bin/env node
/**
 * `npm run bench -- vouchers [--clients 8] [--jobs 250] [--in-flight 8] [--processes 2] [--clients-on folder] [--json]`: paid jobs a second through
 * one provider. A provider's daemon whose model does nothing, and clients that buy from it over libp2p, each with a channel
 * on a real chain: every receipt and every voucher is signed, verified and synced to the disk before what depends on it
 * leaves. At the end the provider is killed, and its disk must have a voucher for all that any client got. Second line: the
 * provider's ledger alone, called in this process.
 *
 * Processor time stands beside the clock: clients and provider share this machine. They share its disk, too, which syncs nine
 * ledgers in turns: `--clients-on /dev/shm` keeps the clients' elsewhere, as on machines of their own. Exit status 1 where the clock says less
 * than 250 jobs a second.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const TARGET_JOBS_PER_SECOND = 250
const PRICE_WEI = 1000n
/** Of each client: compilers and streams are warm by then. */
const WARM_UP = 100
const LEDGER = { jobs: 150, runs: 3 }
const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'vouchers'),
  options: {
    clients: { type: 'string', default: '8' },
    jobs: { type: 'string', default: '250' },
    'in-flight': { type: 'string', default: '8' },
    processes: { type: 'string', default: '2' },
    'clients-on': { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const [clients, jobs, inFlight, processes] = [
  values.clients,
  values.jobs,
  values['in-flight'],
  values.processes,
].map(Number)

register()
await import('../../src/node/polyfills.ts')
const { Market } = await import('../../test/support/market.ts')
const { PASSPHRASE } = await import('../../test/support/local-network.ts')
const { dataPaths } = await import('../../src/config/paths.ts')
const { openStore } = await import('../../src/store/index.ts')
const payment = await import('../../src/inference/payment/index.ts')
const { ledgerAlone } = await import('./vouchers/ledger.mjs')

const start = (name, told) =>
  fork(fileURLToPath(new URL(`vouchers/${name}.mjs`, import.meta.url)), [
    JSON.stringify({ ...told, passphrase: PASSPHRASE }),
  ])

/** @throws where it ends before */
async function said(child, kind) {
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`a process of the bench ended with ${code ?? signal}`)
  })
  for (;;) {
    const [message] = await Promise.race([once(child, 'message'), ended])
    if (message.kind === kind) return message
  }
}

/** Of a process and its threads, so far. */
const processorMs = (pid) =>
  readdirSync(`/proc/${pid}/task`).reduce(
    (sum, task) =>
      sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6,
    0,
  )

/** What a provider that was killed has on its disk, by payer. */
async function vouchersOnDisk({ dataDir, identity }) {
  const store = await openStore(dataPaths(dataDir).store)
  try {
    const payee = await payment.Payee.open(
      {
        domain: payment.paymentDomain(1, identity.address),
        signer: identity,
        books: store.paymentsEarned,
        now: () => 0,
      },
      { exposureWei: 0n, maxJobs: 0, leastRemainingSeconds: 0 },
    )
    return new Map(payee.accounts().map(({ payer, voucher }) => [payer, voucher?.amountWei ?? 0n]))
  } finally {
    await store.close()
  }
}

const moved = []

/** A client's data where the clients' ledgers are to be. */
async function elsewhere(dataDir) {
  if (values['clients-on'] === undefined) return dataDir
  const folder = await mkdtemp(join(values['clients-on'], 'plumbline-client-'))
  moved.push(folder)
  await cp(dataDir, folder, { recursive: true })
  return folder
}

async function overTheNetwork() {
  const market = await Market.open({ priceWei: PRICE_WEI })
  const children = []
  try {
    const buyers = [market.client]
    while (buyers.length < clients) buyers.push(await market.addBuyer(`buyer-${buyers.length}`))
    const dataDirs = await Promise.all(buyers.map(({ dataDir }) => elsewhere(dataDir)))
    const provider = start('provider', { dataDir: market.provider.dataDir })
    children.push(provider)
    await said(provider, 'ready')
    const groups = Array.from({ length: Math.min(processes, clients) }, (_, group) =>
      dataDirs.filter((_, i) => i % processes === group),
    )
    const sides = groups.map((group) =>
      start('clients', {
        dataDirs: group,
        provider: market.provider.address,
        jobs,
        inFlight,
        warmUp: WARM_UP,
      }),
    )
    children.push(...sides)
    await Promise.all(sides.map((side) => said(side, 'ready')))
    const before = {
      atMs: performance.now(),
      provider: processorMs(provider.pid),
      sides: sides.map(({ pid }) => processorMs(pid)),
    }
    const answers = sides.map((side) => said(side, 'done'))
    for (const side of sides) side.send('go')
    const done = await Promise.all(answers)
    const seconds = (performance.now() - before.atMs) / 1000
    const providerMs = processorMs(provider.pid) - before.provider
    const sidesMs = sides.reduce((sum, { pid }, i) => sum + processorMs(pid) - before.sides[i], 0)
    // What a client has must be on the provider's disk already.
    const gone = once(provider, 'exit')
    provider.kill('SIGKILL')
    await gone
    const onDisk = await vouchersOnDisk(market.provider)
    const bought = done.flatMap((each) => each.clients)
    const lost = bought.filter(({ address, paidWei }) => (onDisk.get(address) ?? 0n) < BigInt(paidWei))
    for (const side of sides) side.send('end')
    await Promise.all(sides.map((side) => once(side, 'exit')))
    const total = clients * jobs
    const times = bought.flatMap((each) => each.times).sort((a, b) => a - b)
    const at = (share) =>
      Math.round(10 * times[Math.min(times.length - 1, Math.floor(share * times.length))]) / 10
    return {
      jobs: total,
      perSecond: Math.round(total / seconds),
      providerProcessorMs: Math.round((100 * providerMs) / total) / 100,
      clientsProcessorMs: Math.round((100 * sidesMs) / total) / 100,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      clientsWithLostVouchers: lost.length,
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await market.close()
    for (const folder of moved) await rm(folder, { recursive: true, force: true })
  }
}

const network = await overTheNetwork()
const load = loadavg()[0]
const ledger = await ledgerAlone({ clients, ...LEDGER })
const met = network.perSecond >= TARGET_JOBS_PER_SECOND && network.clientsWithLostVouchers === 0
const report = {
  clients,
  inFlight,
  clientsOn: values['clients-on'] ?? null,
  load,
  network,
  ledger,
  targetJobsPerSecond: TARGET_JOBS_PER_SECOND,
  met,
}
if (values.json) console.log(JSON.stringify(report, null, 2))
else
  console.log(
    [
      `vouchers, ${clients} clients at once in ${processes} processes, ${inFlight} jobs of each under way, a model that does nothing${values['clients-on'] === undefined ? '' : `, ledgers of clients on ${values['clients-on']}`}, load ${load.toFixed(1)}:`,
      `  over libp2p, ${network.jobs} jobs: ${network.perSecond}/s (target ${TARGET_JOBS_PER_SECOND}), p50 ${network.p50Ms} ms, p99 ${network.p99Ms} ms; ` +
        `processor time of a job: provider ${network.providerProcessorMs} ms, clients ${network.clientsProcessorMs} ms`,
      `  after a kill of the provider: ${network.clientsWithLostVouchers} of ${clients} clients had got more than its disk has vouchers for`,
      `  the ledger alone, in one process: ${ledger.paid.perSecond} paid jobs/s (${ledger.paid.perProcessorSecond} a second of processor time), ` +
        `${ledger.stored.perSecond} vouchers/s verified and stored (${ledger.stored.perProcessorSecond})`,
    ].join('\n'),
  )
process.exitCode = met ? 0 : 1
