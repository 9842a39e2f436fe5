/**
 * `measure --every`: one challenge after another, until somebody stops it or the month's data cap leaves too little for the
 * next. Bytes are counted in the history, so that a restart does not forget them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../errors.js'
import { formatBytes } from './format.js'

export interface ScheduledRun {
  /** ISO 8601. */
  readonly startedAt: string
  readonly challengeId?: string
  readonly estimateMbps?: number
  readonly guaranteedMbps?: number
  readonly bytes?: number
  /** Where the uplink was measured. */
  readonly uplinkMbps?: number
  /** Why there is no result. */
  readonly error?: string
}

export interface ScheduleResult {
  /** The newest of them. */
  readonly runs: readonly ScheduledRun[]
  readonly measured: number
  readonly failed: number
  readonly bytesThisMonth: number
  readonly stoppedBy: 'data-cap' | 'runs' | 'signal'
  readonly message: string
}

export interface Schedule {
  readonly everyMs: number
  /** Bytes a calendar month; without one only the signal or `runs` end it. */
  readonly capBytes?: number | undefined
  readonly runs?: number | undefined
}

export interface ScheduleModules {
  /** Most bytes that the next challenge may move. */
  readonly mostBytes: number
  /** This calendar month so far. */
  readonly usedBytes: () => Promise<number>
  readonly measure: () => Promise<Omit<ScheduledRun, 'startedAt' | 'error'>>
  readonly onRun: (run: ScheduledRun) => void
  /** Told while nothing is measured. */
  readonly onWait?: (untilMs: number) => void
  readonly now: () => number
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
  readonly signal: AbortSignal
}

const MAX_KEPT_RUNS = 1000

/** What stands in the way of another challenge, in a sentence; undefined where nothing does. */
export function capObstacle(usedBytes: number, mostBytes: number, capBytes: number): string | undefined {
  if (usedBytes + mostBytes <= capBytes) return undefined
  return (
    `data cap reached: ${formatBytes(usedBytes)} of ${formatBytes(capBytes)} used this month, ` +
    `and the next measurement may need ${formatBytes(mostBytes)}`
  )
}

/** @throws UserError DENIED where the cap allows not even the first. */
export async function runSchedule(schedule: Schedule, modules: ScheduleModules): Promise<ScheduleResult> {
  const { everyMs, capBytes = Number.POSITIVE_INFINITY, runs: most = Number.POSITIVE_INFINITY } = schedule
  const { signal, now, mostBytes } = modules
  const kept: ScheduledRun[] = []
  let measured = 0
  let failed = 0
  const ended = async (stoppedBy: ScheduleResult['stoppedBy'], message: string): Promise<ScheduleResult> => ({
    runs: kept,
    measured,
    failed,
    bytesThisMonth: await modules.usedBytes(),
    stoppedBy,
    message,
  })
  for (let next = now(); ; next = Math.max(next + everyMs, now())) {
    const obstacle = capObstacle(await modules.usedBytes(), mostBytes, capBytes)
    if (obstacle !== undefined && measured + failed === 0)
      throw new UserError(obstacle, {
        code: 'DENIED',
        remedy: 'raise --data-cap, or measure with --profile quick or a lower --claim',
      })
    if (obstacle !== undefined) return ended('data-cap', `${obstacle}; stopped`)
    modules.onWait?.(next)
    await modules.wait(next - now(), signal)
    if (signal.aborted) return ended('signal', 'stopped')
    const startedAt = new Date(now()).toISOString()
    let run: ScheduledRun
    try {
      run = { startedAt, ...(await modules.measure()) }
      measured++
    } catch (error) {
      if (signal.aborted) return ended('signal', 'stopped')
      // One that fails, as in quiet hours or while the prover restarts, is no reason to give up the next.
      if (!(error instanceof UserError) || error.exitStatus === 2) throw error
      run = { startedAt, error: error.message }
      failed++
    }
    kept.push(run)
    if (kept.length > MAX_KEPT_RUNS) kept.shift()
    modules.onRun(run)
    if (measured + failed >= most) return ended('runs', `${most} runs made`)
  }
}

/** The longest that a timer can wait; longer pauses are several. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Sleeps; ends early, without an error, where the signal says so. */
export async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  for (let left = ms; left > 0 && !signal.aborted; left -= MAX_TIMER_MS)
    await sleep(Math.min(left, MAX_TIMER_MS), undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
}
