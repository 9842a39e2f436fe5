/** A corrupt daemon of the laboratory: the real node with a misbehaving seam handed in. */
import '../node/polyfills.js'
import { readFile } from 'node:fs/promises'
import { loadConfig } from '../config/load.js'
import { readPassphraseFile } from '../config/passphrase.js'
import { dataPaths } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import { type Identity, publicKeyOfPeerId } from '../crypto/identity.js'
import { loadIdentity } from '../crypto/keystore-file.js'
import { startDaemon } from '../node/daemon.js'
import { createNodeHost } from '../node/host.js'
import { RegistryFile, registryPath } from '../node/registry-file.js'
import { createLogger, type Logger } from '../telemetry/logger.js'
import type { ChallengerAttack, ProverAttack } from './adversary/attack.js'
import { type ChallengerContext, corruptChallenger } from './adversary/challenger.js'
import { Injector } from './adversary/injector.js'
import { corruptProver } from './adversary/prover.js'
import { reflection } from './adversary/reflect.js'
import { ControlReplayer } from './adversary/replay-control.js'
import { SideChannel } from './adversary/side-channel.js'

export interface CorruptSpec {
  readonly dataDir: string
  readonly passphraseFile: string
  readonly sideChannelPath: string
  /** Multiaddr with its peer id. */
  readonly proverAddress: string
  readonly challenger?: ChallengerAttack
  readonly prover?: readonly ProverAttack[]
  /** Address of the third party, for a prover that reflects. */
  readonly victim?: string
}

interface Parts {
  readonly config: Config
  readonly identity: Identity
  readonly log: Logger
  readonly channel: SideChannel
}

function challengerContext(
  attack: ChallengerAttack,
  spec: CorruptSpec,
  { config, identity, log, channel }: Parts,
): ChallengerContext {
  const base = { identity, channel }
  if (attack !== 'ack-flood' && attack !== 'replay' && attack !== 'spoof') return base
  const injector = new Injector(attack, channel)
  const inject = () => injector.start()
  if (attack !== 'replay') return { ...base, inject }
  const { proverAddress } = spec
  const registry = new RegistryFile(registryPath(config), log, config.registry.publisher)
  let host: ReturnType<typeof createNodeHost> | undefined
  const replayer = new ControlReplayer({
    control: () => {
      host ??= createNodeHost({ config, identity, log, clientOnly: true })
      return host
    },
    entries: async () => registry.current().entries,
    own: identity.publicKey,
    prover: {
      publicKey: publicKeyOfPeerId(proverAddress.slice(proverAddress.lastIndexOf('/') + 1)),
      addresses: [proverAddress],
    },
    channel,
  })
  return { ...base, inject, replay: (step, message) => replayer.see(step, message) }
}

async function main(specPath: string): Promise<void> {
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as CorruptSpec
  const { config } = await loadConfig({ flags: { dataDir: spec.dataDir } })
  const identity = await loadIdentity(
    dataPaths(spec.dataDir).key,
    await readPassphraseFile(spec.passphraseFile),
  )
  const log = createLogger({ level: config.logging.level, format: 'json' })
  const { challenger, prover, victim } = spec
  const channel = new SideChannel(spec.sideChannelPath)
  const parts = { config, identity, log, channel }
  await startDaemon({
    config,
    identity,
    log,
    roles: [prover === undefined ? 'challenger' : 'prover'],
    behaviours: {
      ...(challenger === undefined
        ? {}
        : { challenger: corruptChallenger(challenger, challengerContext(challenger, spec, parts)) }),
      ...(prover === undefined
        ? {}
        : {
            prover: corruptProver(prover, {
              channel,
              ...(victim === undefined ? {} : { path: reflection({ victim, channel }) }),
            }),
          }),
    },
  })
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
