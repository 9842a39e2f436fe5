/** What is piped in is written as it is spoken: a recorder that goes on, one that is interrupted, and one that ends. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pcm16Of } from '../../src/ml/audio/pcm16.js'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { cli, ended, ensureBuilt, type Running, shows, start } from './cli-process.js'

const SLOW = 240_000
const { sampleRate, channels } = readWav(readFileSync('test/fixtures/speech/accept-this-call.wav'))
const SPOKEN = channels[0] ?? new Float32Array()
const silence = (samples: number) => Buffer.alloc(2 * samples)
const ARGS = ['transcribe', '-', '--local', '--threads', '1', '--data-dir', '/nonexistent']

/** As arecord writes it without being told how long: 2 GiB to come. */
function endlessHeader(): Buffer {
  const header = Buffer.alloc(44)
  header.write('RIFF\x24\0\0\x80WAVEfmt \x10\0\0\0\x01\0\x01\0', 0, 'latin1')
  header.writeUInt32LE(sampleRate, 24)
  header.writeUInt32LE(2 * sampleRate, 28)
  header.write('\x02\0\x10\0data\0\0\0\x80', 32, 'latin1')
  return header
}

interface Event {
  readonly event: string
  readonly text?: string
  readonly startSeconds?: number
  readonly utterances?: number
  readonly words?: readonly { readonly text: string; readonly startSeconds: number }[]
}
const eventsOf = (stdout: string): readonly Event[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event)

describe('transcribe -', () => {
  let recorder: Running | undefined
  beforeAll(ensureBuilt, 120_000)
  afterAll(() => void recorder?.child.kill('SIGKILL'))

  it('writes an utterance while the pipe goes on, and what is left at Ctrl-C', {
    timeout: SLOW,
  }, async () => {
    // Begun, not ended: after the second one a quarter of the silence is missing that would end it.
    const after = sampleRate / 4
    const least = 2 * SPOKEN.length + sampleRate + after
    const seconds = Math.ceil(least / sampleRate) + 1
    const before = seconds * sampleRate - least
    recorder = start([...ARGS, '--json-stream'], { isInputOpen: true })
    const { child } = recorder
    child.stdin?.write(
      Buffer.concat([endlessHeader(), silence(before), pcm16Of(SPOKEN), silence(sampleRate)]),
    )
    await shows(recorder, /"event":"partial".*\n(?:.*\n)*.*"event":"text"/, 120_000)
    child.stdin?.write(Buffer.concat([pcm16Of(SPOKEN), silence(after)]))
    await shows(recorder, new RegExp(`"event":"progress","done":${seconds},`), 120_000)
    child.kill('SIGINT')
    expect(await recorder.exit).toBe(0)
    expect(recorder.stderr).toBe('')
    const events = eventsOf(recorder.stdout)
    const [first, second, ...more] = events.filter(({ event }) => event === 'text')
    expect(more).toEqual([])
    expect(first?.text).toMatch(/^please press one /)
    expect(second?.text).toMatch(/^please press one /)
    expect(first?.startSeconds).toBeGreaterThan(0.5)
    expect(second?.words?.[0]?.startSeconds).toBeGreaterThan(2 + SPOKEN.length / sampleRate)
    expect(events.indexOf(second ?? (events[0] as Event))).toBe(events.length - 2)
    expect(events.at(-1)).toMatchObject({ event: 'result', model: 'asr-small', utterances: 2 })
  })

  it('bare samples to their end, as text; silence says so', { timeout: SLOW }, async () => {
    const input = Buffer.concat([pcm16Of(SPOKEN), silence(sampleRate), pcm16Of(SPOKEN)])
    const spoken = await cli([...ARGS, '--rate', String(sampleRate)], { input })
    expect(spoken).toMatchObject({ status: 0, stderr: '' })
    expect(spoken.stdout).toMatch(/^please press one .*\nplease press one .*\n$/)
    const silent = await ended(start([...ARGS, '--rate', String(sampleRate)], { input: silence(sampleRate) }))
    expect(silent).toEqual({ status: 0, stdout: '', stderr: 'no speech in 1.0 s\n' })
  })
})
