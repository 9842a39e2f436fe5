/** A corrupt daemon of the laboratory: the real node with a misbehaving seam handed in. */
import '../node/polyfills.js'
import { readFile } from 'node:fs/promises'
import { loadConfig } from '../config/load.js'
import { readPassphraseFile } from '../config/passphrase.js'
import { dataPaths } from '../config/paths.js'
import { loadIdentity } from '../crypto/keystore-file.js'
import { startDaemon } from '../node/daemon.js'
import { createLogger } from '../telemetry/logger.js'
import type { ChallengerAttack, ProverAttack } from './adversary/attack.js'
import { corruptChallenger } from './adversary/challenger.js'
import { corruptProver } from './adversary/prover.js'
import { SideChannel } from './adversary/side-channel.js'

export interface CorruptSpec {
  readonly dataDir: string
  readonly passphraseFile: string
  readonly sideChannelPath: string
  readonly challenger?: ChallengerAttack
  readonly prover?: readonly ProverAttack[]
}

async function main(specPath: string): Promise<void> {
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as CorruptSpec
  const { config } = await loadConfig({ flags: { dataDir: spec.dataDir } })
  const identity = await loadIdentity(
    dataPaths(spec.dataDir).key,
    await readPassphraseFile(spec.passphraseFile),
  )
  const log = createLogger({ level: config.logging.level, format: 'json' })
  const { sideChannelPath, challenger, prover } = spec
  const channel = new SideChannel()
  if (prover !== undefined) await channel.listen(sideChannelPath)
  await startDaemon({
    config,
    identity,
    log,
    roles: [prover === undefined ? 'challenger' : 'prover'],
    behaviours: {
      ...(challenger === undefined
        ? {}
        : { challenger: corruptChallenger(challenger, { publicKey: identity.publicKey, sideChannelPath }) }),
      ...(prover === undefined ? {} : { prover: corruptProver(prover, channel) }),
    },
  })
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
