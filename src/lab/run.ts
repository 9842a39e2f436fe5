/** Runs a laboratory: a network, real daemons in it, and measurements of a link whose rate they are not told. */
import type { ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { BeaconInfo } from '../crypto/beacon.js'
import { UserError } from '../errors.js'
import type { ProfileName } from '../pob/request.js'
import type { ProgressEvent } from '../roles/coordinator.js'
import type { MeasureResult } from '../roles/measure-result.js'
import {
  type AttackPlan,
  coordinatorColludes,
  NO_ATTACK,
  needsTap,
  needsVictim,
  parseAttack,
  proverColludes,
} from './adversary/attack.js'
import { CORRUPT_FACTS } from './adversary/facts.js'
import { NetworkAdversary } from './adversary/network.js'
import { type AttackObserved, observeAttack } from './adversary/observe.js'
import { SideChannelHub } from './adversary/side-channel.js'
import type { TapSpec } from './adversary/tap-child.js'
import { chainSpec, type LabChain, labChain } from './chain.js'
import { startCrossTraffic } from './cross-traffic.js'
import type { CorruptSpec } from './daemon-child.js'
import { BEACON_PORT, type LabFiles, writeLabFiles } from './daemon-files.js'
import { compiledEntry } from './entry.js'
import type { RttRange } from './link-math.js'
import type { PayerMessage, PayerSpec } from './measure-child.js'
import type { HostName, LabNetwork } from './network.js'
import { type LabSummary, summarise } from './summary.js'
import { buildLabNetwork } from './topology.js'

export interface LabOptions {
  /** The truth, Mbit/s of layer-3 bytes; the daemons are not told. */
  readonly rateMbps: number
  /** Claim over truth. */
  readonly claimRatio: number
  readonly profile: ProfileName
  readonly runs: number
  readonly challengers: number
  readonly faulty: number
  readonly rtt?: RttRange
  readonly bufferMs?: number
  readonly lossPct?: number
  readonly crossTrafficMbps?: number
  readonly attack?: string
  readonly seed?: number
  /** Declared uplink of each challenger; by default half of what a team must send, so that teams have two members. */
  readonly uplinkMbps?: number
  readonly betaMillionths?: number
  readonly deltaMillionths?: number
  readonly teams?: number
  readonly backend?: 'auto' | 'native' | 'dgram'
  /** On a development chain of its own: registered, escrowed, settled, paid. */
  readonly chain?: boolean
  /** Leave files and logs in place. */
  readonly keep?: boolean
  /** Called after each good run, while its files are there. */
  readonly afterRun?: (files: FinishedRun) => Promise<void>
}

export interface FinishedRun {
  readonly transcriptPath: string
  readonly registryPath: string
  readonly beacon: BeaconInfo
  readonly result: MeasureResult
  /** With `chain` only. */
  readonly chain: LabChain | undefined
}

export type LabRun = MeasureResult & {
  readonly errorPct: number
  readonly guaranteedPct: number
  /** Bytes at the prover's interface while it ran, both directions, control included. */
  readonly interfaceBytes: number
  /** Whether the guarantee stayed at or below truth + b / (0.8 tau). */
  readonly withinBound: boolean
  /** Of a run under attack. */
  readonly observed?: AttackObserved
}

export interface LabResult {
  readonly truth: {
    readonly rateMbps: number
    readonly rttMs: { readonly min: number; readonly max: number }
    readonly bufferMs: number
    readonly crossTrafficMbps: number
    /** b / (0.8 tau) for the tau of the runs. */
    readonly burstBoundMbps: number
    readonly burstBytes: number
    readonly notes: readonly string[]
  }
  readonly attack: string
  readonly runs: readonly LabRun[]
  readonly failures: readonly string[]
  readonly summary: LabSummary
}

export type LabEvent =
  | { readonly event: 'network'; readonly notes: readonly string[] }
  | { readonly event: 'chain'; readonly nodes: number }
  | { readonly event: 'daemons'; readonly count: number; readonly directory: string }
  | { readonly event: 'run_started'; readonly run: number; readonly of: number }
  | { readonly event: 'progress'; readonly run: number; readonly progress: ProgressEvent }
  | { readonly event: 'run_ended'; readonly run: number; readonly result: LabRun }
  | { readonly event: 'run_failed'; readonly run: number; readonly reason: string }

/** Rates from which a team needs two members by default, as on real uplinks. */
const TEAM_OF_TWO_FROM_MBPS = 100
const RHO = 1.2
const READY_TIMEOUT_MS = 90_000
/** A run that takes longer has hung. */
const RUN_TIMEOUT_MS = 90_000
/** A round trip of control and data beyond the last message: counters settle. */
const SETTLE_MS = 60

export async function runLab(
  options: LabOptions,
  onEvent: (event: LabEvent) => void,
  signal?: AbortSignal,
): Promise<LabResult> {
  const attack = parseAttack(options.attack, options.challengers)
  const network = await buildLabNetwork({
    challengers: options.challengers,
    rateMbps: options.rateMbps,
    crossTraffic: (options.crossTrafficMbps ?? 0) > 0,
    ...(options.rtt === undefined ? {} : { rtt: options.rtt }),
    ...(options.bufferMs === undefined ? {} : { bufferMs: options.bufferMs }),
    ...(options.lossPct === undefined ? {} : { lossPct: options.lossPct }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(attack.network.length > 0 ? { relay: true } : {}),
    ...(needsTap(attack) || needsVictim(attack) ? { rawPackets: true } : {}),
    ...(needsVictim(attack) ? { victim: true } : {}),
  })
  const hub = new SideChannelHub()
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-lab-'))
  try {
    onEvent({ event: 'network', notes: network.notes })
    const laboratory = new Laboratory(options, attack, network, directory, hub, onEvent)
    return await laboratory.run(signal)
  } finally {
    await network.close()
    await hub.close()
    if (options.keep !== true) await rm(directory, { recursive: true, force: true })
  }
}

class Laboratory {
  #payer: ChildProcess | undefined
  #chain: LabChain | undefined

  constructor(
    readonly options: LabOptions,
    readonly attack: AttackPlan,
    readonly network: LabNetwork,
    readonly directory: string,
    readonly hub: SideChannelHub,
    readonly onEvent: (event: LabEvent) => void,
  ) {}

  get claimMbps(): number {
    return this.options.rateMbps * this.options.claimRatio
  }

  get uplinkMbps(): number {
    const offered = RHO * this.claimMbps
    const { uplinkMbps, rateMbps, challengers, faulty } = this.options
    if (uplinkMbps !== undefined) return uplinkMbps
    const two = rateMbps >= TEAM_OF_TWO_FROM_MBPS && challengers >= 2 * (2 * faulty + 1)
    // A little spare: the team's rate is rounded up to whole kbit/s.
    return (offered / (two ? 2 : 1)) * 1.01
  }

  async run(signal: AbortSignal | undefined): Promise<LabResult> {
    const files = await writeLabFiles(this.directory, this.network, {
      challengers: this.options.challengers,
      claimMbps: this.claimMbps,
      uplinkMbps: this.uplinkMbps,
      backend: this.options.backend ?? 'auto',
      chain: this.options.chain === true,
    })
    await this.#startDaemons(files)
    const adversary = new NetworkAdversary(this.network, this.attack.network, this.options.challengers)
    adversary.start()
    try {
      return await this.#measureAll(files, signal)
    } finally {
      adversary.stop()
    }
  }

  async #measureAll(files: LabFiles, signal: AbortSignal | undefined): Promise<LabResult> {
    const crossTrafficMbps = this.options.crossTrafficMbps ?? 0
    if (crossTrafficMbps > 0) await startCrossTraffic(this.network, { rateMbps: crossTrafficMbps })
    const runs: LabRun[] = []
    const failures: string[] = []
    for (let run = 1; run <= this.options.runs; run++) {
      signal?.throwIfAborted()
      this.onEvent({ event: 'run_started', run, of: this.options.runs })
      try {
        const result = await this.#measure(run, files)
        runs.push(result)
        await this.options.afterRun?.({
          transcriptPath: result.transcript.path,
          registryPath: files.registryPath,
          beacon: files.beacon,
          result,
          chain: this.#chain,
        })
        this.onEvent({ event: 'run_ended', run, result })
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        failures.push(reason)
        this.onEvent({ event: 'run_failed', run, reason })
      }
    }
    const rtts = this.network.hosts
      .filter(({ name }) => name.startsWith('challenger'))
      .map(({ rttMs }) => rttMs)
    const tauSeconds = (runs[0]?.tauMs ?? 200) / 1000
    return {
      truth: {
        rateMbps: this.options.rateMbps,
        rttMs: { min: Math.min(...rtts), max: Math.max(...rtts) },
        bufferMs: this.network.bufferMs,
        crossTrafficMbps,
        burstBoundMbps: this.network.burstBoundMbps(tauSeconds),
        burstBytes: this.network.burstBytes,
        notes: this.network.notes,
      },
      attack: this.options.attack ?? 'none',
      runs,
      failures,
      summary: summarise(runs, failures.length),
    }
  }

  async #startDaemons(files: LabFiles): Promise<void> {
    const logs = join(this.directory, 'logs')
    await mkdir(logs)
    const sideChannelPath = this.#sideChannelPath
    if (this.attack !== NO_ATTACK) await this.hub.listen(sideChannelPath)
    const main = compiledEntry(import.meta.url, '../cli/main.js')
    const env = { ...process.env, PLUMBLINE_PASSPHRASE_FILE: files.passphraseFile }
    const ready: Promise<unknown>[] = []

    const beacon = this.#spawn('beacon', compiledEntry(import.meta.url, './beacon-child.js'), [], {
      ...env,
      PLUMBLINE_LAB_SPEC: await this.#spec('beacon', {
        secretPath: files.beaconSecretPath,
        host: this.network.host('beacon').address,
        port: BEACON_PORT,
        genesisTimeSeconds: files.beacon.genesisTimeSeconds,
        periodSeconds: files.beacon.periodSeconds,
      }),
    })
    ready.push(this.#ready(beacon, 'beacon'))
    if (needsTap(this.attack)) await this.#startTap(sideChannelPath, env)
    if (this.options.chain === true) await this.#startChain(files, env)
    const corrupt = compiledEntry(import.meta.url, './daemon-child.js')
    const startDaemon = async (
      host: HostName,
      dataDir: string,
      role: string,
      spec: Partial<CorruptSpec> | undefined,
    ) => {
      const { passphraseFile, proverAddress } = files
      const base = { dataDir, passphraseFile, sideChannelPath, proverAddress }
      const child =
        spec === undefined
          ? this.#spawn(host, main, [role, '--data-dir', dataDir], env)
          : this.#spawn(host, corrupt, [], {
              ...env,
              PLUMBLINE_LAB_SPEC: await this.#spec(host, { ...base, ...spec }),
            })
      ready.push(this.#ready(child, host))
    }
    for (const [i, challenger] of files.challengers.entries()) {
      const name = this.attack.challengers[i]
      if (name !== undefined)
        this.hub.tell(`${CORRUPT_FACTS}${bytesToHex(challenger.identity.publicKey)}`, name)
      await startDaemon(
        `challenger-${i}`,
        challenger.dataDir,
        'challenger',
        name === undefined ? undefined : { challenger: name },
      )
    }
    await startDaemon(
      'prover-0',
      files.prover.dataDir,
      'prover',
      proverColludes(this.attack)
        ? {
            prover: this.attack.prover,
            ...(needsVictim(this.attack) ? { victim: this.network.host('victim').address } : {}),
          }
        : undefined,
    )
    await Promise.all(ready)
    this.#payer = await this.#startPayer(files, env)
    this.onEvent({ event: 'daemons', count: ready.length + 1, directory: this.directory })
  }

  get #sideChannelPath(): string {
    return join(this.directory, 'colluders.sock')
  }

  /** Whoever listens on the path, for those who inject packets. */
  async #startTap(sideChannelPath: string, env: NodeJS.ProcessEnv): Promise<void> {
    const spec: TapSpec = { sideChannelPath }
    const script = compiledEntry(import.meta.url, './adversary/tap-child.js')
    const child = this.#spawn(
      'core',
      script,
      [],
      { ...env, PLUMBLINE_LAB_SPEC: await this.#spec('tap', spec) },
      'tap',
    )
    await this.#ready(child, 'tap')
  }

  /** Before the daemons: they look for their contracts when they start. */
  async #startChain(files: LabFiles, env: NodeJS.ProcessEnv): Promise<void> {
    const script = compiledEntry(import.meta.url, './chain-child.js')
    const child = this.#spawn(
      'beacon',
      script,
      [],
      {
        ...env,
        PLUMBLINE_LAB_SPEC: await this.#spec(
          'chain',
          chainSpec(files, this.network, { uplinkMbps: this.uplinkMbps }),
        ),
      },
      'chain',
    )
    await this.#ready(child, 'chain')
    this.#chain = labChain(child)
    this.onEvent({ event: 'chain', nodes: files.challengers.length + 1 })
  }

  async #spec(name: string, spec: object): Promise<string> {
    const path = join(this.directory, `${name}.spec.json`)
    await writeFile(path, JSON.stringify(spec), { mode: 0o600 })
    return path
  }

  #spawn(
    host: HostName,
    script: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    logName?: string,
  ): ChildProcess {
    const child = this.network.spawnIn(host, process.execPath, [script, ...args], {
      env,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#keepErrors(child)
    // In a directory that is thrown away unless it is kept.
    child.stderr?.pipe(createWriteStream(join(this.directory, 'logs', `${logName ?? host}.log`)))
    return child
  }

  readonly #errors = new Map<ChildProcess, string>()
  /** The end of each daemon's log, for the message when it dies. */
  #keepErrors(child: ChildProcess): void {
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errors.set(child, `${this.#errors.get(child) ?? ''}${chunk}`.slice(-4000))
    })
  }

  /** Daemons say `ready` over IPC where they have a channel. */
  async #ready(child: ChildProcess, name: string): Promise<void> {
    const timeout = AbortSignal.timeout(READY_TIMEOUT_MS)
    await new Promise<void>((resolve, reject) => {
      child.on('message', () => resolve())
      child.once('exit', (code, signal) => reject(this.#dead(child, name, `ended with ${code ?? signal}`)))
      timeout.addEventListener('abort', () => reject(this.#dead(child, name, 'did not come up')))
    })
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

  async #startPayer(files: LabFiles, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
    const { options } = this
    const spec: PayerSpec = {
      dataDir: files.payer.dataDir,
      passphraseFile: files.passphraseFile,
      onChain: options.chain === true,
      ...(coordinatorColludes(this.attack)
        ? {
            corrupt: {
              attacks: this.attack.coordinator,
              sideChannelPath: this.#sideChannelPath,
            },
          }
        : {}),
      order: {
        target: files.proverAddress,
        profile: options.profile,
        claimMbps: this.claimMbps,
        challengers: options.challengers,
        faulty: options.faulty,
        ...(options.teams === undefined ? {} : { teams: options.teams }),
        ...(options.betaMillionths === undefined ? {} : { betaMillionths: options.betaMillionths }),
        ...(options.deltaMillionths === undefined ? {} : { deltaMillionths: options.deltaMillionths }),
      },
    }
    const payer = this.#spawn('payer', compiledEntry(import.meta.url, './measure-child.js'), [], {
      ...env,
      PLUMBLINE_LAB_SPEC: await this.#spec('payer', spec),
    })
    await this.#ready(payer, 'payer')
    return payer
  }

  async #measure(run: number, files: LabFiles): Promise<LabRun> {
    const payer = this.#payer
    if (payer === undefined) throw new Error('no payer')
    this.hub.reset()
    const before = await this.network.counters()
    const victimBefore = await this.#victimBytes()
    const result = await new Promise<MeasureResult>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`run ${run} took over ${RUN_TIMEOUT_MS} ms`)),
        RUN_TIMEOUT_MS,
      )
      const onMessage = (message: PayerMessage) => {
        if (message.kind === 'progress') this.onEvent({ event: 'progress', run, progress: message.event })
        if (message.kind !== 'result' && message.kind !== 'error') return
        clearTimeout(timer)
        payer.off('message', onMessage)
        if (message.kind === 'result') resolve(message.result)
        else reject(new Error(message.message))
      }
      payer.on('message', onMessage)
      payer.send({ run })
    })
    await sleep(SETTLE_MS)
    const after = await this.network.counters()
    const victimBytes = await this.#victimBytes()
    const { rateMbps } = this.options
    const bound = rateMbps + this.network.burstBoundMbps(result.tauMs / 1000)
    return {
      ...result,
      errorPct: (100 * Math.abs(result.estimateMbps - rateMbps)) / rateMbps,
      guaranteedPct: (100 * result.guaranteedMbps) / rateMbps,
      interfaceBytes: after.rxBytes - before.rxBytes + after.txBytes - before.txBytes,
      withinBound: result.guaranteedMbps <= bound,
      ...(this.attack === NO_ATTACK
        ? {}
        : {
            observed: {
              ...observeAttack(await readFile(result.transcript.path), result.challengers, this.hub, {
                publicKey: files.prover.identity.publicKey,
                isCorrupt: proverColludes(this.attack),
              }),
              ...(needsVictim(this.attack) ? { victimBytes: victimBytes - victimBefore } : {}),
            },
          }),
    }
  }

  async #victimBytes(): Promise<number> {
    return needsVictim(this.attack) ? this.network.victimBytes() : 0
  }
}
