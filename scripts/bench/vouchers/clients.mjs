/**
 * Clients of one process, each with its own key, host, channel and ledger: they open their channels by a few jobs, say that
 * they are ready, buy when they are told to, and say what each has paid for what it got.
 */
import '../../../dist/node/polyfills.js'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../../../dist/config/load.js'
import { dataPaths } from '../../../dist/config/paths.js'
import { loadIdentity } from '../../../dist/crypto/keystore-file.js'
import { openNetworkClient } from '../../../dist/node/inference/client.js'
import { silentLogger } from '../../../dist/telemetry/logger.js'

const { dataDirs, provider, jobs, inFlight, warmUp, passphrase } = JSON.parse(process.argv[2])
/** A tenth of a second of silence: what is counted is the payment, not the sound's way. */
const input = { kind: 'sound', sampleRate: 16_000, pcm16: new Uint8Array(3200) }
/** The provider may not have reached its chain yet. */
const TRIES = 20
const AGAIN_MS = 500

async function open(dataDir) {
  const { config } = await loadConfig({ env: {}, flags: { dataDir } })
  const identity = await loadIdentity(dataPaths(dataDir).key, passphrase)
  const client = await openNetworkClient({ config, identity, log: silentLogger, providers: [provider] })
  for (let tries = 0; tries < TRIES; tries++) {
    const [model] = await client.jobs.models().catch(() => [])
    if (model !== undefined) return { client, model, address: identity.address, paidWei: 0n, times: [] }
    await sleep(AGAIN_MS)
  }
  throw new Error('the provider offers nothing')
}

async function buy(each, count) {
  let left = count
  const buyer = async () => {
    while (left-- > 0) {
      const started = performance.now()
      const job = { task: 'transcribe', model: each.model.sha256, input, parameters: {} }
      const { payments } = await each.client.jobs.run(job)
      each.times.push(performance.now() - started)
      for (const { priceWei } of payments) each.paidWei += priceWei
    }
  }
  await Promise.all(Array.from({ length: inFlight }, buyer))
}

const told = () => once(process, 'message')
const all = await Promise.all(dataDirs.map(open))
for (const each of all) await buy(each, 1)
await Promise.all(all.map((each) => buy(each, warmUp)))
for (const each of all) each.times = []
process.send({ kind: 'ready' })
await told()
await Promise.all(all.map((each) => buy(each, jobs)))
process.send({
  kind: 'done',
  processorMs: Object.values(process.cpuUsage()).reduce((sum, each) => sum + each / 1000, 0),
  clients: all.map(({ address, paidWei, times }) => ({ address, paidWei: String(paidWei), times })),
})
await told()
// The provider is gone by now: nothing is left to be said to it.
process.exit(0)
