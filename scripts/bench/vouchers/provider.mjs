/**
 * A provider's daemon whose model does nothing: all else is as it is sold with, from libp2p and the evidence that auditors
 * may ask for to the synced books. The seam is the laboratory's.
 */
import '../../../dist/node/polyfills.js'
import { loadConfig } from '../../../dist/config/load.js'
import { dataPaths } from '../../../dist/config/paths.js'
import { loadIdentity } from '../../../dist/crypto/keystore-file.js'
import { encodeOutput } from '../../../dist/inference/network/job-codec.js'
import { honestProvider } from '../../../dist/inference/provider/behaviour.js'
import { startDaemon } from '../../../dist/node/daemon.js'
import { createLogger } from '../../../dist/telemetry/logger.js'

const { dataDir, passphrase } = JSON.parse(process.argv[2])
const nothing = encodeOutput({ kind: 'transcription', text: '', language: null, words: [] })
const { config } = await loadConfig({ env: {}, flags: { dataDir } })
await startDaemon({
  config,
  identity: await loadIdentity(dataPaths(dataDir).key, passphrase),
  roles: ['provider'],
  log: createLogger(config.logging),
  behaviours: { provider: { ...honestProvider, output: async () => nothing } },
})
