/** A laboratory with several provers, behind one bottleneck or one each, and what measuring them together says of it. */
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../errors.js'
import type { MeasureOrder } from '../node/measure.js'
import type { JointMeasurement } from '../node/measure-joint.js'
import { RHO } from '../pob/constants.js'
import type { ProgressEvent } from '../roles/coordinator.js'
import { needsTap, needsVictim, parseAttack } from './adversary/attack.js'
import { SideChannelHub } from './adversary/side-channel.js'
import { writeLabFiles } from './daemon-files.js'
import { LabDaemons } from './daemons.js'
import { burstBound, type RttRange } from './link-math.js'
import type { PayerMessage, PayerStop } from './measure-child.js'
import { buildLabNetwork } from './topology.js'

export interface JointLabOptions {
  /** The truth of each bottleneck, Mbit/s of layer-3 bytes. */
  readonly rateMbps: number
  readonly provers: number
  /** One bottleneck for all of them. */
  readonly shared: boolean
  /** Claim of each over that truth. */
  readonly claimRatio: number
  readonly runs: number
  readonly challengers: number
  readonly faulty: number
  readonly rtt?: RttRange
  readonly bufferMs?: number
  readonly seed?: number
  /** As `parseAttack` takes it; several in turn are divided by semicolons. A corrupt prover stands for all of them. */
  readonly attack?: string
  readonly backend?: 'auto' | 'native' | 'dgram'
  readonly keep?: boolean
}

export type JointLabRun = JointMeasurement & {
  /** Of the estimate of all together, against what all bottlenecks carry. */
  readonly errorPct: number
  /** The guarantee of all together over it. */
  readonly guaranteedPct: number
  /** Truth and b / (0.8 tau) of every bottleneck. */
  readonly boundMbps: number
  readonly withinBound: boolean
  readonly isRight: boolean
}

export interface JointLabResult {
  readonly truth: {
    readonly rateMbps: number
    readonly provers: number
    readonly shared: boolean
    /** What all provers together can get. */
    readonly totalMbps: number
    readonly notes: readonly string[]
  }
  readonly runs: readonly JointLabRun[]
  readonly failures: readonly string[]
  readonly summary: {
    readonly runs: number
    readonly failed: number
    readonly verdicts: Readonly<Record<string, number>>
    /** Verdicts that are not the truth, `unclear` among them. */
    readonly wrong: number
    readonly medianErrorPct: number | null
    readonly worstErrorPct: number | null
    readonly violations: number
  }
}

export type JointLabEvent =
  | { readonly event: 'network'; readonly notes: readonly string[] }
  | { readonly event: 'daemons'; readonly count: number; readonly directory: string }
  | { readonly event: 'run_started'; readonly run: number; readonly of: number }
  | { readonly event: 'progress'; readonly run: number; readonly progress: ProgressEvent }
  | { readonly event: 'joint_ended'; readonly run: number; readonly result: JointLabRun }
  | { readonly event: 'run_failed'; readonly run: number; readonly reason: string }

/** Each alone, and all together at most twice. */
const RUN_TIMEOUT_MS = 240_000
/** A challenger's uplink carries the trains of all provers at once, and a little more: rates are rounded up. */
const SPARE = 1.01

