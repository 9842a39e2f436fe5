/** A model whose files change while it is served is another model from then on, whoever asks for the former. */
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readCard } from '../../../../src/inference/catalogue/card.js'
import { Catalogue } from '../../../../src/inference/catalogue/catalogue.js'
import type { Job } from '../../../../src/inference/job.js'
import { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { children } from './children.js'

const SLOW = 120_000

describe.skipIf(process.platform !== 'linux')('files that change while they are served', () => {
  let dataDir: string
  let directory: string
  let jobs: LocalJobs

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'changed-files-'))
    directory = join(dataDir, 'own')
    await cp('models/asr-small', directory, { recursive: true })
    await (await Catalogue.open(dataDir)).add(await readCard(directory, 'own'))
    jobs = await LocalJobs.open({ dataDir, names: ['own'], niceness: 0, threads: 1 })
  })
  afterEach(async () => {
    await jobs.close()
    await rm(dataDir, { recursive: true })
  })

  const jobFor = async (): Promise<Job> => {
    const [model] = await jobs.models()
    const input = { kind: 'sound', sampleRate: 16_000, pcm16: new Uint8Array(16_000) } as const
    return { task: 'transcribe', model: model?.sha256 ?? '', input, parameters: {} }
  }
  const change = () => appendFile(join(directory, 'config.json'), '\n')

  it('run no job for what they were, in a process that reads them anew', { timeout: SLOW }, async () => {
    const job = await jobFor()
    await jobs.run(job)
    await change()
    for (const pid of children()) process.kill(pid, 'SIGKILL')
    await expect(jobs.run(job)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/files of own are not those/),
    })
    await rm(join(directory, 'config.json'))
    await expect(jobs.run(job)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('are run as what they are, and not by the process that has the former', { timeout: SLOW }, async () => {
    const former = await jobFor()
    await jobs.run(former)
    const [pid] = children()
    await change()
    const job = await jobFor()
    expect(job.model).not.toBe(former.model)
    await jobs.run(job)
    expect(children()).toHaveLength(2)
    expect(children()).toContain(pid)
  })
})
