/** What a laboratory is asked for, and what it says. */
import type { BeaconInfo } from '../crypto/beacon.js'
import type { DirectionName, ProfileName } from '../pob/request.js'
import type { ProgressEvent } from '../roles/coordinator.js'
import type { MeasureResult } from '../roles/measure-result.js'
import type { AttackObserved } from './adversary/observe.js'
import type { AppJob } from './app-child.js'
import type { LabChain } from './chain.js'
import type { JobsFigures } from './jobs.js'
import type { RttRange } from './link-math.js'
import type { Sale } from './sale.js'
import type { LabSummary } from './summary.js'

export interface LabOptions {
  /** The truth, Mbit/s of layer-3 bytes; the daemons are not told. */
  readonly rateMbps: number
  /** The truth of the other direction; unshaped by default. */
  readonly proverUplinkMbps?: number
  /** What is measured: down by default; up by echo, whose truth is the lesser of both. */
  readonly direction?: DirectionName
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
  /** Look for what the cross traffic leaves. */
  readonly available?: boolean
  /** As `parseAttack` takes it; several attacks in turn are divided by semicolons, each with all its `runs`. */
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
  /** With `chain`: models that a provider beside the prover sells, as --sell takes them. */
  readonly sells?: readonly string[]
  /** The prover's node runs so many jobs at once, of apps beside it, in every other run: the second, the fourth, ... */
  readonly jobsAtOnce?: number
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
  /** With `sells` only: an app buys these jobs. */
  readonly sell: ((jobs: readonly AppJob[]) => Promise<Sale>) | undefined
}

export type LabRun = MeasureResult & {
  readonly errorPct: number
  readonly guaranteedPct: number
  /** Of the available bandwidth, where it was asked for. */
  readonly availableErrorPct?: number
  /** Bytes at the prover's interface while it ran, both directions, control included. */
  readonly interfaceBytes: number
  /** Truth + b / (0.8 tau). */
  readonly boundMbps: number
  /** Whether the guarantee stayed at or below it. */
  readonly withinBound: boolean
  /** Its attack, where there are several. */
  readonly attack?: string
  /** Of a run under attack. */
  readonly observed?: AttackObserved
  /** Of a run while jobs flowed. */
  readonly jobs?: JobsFigures
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
  | { readonly event: 'run_started'; readonly run: number; readonly of: number; readonly attack?: string }
  | { readonly event: 'progress'; readonly run: number; readonly progress: ProgressEvent }
  | { readonly event: 'run_ended'; readonly run: number; readonly result: LabRun }
  | {
      readonly event: 'run_failed'
      readonly run: number
      readonly reason: string
      readonly attack?: string
    }
