/** `plumbline models bench` on golden cases' directories. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { percentile } from '../../src/inference/local/benchmark.js'
import { firstCase } from '../unit/models/checkpoint-copies.js'
import { cli, ensureBuilt } from './cli-process.js'

let home: string
beforeAll(() => {
  ensureBuilt()
  home = mkdtempSync(join(tmpdir(), 'plumbline-models-bench-'))
}, 120_000)
afterAll(() => rmSync(home, { recursive: true, force: true }))

const bench = (...args: readonly string[]) => cli(['models', 'bench', ...args, '--data-dir', home])

describe('models bench', () => {
  it('measures eight bits only where a model has them', async () => {
    const plan = ['--seconds', '0.5', '--threads', '1', '--runs', '1', '--json']
    const { stdout } = await bench('asr-small', ...plan)
    expect(JSON.parse(stdout).rows.map(({ precision }: { precision: string }) => precision)).toEqual(['fp32'])
    const refused = await bench('asr-small', ...plan, '--precision', 'int8')
    expect(refused.status).toBe(2)
    expect(refused.stdout + refused.stderr).toContain('asr-small has no eight-bit weights')
  })

  it('measures every precision, number of threads and length', async () => {
    const { folder } = firstCase('03')
    const { status, stdout, stderr } = await bench(
      folder,
      ...['--seconds', '0.5,2', '--threads', '1,2', '--runs', '3', '--json'],
    )
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const result = JSON.parse(stdout)
    expect(result).toMatchObject({ task: 'transcribe', architecture: 'Wav2Vec2ForCTC', runs: 3 })
    expect(result.machine.cores).toBeGreaterThan(0)
    const key = ({ precision, threads, seconds }: Record<string, unknown>) =>
      `${precision} ${threads} ${seconds}`
    expect(new Set(result.rows.map(({ unit }: { unit: string }) => unit))).toEqual(new Set(['seconds']))
    expect(result.rows.map(key)).toEqual(
      ['fp32', 'int8'].flatMap((precision) =>
        [1, 2].flatMap((threads) => [0.5, 2].map((seconds) => `${precision} ${threads} ${seconds}`)),
      ),
    )
    for (const row of result.rows) {
      expect(row.p50Ms).toBeGreaterThan(0)
      expect(row.p99Ms).toBeGreaterThanOrEqual(row.p50Ms)
      expect(row.realTimeFactor).toBeCloseTo(row.p50Ms / 1000 / row.seconds, 9)
      expect(row.loadMs).toBeGreaterThan(0)
      // A process with a runtime in it.
      expect(row.memoryBytes).toBeGreaterThan(30e6)
    }
  }, 120_000)

  it('measures classifiers, translators and embedders of sounds, as a table', async () => {
    for (const number of ['04', '05', '11']) {
      const { status, stdout, stderr } = await bench(
        firstCase(number).folder,
        ...['--seconds', '1', '--threads', '1', '--runs', '1', '--precision', 'fp32'],
      )
      expect(stderr).toBe('')
      expect(status).toBe(0)
      expect(stdout).toMatch(/precision +threads +sound +p50 +p99 +real time +load +memory\n/)
      expect(stdout).toMatch(/\nfp32 +1 +1 s +[\d.]+ ms +[\d.]+ ms +[\d.]+ +/)
    }
  }, 120_000)

  it('measures voices and models of texts by the length of the text, and of images by the image', async () => {
    const plan = ['--threads', '1', '--runs', '1', '--precision', 'fp32', '--json']
    const rowsOf = async (number: string, ...args: readonly string[]) => {
      const { status, stdout, stderr } = await bench(firstCase(number).folder, ...plan, ...args)
      expect(stderr).toBe('')
      expect(status).toBe(0)
      return JSON.parse(stdout).rows as Record<string, unknown>[]
    }
    const spoken = await rowsOf('10', '--characters', '10,40')
    expect(spoken.map(({ size, unit }) => [size, unit])).toEqual([
      [10, 'characters'],
      [40, 'characters'],
    ])
    // More text is more sound.
    expect(Number(spoken[1]?.seconds)).toBeGreaterThan(Number(spoken[0]?.seconds))
    expect(spoken[0]?.realTimeFactor).toBeGreaterThan(0)
    const [words] = await rowsOf('08', '--characters', '50')
    expect(words).toMatchObject({ size: 50, unit: 'characters' })
    expect(words).not.toHaveProperty('realTimeFactor')
    const [image] = await rowsOf('09')
    expect(image).toMatchObject({ size: 1, unit: 'images' })
    expect(image?.p50Ms).toBeGreaterThan(0)
  }, 300_000)

  it('refuses a model that does not fit, with the figures, and sizes that are not its own', async () => {
    const tooLarge = await bench(firstCase('01').folder, '--memory', '0.05')
    expect(tooLarge.status).toBe(1)
    expect(tooLarge.stderr).toMatch(/does not fit: have 0\.05 GiB, need 0\.\d\d GiB/)
    const words = await bench(firstCase('08').folder, '--seconds', '1')
    expect(words.status).toBe(2)
    expect(words.stderr).toMatch(/--seconds is for a model that hears/)
    const typo = await bench(firstCase('01').folder, '--threads', '1,many')
    expect(typo.status).toBe(2)
    expect(typo.stderr).toMatch(/--threads.*many/)
  }, 60_000)
})

describe('percentile', () => {
  it('is the nearest rank', () => {
    expect([1, 50, 51, 99, 100].map((percent) => percentile([3, 1, 2, 4], percent))).toEqual([1, 2, 3, 4, 4])
    expect(percentile([7], 99)).toBe(7)
  })
})
