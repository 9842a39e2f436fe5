/** The models of this machine that its configuration sells. */
import { availableParallelism, totalmem } from 'node:os'
import type { Config } from '../../config/schema.js'
import { LocalJobs } from '../../inference/local/local-jobs.js'
import { MAX_OUTPUT_BYTES } from '../../inference/network/job-codec.js'
import type { Logger } from '../../telemetry/logger.js'

const GIB = 2 ** 30

/** @param names of the catalogue */
export function openSoldModels(
  { dataDir, inference: { provider: terms } }: Config,
  names: readonly string[],
  log: Logger,
): Promise<LocalJobs> {
  return LocalJobs.open({
    dataDir,
    names,
    parallel: terms.parallel,
    mostWaiting: terms.queue,
    mostSpeechBytes: MAX_OUTPUT_BYTES,
    deadlineMs: terms.deadlineSeconds * 1000,
    threads: terms.threads ?? availableParallelism(),
    memoryBytes:
      terms.memoryGiB === undefined ? Math.floor(totalmem() / 2) : Math.round(terms.memoryGiB * GIB),
    memorySetting: 'inference.provider.memoryGiB (half of the machine unless set)',
    log,
  })
}
