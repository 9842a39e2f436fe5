/** `plumbline speak` as a person runs it, with the golden voice. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { goldenCases } from '../golden/harness.js'
import { cli, ensureBuilt } from './cli-process.js'

const [golden] = goldenCases('10a')
const voice = golden?.folder ?? ''
let directory: string
const file = (name: string): string => join(directory, name)
const speak = (args: readonly string[], input?: string) =>
  cli(['speak', '--local', '--model', voice, ...args], {
    env: { PLUMBLINE_DATA_DIR: file('data') },
    ...(input === undefined ? {} : { input }),
  })

beforeAll(() => {
  ensureBuilt()
  directory = mkdtempSync(join(tmpdir(), 'plumbline-test-'))
}, 120_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('plumbline speak', { timeout: 120_000 }, () => {
  it('writes what it says it wrote', async () => {
    const { status, stdout, stderr } = await speak(['the cat, and 2 dogs', '--out', file('a.wav'), '--json'])
    expect(stderr).toMatch(/alphabet lacks them: 2$/m)
    expect(status).toBe(0)
    const result = JSON.parse(stdout) as Record<string, unknown>
    expect(result).toMatchObject({ model: '10a-vits-mms-tts', out: file('a.wav'), pieces: 1, leftOut: ['2'] })
    const { sampleRate, channels } = readWav(readFileSync(file('a.wav')))
    const [samples = new Float32Array()] = channels
    expect(channels).toHaveLength(1)
    expect(samples.length / sampleRate).toBe(result.durationSeconds)
    expect(samples.some((sample) => sample !== 0)).toBe(true)
  })

  it('the same seed writes the same file; a rate of a half writes a longer one', async () => {
    for (const name of ['b.wav', 'c.wav'])
      expect((await speak(['hi mom', '--seed', '5', '--out', file(name)])).status).toBe(0)
    expect(readFileSync(file('b.wav'))).toEqual(readFileSync(file('c.wav')))
    await speak(['hi mom', '--seed', '5', '--rate', '0.5', '--out', file('d.wav')])
    expect(readFileSync(file('d.wav')).length).toBeGreaterThan(1.3 * readFileSync(file('b.wav')).length)
  })

  it('reads standard input, sentence by sentence, and tells the licence', async () => {
    const text = 'The cat is on the mat and sleeps.\nThe dog is in the house and waits.\n'
    const { status, stdout, stderr } = await speak(['--out', file('e.wav')], text)
    expect(status).toBe(0)
    expect(stdout).toMatch(
      /^Wrote .*e\.wav: [\d.]+ s of speech in 2 pieces, made in [\d.]+ s \(real-time factor [\d.]+\)\n$/,
    )
    expect(stderr).toBe(
      'Licence of the voice: its files do not say; ask before you sell or publish its work.\n',
    )
  })

  it('a card of the catalogue: task, language, licence', async () => {
    await cp(voice, file('voice'), { recursive: true })
    writeFileSync(file('voice/README.md'), '---\nlicense: cc-by-nc-4.0\n---\n')
    const env = { PLUMBLINE_DATA_DIR: file('data') }
    const added = await cli(['models', 'add', file('voice'), '--json'], { env })
    expect(JSON.parse(added.stdout)).toMatchObject({ task: 'speak', family: 'vits', languages: ['eng'] })
    const { status, stderr } = await cli(['speak', 'hi', '--local', '--out', file('f.wav')], { env })
    expect(status).toBe(0)
    expect(stderr).toBe('Licence of the voice: cc-by-nc-4.0, not for commercial use.\n')
  })

  it.each<readonly [string, readonly string[], string | undefined, number, RegExp]>([
    ['no text', ['', '--out', 'x.wav'], undefined, 2, /<text> is empty/],
    ['blank text', ['--out', 'x.wav'], ' \n', 1, /there is nothing to say; give some text/],
    [
      'no known letter',
      ['12 34', '--out', 'x.wav'],
      undefined,
      1,
      /nothing of the text is in this voice's alphabet; write/,
    ],
    [
      'an unknown speaker',
      ['hi', '--speaker', '9', '--out', 'x.wav'],
      undefined,
      1,
      /no speaker 9; this voice has one, 0/,
    ],
    ['huge text', ['--out', 'x.wav'], 'a'.repeat(1 << 21), 1, /over a million bytes; cut it/],
    [
      'long text',
      ['--out', 'x.wav'],
      'cat. '.repeat(5000),
      1,
      /the text has 25000 characters, at most \d+ are spoken; cut it/,
    ],
    ['no file', ['hi'], undefined, 2, /--out is missing/],
    ['a device', ['hi', '--out', '/dev/null'], undefined, 2, /--out \/dev\/null is no file; name a WAV file/],
    ['no such folder', ['hi', '--out', 'no/such/folder/a.wav'], undefined, 1, /no such file or directory/],
  ])('%s is one clear line', async (_, args, input, expected, line) => {
    const { status, stdout, stderr } = await speak(args, input)
    expect(stderr).toMatch(line)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stdout).toBe('')
    expect(status).toBe(expected)
  })
})
