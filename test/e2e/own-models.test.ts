/**
 * The models that come with the package, as a person uses them. test/fixtures/speech/accept-this-call.wav is flite's
 * voice rms, which is not trained on: "please press one to accept this call".
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeWav } from '../../src/ml/audio/wav-write.js'
import { cli, ensureBuilt } from './cli-process.js'

const spoken = fileURLToPath(new URL('../fixtures/speech/accept-this-call.wav', import.meta.url))
let home: string
let grammar: string
beforeAll(() => {
  ensureBuilt()
  home = mkdtempSync(join(tmpdir(), 'plumbline-own-'))
  grammar = join(home, 'menu.txt')
  writeFileSync(
    grammar,
    '; what callers say\nplease press (1|2) to accept [this] call\nyou have no messages\n',
  )
}, 120_000)
afterAll(() => rmSync(home, { recursive: true, force: true }))

const run = (...args: readonly string[]) => cli([...args, '--data-dir', home])
const transcribe = (...args: readonly string[]) => run('transcribe', spoken, '--local', ...args)

describe('asr-small, without models add', () => {
  it('is in the catalogue, has a card with figures, and stays', async () => {
    const { models } = JSON.parse((await run('models', 'list', '--json')).stdout)
    expect(models).toContainEqual(
      expect.objectContaining({ name: 'asr-small', task: 'transcribe', isBuiltIn: true, languages: ['en'] }),
    )
    const card = JSON.parse((await run('models', 'show', 'asr-small', '--json')).stdout)
    expect(card.licence).toBe('cc-by-sa-3.0')
    expect(card.results.length).toBeGreaterThan(5)
    expect(card.limitations.length).toBeGreaterThan(2)
    const removed = await run('models', 'remove', 'asr-small')
    expect(removed.status).toBe(1)
    expect(removed.stderr).toMatch(/comes with plumbline/)
    const added = await run('models', 'add', card.directory)
    expect(added.stderr).toMatch(/comes with plumbline/)
  })

  it('writes most of what is said, with times', async () => {
    const { status, stdout } = await transcribe('--json')
    expect(status).toBe(0)
    const { text, words, durationSeconds } = JSON.parse(stdout)
    expect(text).toMatch(/^please press one to accept this /)
    expect(words).toHaveLength(text.split(' ').length)
    let last = 0
    for (const { startSeconds, endSeconds } of words) {
      expect(startSeconds).toBeGreaterThanOrEqual(last)
      expect(endSeconds).toBeGreaterThan(startSeconds)
      last = startSeconds
    }
    expect(last).toBeLessThan(durationSeconds)
    expect((await transcribe('--format', 'srt')).stdout).toMatch(
      /^1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\nplease/,
    )
  })

  it('finds the sentence of a grammar, and rejects speech of another', async () => {
    const found = await transcribe('--grammar', grammar)
    expect(found.status).toBe(0)
    expect(found.stdout.split('\n')[0]).toBe('please press 1 to accept this call')
    const other = join(home, 'other.txt')
    writeFileSync(other, 'you have no messages\nthe conference is full\n')
    const rejected = await transcribe('--grammar', other, '--json')
    expect(rejected.status).toBe(1)
    expect(JSON.parse(rejected.stdout)).toMatchObject({ isAccepted: false, sentence: null, sentences: 2 })
    expect((await transcribe('--grammar', other, '--threshold', '0')).status).toBe(0)
  })

  it('dictates, and says that this is an experiment', async () => {
    const { status, stdout, stderr } = await transcribe('--dictation')
    expect(status).toBe(0)
    expect(stdout.trim()).toBe('please press one to accept this call')
    expect(stderr).toMatch(/experimental/)
  })

  it('has nothing to say of a sound that is shorter than a frame', async () => {
    const silence = join(home, 'silence.wav')
    writeFileSync(silence, writeWav({ sampleRate: 8000, channels: [new Float32Array(40)] }))
    const { status, stdout } = await run('transcribe', silence, '--local', '--json')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ text: '', words: [] })
    const rejected = await run('transcribe', silence, '--local', '--grammar', grammar, '--json')
    expect(rejected.status).toBe(1)
    expect(JSON.parse(rejected.stdout)).toMatchObject({ isAccepted: false, nearest: null })
  })

  it.each([
    [['--grammar', 'x', '--dictation'], /exclude each other/],
    [['--threshold', '0.5'], /--threshold is for a grammar/],
    [['--grammar', '/nowhere/menu.txt'], /cannot be read/],
  ])('refuses %j', async (args, message) => {
    const { status, stderr } = await transcribe(...args)
    expect(status).toBeGreaterThan(0)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toMatch(message)
  })
})
