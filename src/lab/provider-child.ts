/** Corrupt providers of the laboratory: real nodes, whose providers cheat in every job in the way that each is told. */
import '../node/polyfills.js'
import { readFile } from 'node:fs/promises'
import { loadConfig } from '../config/load.js'
import { readPassphraseFile } from '../config/passphrase.js'
import { dataPaths } from '../config/paths.js'
import { loadIdentity } from '../crypto/keystore-file.js'
import { type Daemon, startDaemon } from '../node/daemon.js'
import { createLogger } from '../telemetry/logger.js'
import {
  CHAIN_ATTACKS,
  type ChainAttack,
  corruptProvider,
  forkingProvider,
  type ProviderAttack,
} from './adversary/provider.js'

export interface CorruptProviderSpec {
  readonly dataDir: string
  readonly passphraseFile: string
  readonly attack: ProviderAttack | ChainAttack
}

const isFork = (attack: ProviderAttack | ChainAttack): attack is ChainAttack =>
  CHAIN_ATTACKS.some((each) => each === attack)

async function start({ dataDir, passphraseFile, attack }: CorruptProviderSpec): Promise<Daemon> {
  const { config } = await loadConfig({ flags: { dataDir } })
  const identity = await loadIdentity(dataPaths(dataDir).key, await readPassphraseFile(passphraseFile))
  const { level } = config.logging
  return startDaemon({
    config,
    identity,
    log: createLogger({ level, format: 'json' }),
    roles: ['provider'],
    behaviours: { provider: isFork(attack) ? forkingProvider(attack, identity) : corruptProvider(attack) },
  })
}

/** @param specPath a list of {@link CorruptProviderSpec}: one process has room for several */
async function main(specPath: string): Promise<void> {
  const specs = JSON.parse(await readFile(specPath, 'utf8')) as readonly CorruptProviderSpec[]
  const daemons = await Promise.all(specs.map(start))
  // They redeem what they were paid, as any other.
  const stop = (): void => void Promise.all(daemons.map((each) => each.stop())).finally(() => process.exit(0))
  process.once('disconnect', stop)
  process.once('SIGTERM', stop)
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
