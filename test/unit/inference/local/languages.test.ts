/** Recognisers with a vocabulary and an adapter for each language, as MMS has them, where jobs are served. */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCard } from '../../../../src/inference/catalogue/card.js'
import { Catalogue } from '../../../../src/inference/catalogue/catalogue.js'
import type { Job, JobOutput, ServedModel, SoundInput } from '../../../../src/inference/job.js'
import { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { LocalModel } from '../../../../src/inference/local/local-model.js'
import { pcm16Of } from '../../../../src/ml/audio/pcm16.js'
import { firstCase } from '../../models/checkpoint-copies.js'
import { children } from './children.js'

const SLOW = 120_000

describe.skipIf(process.platform !== 'linux')('a model with several languages', () => {
  const golden = firstCase('03')
  const [own, ...others] = golden.about.languages as [string, string, string]
  let dataDir: string
  let directory: string
  let jobs: LocalJobs
  let served: ServedModel
  let input: SoundInput

  const jobIn = (language?: string): Job => ({
    task: 'transcribe',
    model: served.sha256,
    input,
    parameters: language === undefined ? {} : { language },
  })

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'languages-'))
    directory = join(dataDir, 'mms')
    await mkdir(directory)
    await cp(golden.folder, directory, { recursive: true })
    // As published, the model holds the weights of one language itself; here it alone has them.
    await rm(join(directory, `adapter.${own}.safetensors`))
    const catalogue = await Catalogue.open(dataDir)
    await catalogue.add(await readCard(directory))
    jobs = await LocalJobs.open({ dataDir, names: ['mms'], niceness: 0, threads: 1 })
    const [model] = await jobs.models()
    if (model === undefined) throw new Error('no model is served')
    served = model
    const samples = golden.floats('audio.0')
    input = { kind: 'sound', sampleRate: 16_000, pcm16: pcm16Of(samples) }
  })
  afterAll(async () => {
    await jobs.close()
    await rm(dataDir, { recursive: true })
  })

  it('is served in all of them by one process, each as by a process of its own', {
    timeout: SLOW,
  }, async () => {
    const alone = new Map<string, JobOutput>()
    for (const language of [own, ...others]) {
      const model = await LocalModel.open(await readCard(directory), { language, threads: 1 })
      const { text, words } = await model.transcribe(input)
      await model.close()
      expect(text).not.toBe('')
      alone.set(language, { kind: 'transcription', text, words, language })
    }
    expect(new Set([...alone.values()].map((each) => JSON.stringify(each))).size).toBe(3)

    const [first, second] = others
    await jobs.run(jobIn())
    const [pid, ...more] = children()
    expect(pid).toBeDefined()
    expect(more).toEqual([])
    // To and fro, all at once, and those that name none in the model's own, whichever went before.
    const asked = [first, undefined, second, first, own, undefined, second]
    const answers = await Promise.all(asked.map((language) => jobs.run(jobIn(language))))
    expect(answers.map(({ output }) => output)).toEqual(asked.map((language) => alone.get(language ?? own)))
    expect(children()).toEqual([pid])
  })

  it('is offered with those whose files are there, and refuses others in one line', async () => {
    expect(served.languages).toEqual([own, ...others])
    await rm(join(directory, `adapter.${others[0]}.safetensors`))
    expect((await readCard(directory)).languages).toEqual([own, others[1]])
    await expect(jobs.run(jobIn('xho'))).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: 'mms does not know the language "xho"',
    })
  })

  it('says which file is missing where one went away', { timeout: SLOW }, async () => {
    const fresh = await LocalJobs.open({ dataDir, names: ['mms'], niceness: 0, threads: 1 })
    for (const language of others)
      await rm(join(directory, `adapter.${language}.safetensors`), { force: true })
    const [model] = await fresh.models()
    const job = { ...jobIn(others[1]), model: model?.sha256 ?? '' }
    await expect(fresh.run(job)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `${directory} has no adapter for the language "${others[1]}"`,
      remedy: `download adapter.${others[1]}.safetensors into it`,
    })
    // The others are served as before.
    const { output } = await fresh.run({ ...job, parameters: {} })
    expect(output).toMatchObject({ kind: 'transcription', language: own })
    await fresh.close()
  })
})
