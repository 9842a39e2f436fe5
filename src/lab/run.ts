/** Runs a laboratory: a network, real daemons in it, and measurements of a link whose rate they are not told. */
import { randomInt } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hexToBytes } from '@noble/hashes/utils.js'
import { addressOfPublicKey } from '../crypto/address.js'
import type { MeasureOrder } from '../node/measure.js'
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
import { NetworkAdversary } from './adversary/network.js'
import { observeAttack } from './adversary/observe.js'
import { SideChannelHub } from './adversary/side-channel.js'
import { startCrossTraffic } from './cross-traffic.js'
import { type LabFiles, writeLabFiles } from './daemon-files.js'
import { LabDaemons } from './daemons.js'
import { type HeldProof, readFaultFiles } from './fault-files.js'
import { burstBound, burstBytesFor } from './link-math.js'
import type { PayerMessage, PayerStop } from './measure-child.js'
import type { LabNetwork } from './network.js'
import { sellJobs } from './sale.js'
import { summarise } from './summary.js'
import { buildLabNetwork } from './topology.js'
import type { FinishedRun, LabEvent, LabOptions, LabResult, LabRun } from './types.js'

/** Rates from which a team needs two members by default, as on real uplinks. */
const TEAM_OF_TWO_FROM_MBPS = 100
const RHO = 1.2
/** A run that takes longer has hung. */
const RUN_TIMEOUT_MS = 90_000
/** A round trip of control and data beyond the last message: counters settle. */
const SETTLE_MS = 60
const FREE_MODEL = 'asr-small=0 wei'
/** What jobs take while nobody measures is seen before. */
const JOBS_BEFORE_MS = 3000

