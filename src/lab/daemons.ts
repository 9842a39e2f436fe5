/**
 * The processes of a laboratory: real daemons where they are honest, the same with seams that can be set where some attack of
 * the run wants them corrupt. Attacks follow one another in the same processes: starting thirteen nodes takes longer than a
 * measurement.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@noble/hashes/utils.js'
import { UserError } from '../errors.js'
import type { MeasureOrder } from '../node/measure.js'
import {
  type AttackPlan,
  coordinatorColludes,
  NO_ATTACK,
  needsTap,
  needsVictim,
  proverColludes,
} from './adversary/attack.js'
import { CORRUPT_FACTS } from './adversary/facts.js'
import type { SideChannelHub } from './adversary/side-channel.js'
import type { TapSpec } from './adversary/tap-child.js'
import { chainSpec, type LabChain, labChain } from './chain.js'
import type { Assignment, CorruptSpec } from './daemon-child.js'
import { BEACON_PORT, type LabDaemon, type LabFiles } from './daemon-files.js'
import { compiledEntry } from './entry.js'
import { LabJobs } from './jobs.js'
import type { JobsSpec } from './jobs-child.js'
import type { PayerAssignment, PayerSpec } from './measure-child.js'
import type { HostName, LabNetwork } from './network.js'

const READY_TIMEOUT_MS = 180_000
const RECORDING = fileURLToPath(new URL('../../docs/sample.wav', import.meta.url))

export interface LabDaemonsModules {
  readonly network: LabNetwork
  readonly directory: string
  readonly files: LabFiles
  readonly hub: SideChannelHub
  /** Every attack that is going to be made. */
  readonly attacks: readonly AttackPlan[]
  readonly order: Omit<MeasureOrder, 'target'>
  /** Declared by every challenger. */
  readonly uplinkMbps: number
  readonly onChain: boolean
  /** Told when the chain is there. */
  readonly onChainReady: () => void
  /** The prover's node runs jobs, too: so many at once, of apps beside it. */
  readonly jobsAtOnce?: number | undefined
}

export class LabDaemons {
  readonly #modules: LabDaemonsModules
  readonly #env: NodeJS.ProcessEnv
  readonly #errors = new Map<ChildProcess, string>()
  readonly #corruptible = new Map<HostName, ChildProcess>()
  #payer: ChildProcess | undefined
  #tap: ChildProcess | undefined
  #chain: LabChain | undefined
  /** How many processes run, the payer included. */
  count = 0
  jobs: LabJobs | undefined

  constructor(modules: LabDaemonsModules) {
    this.#modules = modules
    this.#env = { ...process.env, PLUMBLINE_PASSPHRASE_FILE: modules.files.passphraseFile }
  }

  get payer(): ChildProcess {
    if (this.#payer === undefined) throw new Error('no payer')
    return this.#payer
  }

  get chain(): LabChain | undefined {
    return this.#chain
  }

  async start(): Promise<void> {
    const { directory, network, files, hub, attacks, onChain } = this.#modules
    await mkdir(join(directory, 'logs'))
    if (attacks.some((attack) => attack !== NO_ATTACK)) await hub.listen(this.#sideChannelPath)
    const beacon = await this.#spawn('beacon', './beacon-child.js', 'beacon', {
      secretPath: files.beaconSecretPath,
      host: network.host('beacon').address,
      port: BEACON_PORT,
      genesisTimeSeconds: files.beacon.genesisTimeSeconds,
      periodSeconds: files.beacon.periodSeconds,
    })
    const ready = [this.#ready(beacon, 'beacon')]
    // Before the daemons: they look for their contracts when they start.
    if (onChain) await this.#startChain()
    const challengers = files.challengers.map((daemon, i) =>
      this.#startDaemon(
        `challenger-${i}`,
        daemon,
        'challenger',
        (attack) => attack.challengers[i] !== undefined,
      ),
    )
    const provers = files.provers.map((daemon, i) =>
      this.#startDaemon(`prover-${i}`, daemon, 'prover', proverColludes),
    )
    await Promise.all([...ready, ...challengers, ...provers])
    await this.#startPayer()
    if (this.#modules.jobsAtOnce !== undefined) await this.#startJobs(this.#modules.jobsAtOnce)
    this.count = ready.length + challengers.length + provers.length + 1
  }

  /** On the prover's own host: what apps send is no traffic of its line. */
  async #startJobs(atOnce: number): Promise<void> {
    const { files } = this.#modules
    const spec: JobsSpec = {
      dataDir: files.payer.dataDir,
      provider: files.proverAddress,
      recording: RECORDING,
      atOnce,
    }
    const child = await this.#spawn('prover-0', './jobs-child.js', 'jobs', spec)
    await this.#ready(child, 'jobs')
    this.jobs = new LabJobs(child)
  }

