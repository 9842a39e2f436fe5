import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Job, SoundInput } from '../../../../src/inference/job.js'
import { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { pcm16Of } from '../../../../src/ml/audio/pcm16.js'
import { readWav } from '../../../../src/ml/audio/wav-read.js'
import { children } from './children.js'

const SLOW = 120_000
const NICENESS = 5

const stateOf = (pid: number): string =>
  /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600 && !check(); tries++) await new Promise((tick) => setTimeout(tick, 100))
  expect(check()).toBe(true)
}

describe.skipIf(process.platform !== 'linux')('jobs on models of this machine', () => {
  let dataDir: string
  let jobs: LocalJobs
  let job: Job

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'local-jobs-'))
    jobs = await LocalJobs.open({ dataDir, names: ['asr-small'], niceness: NICENESS, threads: 1 })
    const [model] = await jobs.models()
    const wav = readWav(await readFile('test/fixtures/speech/accept-this-call.wav'))
    const [samples = new Float32Array(0)] = wav.channels
    const input: SoundInput = { kind: 'sound', sampleRate: wav.sampleRate, pcm16: pcm16Of(samples) }
    job = { task: 'transcribe', model: model?.sha256 ?? '', input, parameters: {} }
  })
  afterAll(async () => {
    await jobs.close()
    await rm(dataDir, { recursive: true })
    expect(children()).toEqual([])
  })

  it('a job runs in a niced process that stays warm, and a killed one costs one job', {
    timeout: SLOW,
  }, async () => {
    const heard: string[] = []
    const { output, runSeconds } = await jobs.run(job, { onText: (text) => heard.push(text) })
    expect(output).toMatchObject({ kind: 'transcription', language: 'en' })
    expect(heard).toEqual([output.kind === 'transcription' ? output.text : ''])
    expect(output.kind === 'transcription' ? output.text : '').toMatch(/accept/)
    expect(runSeconds).toBeGreaterThan(0)
    const [pid = 0, ...others] = children()
    expect(others).toEqual([])
    expect(getPriority(pid)).toBe(Math.min(19, getPriority() + NICENESS))
    await jobs.run(job)
    expect(children()).toEqual([pid])

    const doomed = jobs.run(job)
    const next = jobs.run(job)
    await new Promise((tick) => setImmediate(tick))
    process.kill(pid, 'SIGKILL')
    await expect(doomed).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await next).toMatchObject({ output })
  })

  it('a job has begun when its turn comes, before its model is loaded', async () => {
    const small = await LocalJobs.open({ dataDir, names: ['asr-small'], memoryBytes: 1, threads: 1 })
    let begun = 0
    small.pause()
    const running = small.run(job, { onBegun: () => begun++ })
    const refused = expect(running).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await new Promise((tick) => setTimeout(tick, 100))
    expect(begun).toBe(0)
    small.resume()
    await refused
    expect(begun).toBe(1)
    await small.close()
  })

  it('stands still while it is paused', { timeout: SLOW }, async () => {
    await jobs.run(job)
    const [pid = 0] = children()
    jobs.pause()
    await eventually(() => stateOf(pid) === 'T')
    let done = false
    const waiting = jobs.run(job).then(() => {
      done = true
    })
    await new Promise((tick) => setTimeout(tick, 200))
    expect(done).toBe(false)
    expect(jobs.length).toBe(1)
    jobs.resume()
    await waiting
  })

  it('counts no time for which it was made to stand still', { timeout: SLOW }, async () => {
    await jobs.run(job)
    const HELD_MS = 3000
    let workedMs = (): number => Number.NaN
    const begun = performance.now()
    const { runSeconds } = await jobs.run(job, {
      onBegun: (counted) => {
        workedMs = counted
        jobs.pause()
        setTimeout(() => jobs.resume(), HELD_MS)
      },
    })
    expect(performance.now() - begun).toBeGreaterThan(HELD_MS - 10)
    expect(runSeconds * 1000).toBeLessThan(HELD_MS / 2)
    expect(workedMs()).toBeLessThan(HELD_MS / 2)
    expect(workedMs()).toBeGreaterThanOrEqual(runSeconds * 1000)
  })

  it('refuses what is no job for the model', async () => {
    const text = { kind: 'text', text: 'hello' } as const
    const sound = job.input as SoundInput
    for (const [wrong, code] of [
      [{ ...job, model: '00'.repeat(32) }, 'NOT_FOUND'],
      [{ ...job, input: text }, 'BAD_ARGUMENT'],
      [{ ...job, task: 'speak' }, 'BAD_ARGUMENT'],
      [{ ...job, parameters: { language: 'tlh' } }, 'BAD_ARGUMENT'],
      [{ ...job, input: { ...sound, sampleRate: 0 } }, 'BAD_ARGUMENT'],
      [{ ...job, input: { ...sound, pcm16: new Uint8Array(3) } }, 'BAD_ARGUMENT'],
      [
        { ...job, input: { ...sound, pcm16: new Uint8Array(2 * 4000 * 1801), sampleRate: 4000 } },
        'BAD_ARGUMENT',
      ],
    ] as const)
      await expect(jobs.run(wrong)).rejects.toMatchObject({ code })
  })

  it('a model that does not fit is refused before it is loaded', async () => {
    const memorySetting = 'the limit of this test'
    const small = await LocalJobs.open({ dataDir, names: ['asr-small'], memoryBytes: 1000, memorySetting })
    const refusal = {
      code: 'UNAVAILABLE',
      remedy: expect.stringMatching(/^raise the limit of this test to 0\.\d\d, or use a smaller model$/),
      details: { haveBytes: 1000 },
    }
    await expect(small.run(job)).rejects.toMatchObject(refusal)
    // Who offers it to others asks before anybody sends a job.
    await expect(small.requireRoom()).rejects.toMatchObject(refusal)
    await small.close()
    await expect(jobs.requireRoom()).resolves.toBeUndefined()
  })
})
