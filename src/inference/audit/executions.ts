/** The auditor's own runs of a job: the same models on two runtimes, one at a time, after everything else on the machine. */
import type { Logger } from '../../telemetry/logger.js'
import type { JobSource } from '../job.js'
import { LocalJobs } from '../local/local-jobs.js'

export type Executions = readonly [JobSource, ...JobSource[]]

/** The lowest priority there is: an audit is in no hurry. */
const NICENESS = 19

/**
 * WebAssembly first: providers mostly run the native one, and an execution of another make that agrees says more.
 * @param options.names of the catalogue; all unless given
 */
export async function openExecutions(options: {
  readonly dataDir: string
  readonly names?: readonly string[]
  readonly log?: Logger
}): Promise<Executions> {
  const open = (runtime: 'native' | 'web') =>
    LocalJobs.open({ ...options, threads: 1, niceness: NICENESS, runtime })
  return [await open('web'), await open('native')]
}

export async function closeExecutions(executions: Executions): Promise<void> {
  await Promise.all(executions.map((each) => each.close()))
}