  /** From now on, everybody behaves as the attack says. Daemons that an earlier one ended are there again. */
  async assign(attack: AttackPlan): Promise<void> {
    const { files, hub, network, attacks } = this.#modules
    if (attacks.every((each) => each === NO_ATTACK)) return
    hub.clear()
    this.#tap?.kill()
    this.#tap = undefined
    for (const [i, daemon] of files.challengers.entries()) {
      const host: HostName = `challenger-${i}`
      const name = attack.challengers[i]
      if (name !== undefined)
        hub.tell(`${CORRUPT_FACTS}${bytesToHex(daemon.identity.publicKey)}`, name.join('+'))
      const child = this.#corruptible.get(host)
      if (child === undefined) continue
      if (child.exitCode !== null || child.signalCode !== null)
        await this.#startDaemon(host, daemon, 'challenger', () => true)
      await this.#tell(host, name === undefined ? {} : { challenger: name })
    }
    for (const i of files.provers.keys())
      await this.#tell(
        `prover-${i}`,
        proverColludes(attack)
          ? {
              prover: attack.prover,
              ...(needsVictim(attack) ? { victim: network.host('victim').address } : {}),
            }
          : {},
      )
    const payerAssignment: PayerAssignment = {
      assign: coordinatorColludes(attack) ? attack.coordinator : null,
    }
    await this.#answered(this.payer, payerAssignment, 'payer')
    if (needsTap(attack)) await this.#startTap()
  }

  get #sideChannelPath(): string {
    return join(this.#modules.directory, 'colluders.sock')
  }

  async #startDaemon(
    host: HostName,
    { dataDir }: LabDaemon,
    role: 'prover' | 'challenger',
    isCorruptIn: (attack: AttackPlan) => boolean,
  ): Promise<void> {
    const { passphraseFile, proverAddress } = this.#modules.files
    if (!this.#modules.attacks.some(isCorruptIn)) {
      const main = compiledEntry(import.meta.url, '../cli/main.js')
      const roles =
        role === 'prover' && this.#modules.jobsAtOnce !== undefined
          ? ['node', '--roles', 'prover,provider']
          : [role]
      return this.#ready(this.#run(host, main, [...roles, '--data-dir', dataDir], this.#env, host), host)
    }
    const spec: CorruptSpec = {
      dataDir,
      passphraseFile,
      proverAddress,
      role,
      sideChannelPath: this.#sideChannelPath,
    }
    const child = await this.#spawn(host, './daemon-child.js', host, spec)
    this.#corruptible.set(host, child)
    await this.#ready(child, host)
  }

  async #startPayer(): Promise<void> {
    const { files, order, onChain, attacks } = this.#modules
    const spec: PayerSpec = {
      dataDir: files.payer.dataDir,
      passphraseFile: files.passphraseFile,
      onChain,
      order: { ...order, target: files.proverAddress },
      ...(files.provers.length === 1 ? {} : { targets: files.proverAddresses }),
      ...(attacks.some(coordinatorColludes) ? { sideChannelPath: this.#sideChannelPath } : {}),
    }
    this.#payer = await this.#spawn('payer', './measure-child.js', 'payer', spec)
    await this.#ready(this.#payer, 'payer')
  }

  /** Whoever listens on the path, for those who inject packets. */
  async #startTap(): Promise<void> {
    const spec: TapSpec = { sideChannelPath: this.#sideChannelPath }
    this.#tap = await this.#spawn('core', './adversary/tap-child.js', 'tap', spec)
    await this.#ready(this.#tap, 'tap')
  }

  async #startChain(): Promise<void> {
    const { files, network, uplinkMbps } = this.#modules
    const child = await this.#spawn(
      'beacon',
      './chain-child.js',
      'chain',
      chainSpec(files, network, { uplinkMbps }),
    )
    await this.#ready(child, 'chain')
    this.#chain = labChain(child)
    this.#modules.onChainReady()
  }

  async #spawn(host: HostName, script: string, name: string, spec: object): Promise<ChildProcess> {
    const path = join(this.#modules.directory, `${name}.spec.json`)
    await writeFile(path, JSON.stringify(spec), { mode: 0o600 })
    const env = { ...this.#env, PLUMBLINE_LAB_SPEC: path }
    return this.#run(host, compiledEntry(import.meta.url, script), [], env, name)
  }

  #run(
    host: HostName,
    script: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    logName: string,
  ): ChildProcess {
    const child = this.#modules.network.spawnIn(host, process.execPath, [script, ...args], {
      env,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    // The end of each daemon's log, for the message when it dies.
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errors.set(child, `${this.#errors.get(child) ?? ''}${chunk}`.slice(-4000))
    })
    // In a directory that is thrown away unless it is kept.
    child.stderr?.pipe(
      createWriteStream(join(this.#modules.directory, 'logs', `${logName}.log`), { flags: 'a' }),
    )
    return child
  }

  async #tell(host: HostName, assignment: Assignment): Promise<void> {
    const child = this.#corruptible.get(host)
    if (child !== undefined) await this.#answered(child, assignment, host)
  }

  async #answered(child: ChildProcess, message: Assignment | PayerAssignment, name: string): Promise<void> {
    const answer = this.#ready(child, name)
    child.send(message)
    await answer
  }

  /** The next message: daemons say `ready` over IPC, and answer what they are assigned. */
  async #ready(child: ChildProcess, name: string): Promise<void> {
    const over = new AbortController()
    const { signal } = over
    const timer = setTimeout(() => over.abort(), READY_TIMEOUT_MS)
    try {
      const ended = once(child, 'exit', { signal }).then(([code, name]) => `ended with ${code ?? name}`)
      const what = await Promise.race([once(child, 'message', { signal }), ended])
      if (typeof what === 'string') throw this.#dead(child, name, what)
    } catch (error) {
      throw signal.aborted ? this.#dead(child, name, 'did not come up') : error
    } finally {
      clearTimeout(timer)
      over.abort()
    }
  }

  #dead(child: ChildProcess, name: string, what: string): UserError {
    return new UserError(
      `the laboratory's ${name} ${what}: ${this.#errors.get(child) ?? 'it said nothing'}`,
      {
        code: 'UNAVAILABLE',
        remedy: 'run again with --keep and look at its files',
      },
    )
  }
}
