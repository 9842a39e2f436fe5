/** A corruptible daemon of the laboratory: the real node with seams handed in that its parent sets. Messages in: {@link Assignment}. */
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
import { honestChallenger, honestProver } from '../roles/behaviour.js'
import { createLogger, type Logger } from '../telemetry/logger.js'
import type { ChallengerAttack, ProverAttack } from './adversary/attack.js'
import { type ChallengerContext, corruptChallenger } from './adversary/challenger.js'
import { watchConnections } from './adversary/hang-up.js'
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
  readonly role: 'challenger' | 'prover'
}

/** How it behaves from now on: with neither, honestly. */
export interface Assignment {
  readonly challenger?: readonly ChallengerAttack[]
  readonly prover?: readonly ProverAttack[]
  /** Address of the third party, for a prover that reflects. */
  readonly victim?: string
}

interface Parts {
  readonly config: Config
  readonly identity: Identity
  readonly log: Logger
  readonly channel: SideChannel
  readonly hangUp: () => void
}

let injector: Injector | undefined
let replayer: ControlReplayer | undefined

function challengerContext(
  attack: ChallengerAttack,
  spec: CorruptSpec,
  { config, identity, log, channel, hangUp }: Parts,
): ChallengerContext {
  const base = { identity, channel, hangUp }
  if (attack !== 'ack-flood' && attack !== 'replay' && attack !== 'spoof') return base
  const own = new Injector(attack, channel)
  injector = own
  const inject = () => own.start()
  if (attack !== 'replay') return { ...base, inject }
  const { proverAddress } = spec
  const registry = new RegistryFile(registryPath(config), log, config.registry.publisher)
  let host: ReturnType<typeof createNodeHost> | undefined
  const ownReplayer = new ControlReplayer({
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
  replayer = ownReplayer
  return { ...base, inject, replay: (step, message) => ownReplayer.see(step, message) }
}

async function main(specPath: string): Promise<void> {
  const hangUp = watchConnections()
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as CorruptSpec
  const { config } = await loadConfig({ flags: { dataDir: spec.dataDir } })
  const identity = await loadIdentity(
    dataPaths(spec.dataDir).key,
    await readPassphraseFile(spec.passphraseFile),
  )
  const log = createLogger({ level: config.logging.level, format: 'json' })
  const channel = new SideChannel(spec.sideChannelPath)
  const parts: Parts = { config, identity, log, channel, hangUp }
  // The node keeps these two objects; what they do is set anew with each assignment.
  const challenger = { ...honestChallenger }
  const prover = { ...honestProver }
  process.on('message', (assignment: Assignment) => {
    injector?.stop()
    injector = undefined
    replayer?.stop()
    replayer = undefined
    const { challenger: attack, prover: attacks, victim } = assignment
    Object.assign(
      challenger,
      honestChallenger,
      attack === undefined ? {} : corruptChallenger(attack, (each) => challengerContext(each, spec, parts)),
    )
    const path = victim === undefined ? {} : { path: reflection({ victim, channel }) }
    Object.assign(
      prover,
      honestProver,
      attacks === undefined ? {} : corruptProver(attacks, { channel, identity, ...path }),
    )
    process.send?.({ kind: 'assigned' })
  })
  await startDaemon({ config, identity, log, roles: [spec.role], behaviours: { challenger, prover } })
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
