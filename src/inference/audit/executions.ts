/** The auditor's own runs of a job: the same models on two runtimes, one at a time, after everything else on the machine. */
import type { Logger } from '../../telemetry/logger.js'
import type { JobSource } from '../job.js'
import { LocalJobs } from '../local/local-jobs.js'
import type { StandingStill } from '../standing-still.js'

export type Executions = readonly [JobSource, ...JobSource[]]

/** The lowest priority there is: an audit is in no hurry. */
const NICENESS = 19

export interface ExecutionsOptions {
  readonly dataDir: string
  /** Of the catalogue; all unless given. */
  readonly names?: readonly string[]
  readonly log?: Logger
  /** When they stand still, as everything else that runs models here. */
  readonly standingStill?: StandingStill
}

/** WebAssembly first: providers mostly run the native one, and an execution of another make that agrees says more. */
export async function openExecutions({ standingStill, ...options }: ExecutionsOptions): Promise<Executions> {
  const open = async (runtime: 'native' | 'web'): Promise<JobSource> => {
    const jobs = await LocalJobs.open({ ...options, threads: 1, niceness: NICENESS, runtime })
    const leave = standingStill?.join(jobs)
    return {
      models: () => jobs.models(),
      run: (job, runOptions) => jobs.run(job, runOptions),
      close: () => {
        leave?.()
        return jobs.close()
      },
    }
  }
  return [await open('web'), await open('native')]
}

export async function closeExecutions(executions: Executions): Promise<void> {
  await Promise.all(executions.map((each) => each.close()))
}
