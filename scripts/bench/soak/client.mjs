/**
 * A program that buys over libp2p itself, one job after the other at a steady rate, for the soak: told what by its
 * parent's message, counts to it, and stops with the last word on SIGTERM.
 */
import '../../../dist/node/polyfills.js'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../../../dist/config/load.js'
import { dataPaths } from '../../../dist/config/paths.js'
import { loadIdentity } from '../../../dist/crypto/keystore-file.js'
import { pcm16Of } from '../../../dist/ml/audio/pcm16.js'
import { readWav } from '../../../dist/ml/audio/wav-read.js'
import { openNetworkClient } from '../../../dist/node/inference/client.js'
import { silentLogger } from '../../../dist/telemetry/logger.js'

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
