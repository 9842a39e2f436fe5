/** A source of jobs whose answers a test decides: what real models cannot be made to do on time (be busy, never end). */
import type { Job, JobAnswer, JobSource, RunOptions, ServedModel } from '../../../../src/inference/job.js'

export const served = (more: Partial<ServedModel> = {}): ServedModel => ({
  id: 'recogniser',
  sha256: 'ab'.repeat(32),
  task: 'transcribe',
  languages: ['en'],
  licence: 'apache-2.0',
  unit: 'audio-second',
  priceWeiPerUnit: 0n,
  ownedBy: 'local',
  addedAtMs: 1_700_000_000_000,
  ...more,
})

export const heard = (text: string): JobAnswer => ({
  output: { kind: 'transcription', text, language: 'en', words: [] },
  runSeconds: 0.25,
})

export class ScriptedSource implements JobSource {
  readonly jobs: Job[] = []
  list: readonly ServedModel[] = [served()]
  answer: (job: Job, options: RunOptions) => Promise<JobAnswer> = async () => heard('hello')

  async models(): Promise<readonly ServedModel[]> {
    return this.list
  }

  async run(job: Job, options: RunOptions = {}): Promise<JobAnswer> {
    this.jobs.push(job)
    return this.answer(job, options)
  }

  async close(): Promise<void> {}
}

/** A job that ends when it is cancelled, and not before. */
export const untilCancelled = (_: Job, { signal }: RunOptions): Promise<JobAnswer> =>
  new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