export async function runJointLab(
  options: JointLabOptions,
  onEvent: (event: JointLabEvent) => void,
  signal?: AbortSignal,
): Promise<JointLabResult> {
  const { rateMbps, provers, shared, claimRatio, challengers, faulty } = options
  const attacks = (options.attack ?? 'none').split(';').map((text) => parseAttack(text, challengers))
  if (attacks.some((plan) => plan.network.length > 0 || needsTap(plan) || needsVictim(plan)))
    throw new UserError('several provers are measured without a relay, a listener or a third party', {
      code: 'BAD_ARGUMENT',
      remedy: 'attack with what challengers, provers and the coordinator do themselves',
      exitStatus: 2,
    })
  const network = await buildLabNetwork({
    challengers,
    provers,
    separateLinks: !shared,
    rateMbps,
    ...(options.rtt === undefined ? {} : { rtt: options.rtt }),
    ...(options.bufferMs === undefined ? {} : { bufferMs: options.bufferMs }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  })
  const hub = new SideChannelHub()
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-lab-'))
  try {
    onEvent({ event: 'network', notes: network.notes })
    const claimMbps = rateMbps * claimRatio
    const uplinkMbps = RHO * claimMbps * provers * SPARE
    const backend = options.backend ?? 'auto'
    const files = await writeLabFiles(directory, network, {
      challengers,
      provers,
      claimMbps,
      uplinkMbps,
      backend,
    })
    const order: Omit<MeasureOrder, 'target'> = { profile: 'standard', claimMbps, challengers, faulty }
    const daemons = new LabDaemons({
      network,
      directory,
      files,
      hub,
      attacks,
      order,
      uplinkMbps,
      onChain: false,
      onChainReady: () => {},
    })
    await daemons.start()
    onEvent({ event: 'daemons', count: daemons.count, directory })
    const totalMbps = shared ? rateMbps : provers * rateMbps
    const links = shared ? 1 : provers
    const runs: JointLabRun[] = []
    const failures: string[] = []
    const of = attacks.length * options.runs
    for (let run = 1; run <= of; run++) {
      signal?.throwIfAborted()
      const attack = attacks[Math.floor((run - 1) / options.runs)]
      if (attack !== undefined && (run - 1) % options.runs === 0) await daemons.assign(attack)
      onEvent({ event: 'run_started', run, of })
      try {
        const measured = await measureOnce(daemons.payer, run, (progress) =>
          onEvent({ event: 'progress', run, progress }),
        )
        const { verdict, estimateMbps, guaranteedMbps } = measured.sharedLink
        const tauSeconds = (measured.results[0]?.tauMs ?? 200) / 1000
        const boundMbps = totalMbps + links * burstBound(network.burstBytes, tauSeconds)
        const result: JointLabRun = {
          ...measured,
          errorPct: (100 * Math.abs(estimateMbps - totalMbps)) / totalMbps,
          guaranteedPct: (100 * guaranteedMbps) / totalMbps,
          boundMbps,
          withinBound: guaranteedMbps <= boundMbps,
          isRight: verdict === (shared ? 'shared' : 'separate'),
        }
        runs.push(result)
        onEvent({ event: 'joint_ended', run, result })
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        failures.push(reason)
        onEvent({ event: 'run_failed', run, reason })
      }
    }
    return {
      truth: { rateMbps, provers, shared, totalMbps, notes: network.notes },
      runs,
      failures,
      summary: summarise(runs, failures.length),
    }
  } finally {
    await network.close()
    await hub.close()
    if (options.keep !== true) await rm(directory, { recursive: true, force: true })
  }
}

function measureOnce(
  payer: ChildProcess,
  run: number,
  onProgress: (event: ProgressEvent) => void,
): Promise<JointMeasurement> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      payer.off('message', onMessage)
    }
    const timer = setTimeout(() => {
      end()
      const stop: PayerStop = { stop: true }
      payer.send(stop)
      reject(new Error(`run ${run} took over ${RUN_TIMEOUT_MS} ms`))
    }, RUN_TIMEOUT_MS)
    const onMessage = (message: PayerMessage) => {
      if (message.kind === 'progress') onProgress(message.event)
      if (message.kind !== 'joint' && message.kind !== 'error') return
      end()
      if (message.kind === 'joint') resolve(message.result)
      else reject(new Error(message.message))
    }
    payer.on('message', onMessage)
    payer.send({ run })
  })
}

function summarise(runs: readonly JointLabRun[], failed: number): JointLabResult['summary'] {
  const verdicts: Record<string, number> = {}
  for (const { sharedLink } of runs) verdicts[sharedLink.verdict] = (verdicts[sharedLink.verdict] ?? 0) + 1
  const errors = runs.map(({ errorPct }) => errorPct).sort((a, b) => a - b)
  const at = (index: number) => (errors[index] === undefined ? null : Number(errors[index].toFixed(3)))
  return {
    runs: runs.length,
    failed,
    verdicts,
    wrong: runs.filter(({ isRight }) => !isRight).length,
    medianErrorPct: at(errors.length >> 1),
    worstErrorPct: at(errors.length - 1),
    violations: runs.filter(({ withinBound }) => !withinBound).length,
  }
}
