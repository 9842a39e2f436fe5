/** A corrupt provider of the laboratory: the real node, whose provider cheats in every job in the way that it is told. */
import '../node/polyfills.js'
import { readFile } from 'node:fs/promises'
import { loadConfig } from '../config/load.js'
import { readPassphraseFile } from '../config/passphrase.js'
import { dataPaths } from '../config/paths.js'
import { loadIdentity } from '../crypto/keystore-file.js'
import { startDaemon } from '../node/daemon.js'
import { createLogger } from '../telemetry/logger.js'
import { corruptProvider, type ProviderAttack } from './adversary/provider.js'

export interface CorruptProviderSpec {
  readonly dataDir: string
  readonly passphraseFile: string
  readonly attack: ProviderAttack
}

async function main(specPath: string): Promise<void> {
  const { dataDir, passphraseFile, attack } = JSON.parse(
    await readFile(specPath, 'utf8'),
  ) as CorruptProviderSpec
  const { config } = await loadConfig({ flags: { dataDir } })
  const identity = await loadIdentity(dataPaths(dataDir).key, await readPassphraseFile(passphraseFile))
  const { level } = config.logging
  const daemon = await startDaemon({
    config,
    identity,
    log: createLogger({ level, format: 'json' }),
    roles: ['provider'],
    behaviours: { provider: corruptProvider(attack) },
  })
  // It redeems what it was paid, as any other.
  const stop = (): void => void daemon.stop().finally(() => process.exit(0))
  process.once('disconnect', stop)
  process.once('SIGTERM', stop)
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
