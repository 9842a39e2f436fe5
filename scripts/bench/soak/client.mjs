/**
 * A program that buys over libp2p itself, one job after the other at a steady rate, for the soak: told what by its
 * parent's message, counts to it, and stops with the last word on SIGTERM.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepYoungGenerationSmall } from '../../../dist/node/heap.js'

// As the command line does, before anything is loaded.
keepYoungGenerationSmall()
await import('../../../dist/node/polyfills.js')
const { loadConfig } = await import('../../../dist/config/load.js')
const { dataPaths } = await import('../../../dist/config/paths.js')
const { loadIdentity } = await import('../../../dist/crypto/keystore-file.js')
const { pcm16Of } = await import('../../../dist/ml/audio/pcm16.js')
const { readWav } = await import('../../../dist/ml/audio/wav-read.js')
const { openNetworkClient } = await import('../../../dist/node/inference/client.js')
const { silentLogger } = await import('../../../dist/telemetry/logger.js')

const { dataDir, provider, recording, everyMs, passphrase } = JSON.parse(process.argv[2])
const stopping = new AbortController()
process.once('SIGTERM', () => stopping.abort())

const { config } = await loadConfig({ env: {}, flags: { dataDir } })
const identity = await loadIdentity(dataPaths(dataDir).key, passphrase)
const client = await openNetworkClient({ config, identity, log: silentLogger, providers: [provider] })
const { sampleRate, channels } = readWav(readFileSync(recording))
const input = { kind: 'sound', sampleRate, pcm16: pcm16Of(channels[0]) }
/** A machine that starts three programs at once answers late at first. */
const TRIES = 10
let models = []
for (let tries = 0; tries < TRIES && models.length === 0; tries++)
  models = await client.jobs.models().catch(() => [])
const [model] = models
const counts = { done: 0, refused: 0, other: [], paidWei: 0n }
while (!stopping.signal.aborted) {
  const started = performance.now()
  try {
    const answer = await client.jobs.run({ task: 'transcribe', model: model.sha256, input, parameters: {} })
    counts.done++
    for (const { priceWei } of answer.payments) counts.paidWei += priceWei
  } catch (error) {
    if (error.code === 'BUSY') counts.refused++
    else counts.other.push(String(error))
  }
  process.send({ ...counts, paidWei: String(counts.paidWei) })
  const restMs = Math.max(0, everyMs - (performance.now() - started))
  await sleep(restMs, undefined, { signal: stopping.signal }).catch(() => {})
}
await client.close()
process.disconnect()