export async function runLab(
  options: LabOptions,
  onEvent: (event: LabEvent) => void,
  signal?: AbortSignal,
): Promise<LabResult> {
  const attacks = (options.attack ?? 'none').split(';').map((text) => ({
    text,
    plan: parseAttack(text, options.challengers),
  }))
  const some = (condition: (attack: AttackPlan) => boolean) => attacks.some(({ plan }) => condition(plan))
  const network = await buildLabNetwork({
    challengers: options.challengers,
    rateMbps: options.rateMbps,
    ...(options.proverUplinkMbps === undefined ? {} : { uplinkMbps: options.proverUplinkMbps }),
    crossTraffic: (options.crossTrafficMbps ?? 0) > 0,
    ...(options.rtt === undefined ? {} : { rtt: options.rtt }),
    ...(options.bufferMs === undefined ? {} : { bufferMs: options.bufferMs }),
    ...(options.lossPct === undefined ? {} : { lossPct: options.lossPct }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(some(({ network }) => network.length > 0) ? { relay: true } : {}),
    ...(some(needsTap) ? { rawPackets: true } : {}),
    ...(some(needsVictim) ? { victim: true } : {}),
  })
  const hub = new SideChannelHub()
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-lab-'))
  try {
    onEvent({ event: 'network', notes: network.notes })
    const laboratory = new Laboratory(options, attacks, network, directory, hub, onEvent)
    return await laboratory.run(signal)
  } finally {
    await network.close()
    await hub.close()
    if (options.keep !== true) await rm(directory, { recursive: true, force: true })
  }
}

interface NamedAttack {
  readonly text: string
  readonly plan: AttackPlan
}

class Laboratory {
  constructor(
    readonly options: LabOptions,
    readonly attacks: readonly NamedAttack[],
    readonly network: LabNetwork,
    readonly directory: string,
    readonly hub: SideChannelHub,
    readonly onEvent: (event: LabEvent) => void,
  ) {}

  get claimMbps(): number {
    return this.truthMbps * this.options.claimRatio
  }

  /** What a perfect measurement would say. */
  get truthMbps(): number {
    const { rateMbps, direction, proverUplinkMbps = rateMbps } = this.options
    return direction === 'up' ? Math.min(rateMbps, proverUplinkMbps) : rateMbps
  }

  get uplinkMbps(): number {
    const offered = RHO * this.claimMbps
    const { uplinkMbps, rateMbps, challengers, faulty, direction, profile } = this.options
    if (uplinkMbps !== undefined) return uplinkMbps
    // An uplink is measured by teams of one.
    const two =
      direction !== 'up' &&
      profile !== 'strict' &&
      rateMbps >= TEAM_OF_TWO_FROM_MBPS &&
      challengers >= 2 * (2 * faulty + 1)
    // A little spare: the team's rate is rounded up to whole kbit/s.
    return (offered / (two ? 2 : 1)) * 1.01
  }

  /** Of the link that limits. */
  get #burstBytes(): number {
    const isUplink = this.truthMbps < this.options.rateMbps
    return isUplink ? burstBytesFor(this.truthMbps) : this.network.burstBytes
  }

  #burstBoundMbps(tauSeconds: number): number {
    return burstBound(this.#burstBytes, tauSeconds)
  }

  async run(signal: AbortSignal | undefined): Promise<LabResult> {
    const { options, network, directory, hub } = this
    const onChain = options.chain === true
    const files = await writeLabFiles(directory, network, {
      challengers: options.challengers,
      claimMbps: this.claimMbps,
      uplinkMbps: this.uplinkMbps,
      backend: options.backend ?? 'auto',
      chain: onChain,
      ...(onChain && options.sells !== undefined ? { sells: options.sells } : {}),
      ...(options.jobsAtOnce === undefined ? {} : { proverSells: [FREE_MODEL] }),
    })
    const daemons = new LabDaemons({
      network,
      directory,
      files,
      hub,
      attacks: this.attacks.map(({ plan }) => plan),
      order: this.#order(),
      uplinkMbps: this.uplinkMbps,
      onChain,
      onChainReady: () => this.onEvent({ event: 'chain', nodes: files.challengers.length + 1 }),
      jobsAtOnce: options.jobsAtOnce,
    })
    await daemons.start()
    this.onEvent({ event: 'daemons', count: daemons.count, directory })
    const crossTrafficMbps = options.crossTrafficMbps ?? 0
    if (crossTrafficMbps > 0) await startCrossTraffic(network, { rateMbps: crossTrafficMbps })
    const runs: LabRun[] = []
    const failures: string[] = []
    const seed = options.seed ?? randomInt(2 ** 31)
    for (const [index, attack] of this.attacks.entries()) {
      await daemons.assign(attack.plan)
      const adversary = new NetworkAdversary(network, attack.plan.network, options.challengers, seed + index)
      adversary.start()
      try {
        await this.#measureAll(attack, { files, daemons, runs, failures }, signal)
      } finally {
        await adversary.stop()
      }
    }
    const rtts = this.network.hosts
      .filter(({ name }) => name.startsWith('challenger'))
      .map(({ rttMs }) => rttMs)
    const tauSeconds = (runs[0]?.tauMs ?? 200) / 1000
    return {
      truth: {
        rateMbps: this.truthMbps,
        rttMs: { min: Math.min(...rtts), max: Math.max(...rtts) },
        bufferMs: this.network.bufferMs,
        crossTrafficMbps,
        burstBoundMbps: this.#burstBoundMbps(tauSeconds),
        burstBytes: this.#burstBytes,
        notes: this.network.notes,
      },
      attack: this.options.attack ?? 'none',
      runs,
      failures,
      summary: summarise(runs, failures.length),
    }
  }

  /** All runs of one attack, numbered on from those before it. */
  async #measureAll(
    attack: NamedAttack,
    parts: {
      readonly files: LabFiles
      readonly daemons: LabDaemons
      readonly runs: LabRun[]
      readonly failures: string[]
    },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { files, daemons, runs, failures } = parts
    const of = this.options.runs * this.attacks.length
    const named = this.attacks.length > 1 ? { attack: attack.text } : {}
    for (let i = 0; i < this.options.runs; i++) {
      signal?.throwIfAborted()
      const run = runs.length + failures.length + 1
      this.onEvent({ event: 'run_started', run, of, ...named })
      try {
        const result = { ...(await this.#measureBusy(run, attack.plan, files, daemons)), ...named }
        runs.push(result)
        await this.options.afterRun?.({
          transcriptPath: result.transcript.path,
          registryPath: files.registryPath,
          beacon: files.beacon,
          result,
          chain: daemons.chain,
          sell: this.#seller(files, daemons, signal),
        })
        this.onEvent({ event: 'run_ended', run, result })
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        failures.push(reason)
        this.onEvent({ event: 'run_failed', run, reason, ...named })
      }
    }
  }

  /** A run, with jobs flowing in every other one where there are any. */
  async #measureBusy(run: number, attack: AttackPlan, files: LabFiles, daemons: LabDaemons): Promise<LabRun> {
    const { jobs } = daemons
    if (jobs === undefined || run % 2 === 1) return this.#measure(run, attack, files, daemons)
    await jobs.flow()
    await sleep(JOBS_BEFORE_MS)
    const startedMs = Date.now()
    const measured = this.#measure(run, attack, files, daemons)
    const figures = measured.catch(() => undefined).then(() => jobs.rest(startedMs))
    return { ...(await measured), jobs: await figures }
  }

  #seller(files: LabFiles, { chain }: LabDaemons, signal: AbortSignal | undefined): FinishedRun['sell'] {
    const { network, directory } = this
    if (chain === undefined || files.sale === undefined) return undefined
    return (jobs) => sellJobs({ network, directory, files, chain }, jobs, signal)
  }

  #order(): Omit<MeasureOrder, 'target'> {
    const { options } = this
    // Strict chooses how many it draws of the challengers there are, as for anybody else.
    const isChosen = options.profile === 'strict' && options.teams === undefined
    return {
      ...(options.available === true ? { available: true } : {}),
      ...(options.direction === undefined ? {} : { direction: options.direction }),
      profile: options.profile,
      claimMbps: this.claimMbps,
      ...(isChosen ? {} : { challengers: options.challengers }),
      faulty: options.faulty,
      ...(options.teams === undefined ? {} : { teams: options.teams }),
      ...(options.betaMillionths === undefined ? {} : { betaMillionths: options.betaMillionths }),
      ...(options.deltaMillionths === undefined ? {} : { deltaMillionths: options.deltaMillionths }),
    }
  }

  #availableErrorPct({ rateMbps }: { readonly rateMbps: number }): number {
    const left = Math.max(0.001, this.truthMbps - (this.options.crossTrafficMbps ?? 0))
    return (100 * Math.abs(rateMbps - left)) / left
  }

  async #measure(run: number, attack: AttackPlan, files: LabFiles, { payer }: LabDaemons): Promise<LabRun> {
    this.hub.reset()
    const before = await this.network.counters()
    const victimBefore = needsVictim(attack) ? await this.network.victimBytes() : 0
    const result = await new Promise<MeasureResult>((resolve, reject) => {
      const timer = setTimeout(() => {
        const stop: PayerStop = { stop: true }
        payer.send(stop)
        payer.off('message', onMessage)
        reject(new Error(`run ${run} took over ${RUN_TIMEOUT_MS} ms`))
      }, RUN_TIMEOUT_MS)
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
    const victimBytes = needsVictim(attack) ? await this.network.victimBytes() : 0
    const rateMbps = this.truthMbps
    const bound = rateMbps + this.#burstBoundMbps(result.tauMs / 1000)
    return {
      ...result,
      errorPct: (100 * Math.abs(result.estimateMbps - rateMbps)) / rateMbps,
      guaranteedPct: (100 * result.guaranteedMbps) / rateMbps,
      ...(result.available === undefined
        ? {}
        : { availableErrorPct: this.#availableErrorPct(result.available) }),
      interfaceBytes: after.rxBytes - before.rxBytes + after.txBytes - before.txBytes,
      boundMbps: bound,
      withinBound: result.guaranteedMbps <= bound,
      ...(attack === NO_ATTACK
        ? {}
        : {
            observed: {
              ...observeAttack(await readFile(result.transcript.path), result.challengers, this.hub, {
                prover: { publicKey: files.prover.identity.publicKey, isCorrupt: proverColludes(attack) },
                coordinatorIsCorrupt: coordinatorColludes(attack),
                held: await heldProofs(files, result.challengeId),
              }),
              ...(needsVictim(attack) ? { victimBytes: victimBytes - victimBefore } : {}),
            },
          }),
    }
  }
}

/** What the members have on their disks about a challenge. */
function heldProofs({ challengers }: LabFiles, challengeId: string): Promise<HeldProof[]> {
  const holders = challengers.map(({ identity, dataDir }) => ({
    address: addressOfPublicKey(identity.publicKey),
    dataDir,
  }))
  return readFaultFiles(holders, hexToBytes(challengeId.slice(2)))
}
