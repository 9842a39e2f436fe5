/** A model that is served with eight-bit weights: the same files, but another model wherever it is bought or audited. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCard } from '../../../../src/inference/catalogue/card.js'
import { Catalogue } from '../../../../src/inference/catalogue/catalogue.js'
import { readKnownModels } from '../../../../src/inference/catalogue/known-models.js'
import { memoryOf } from '../../../../src/inference/catalogue/memory.js'
import { hashModel } from '../../../../src/inference/catalogue/model-hash.js'
import type { JobOutput, ServedModel } from '../../../../src/inference/job.js'
import { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { LocalModel } from '../../../../src/inference/local/local-model.js'
import { pcm16Of } from '../../../../src/ml/audio/pcm16.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { firstCase } from '../../models/checkpoint-copies.js'

const SLOW = 120_000
const sound = Float32Array.from({ length: 16_000 }, (_, i) => Math.sin(i * i * 1e-6))
const input = { kind: 'sound' as const, sampleRate: 16_000, pcm16: pcm16Of(sound) }

describe('a model on eight bits', () => {
  let dataDir: string
  let folder: string
  let jobs: LocalJobs
  let exact: ServedModel
  let rounded: ServedModel

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'int8-'))
    folder = join(dataDir, 'small')
    // Matrices of published sizes: those of the golden cases are too small to be worth rounding.
    execFileSync(process.execPath, ['scripts/random-checkpoint.mjs', 'small', folder])
    const catalogue = await Catalogue.open(dataDir)
    await catalogue.add(await readCard(folder, 'base'))
    await catalogue.add(await readCard(folder, 'base-int8', 'int8'))
    jobs = await LocalJobs.open({ dataDir, names: ['base', 'base-int8'], niceness: 0, threads: 1 })
    const [first, second, ...others] = await jobs.models()
    if (first === undefined || second === undefined) throw new Error('a model is missing')
    expect(others).toEqual([])
    exact = first
    rounded = second
  })
  afterAll(async () => {
    await jobs.close()
    await rm(dataDir, { recursive: true })
  })

  it('is called by a hash of its own, which anybody can compute and nobody takes for the other', async () => {
    const files = await hashModel(folder)
    expect([exact.id, exact.sha256, exact.precision]).toEqual(['base', files, undefined])
    const theirs = execFileSync('sh', ['-c', `echo "${files} int8" | sha256sum`])
    expect([rounded.id, rounded.sha256, rounded.precision]).toEqual([
      'base-int8',
      theirs.toString().slice(0, 64),
      'int8',
    ])
    const known = await readKnownModels(dataDir, silentLogger)
    expect(known.standing('base-int8', rounded.sha256).names).toEqual(['base-int8'])
    // Offered under the name of the exact one, it is something else.
    expect(known.standing('base', rounded.sha256).isNamesake).toBe(false)
    expect(known.standing('base', rounded.sha256).names).toEqual(['base-int8'])
  })

  it('runs so in every job, beside the exact one', { timeout: SLOW }, async () => {
    const outputs: JobOutput[] = []
    for (const { sha256: model } of [exact, rounded, exact, rounded])
      outputs.push((await jobs.run({ task: 'transcribe', model, input, parameters: {} })).output)
    expect(outputs[2]).toEqual(outputs[0])
    expect(outputs[3]).toEqual(outputs[1])
    expect(outputs[1]).not.toEqual(outputs[0])
    const asked = await LocalModel.open(await readCard(folder), { int8: true, threads: 1 })
    const { text, words, language } = await asked.transcribe(input)
    await asked.close()
    expect(outputs[1]).toEqual({ kind: 'transcription', text, words, language })
  })

  it('has another figure of memory, and is refused for models that have no eight bits', async () => {
    const card = await readCard(folder, undefined, 'int8')
    expect(card.name).toBe('small-int8')
    expect(memoryOf(card)).toBeLessThan(memoryOf(card, 'fp32'))
    await expect(readCard(firstCase('10').folder, 'voice', 'int8')).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: 'voice has no eight-bit weights',
    })
  })
})
