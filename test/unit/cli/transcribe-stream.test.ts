/** `transcribe -`: what is refused before anything is loaded, and how sound comes out of a pipe. */
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { CommandIo } from '../../../src/cli/io.js'
import { PipedSound } from '../../../src/cli/piped-sound.js'
import { TranscriptStream } from '../../../src/cli/transcript-text.js'
import { pcm16Of } from '../../../src/ml/audio/pcm16.js'
import { writeWav } from '../../../src/ml/audio/wav-write.js'
import { complaint, run } from './in-process.js'

it.each([
  [['-'], /standard input is heard on this machine alone; add --local/],
  [['-', '--local', '--json'], /--json waits for an end .*; use --json-stream/],
  [['-', '--local', '--grammar', 'menu.txt'], /a grammar is matched against a recording; name a sound file/],
  [['-', '--local', '--rate', '10'], /--rate expects a whole number from 4000 to 192000/],
  [['clip.wav', '--local', '--rate', '16000'], /--rate is for sound from standard input; leave it out/],
  [['-', '--local', '--model', 'language-id'], /language-id does not transcribe/],
])('transcribe %j', async (args, message) => {
  const outcome = await run(['transcribe', ...args, '--data-dir', '/nonexistent'])
  expect(complaint(outcome)).toMatch(message)
  expect(outcome.stdout.replace(/^\{"error":.*\}\n$/, '')).toBe('')
})

/** Whole steps of 16 bits, and no negative zero. */
const TONE = Float32Array.from(
  { length: 20_000 },
  (_, i) => (1 + Math.round(8000 * Math.sin(i * 0.05))) / 32_768,
)

describe('sound from a pipe', () => {
  const piped = (
    stdin: Readable & { isTTY?: boolean },
    rate?: number,
    signal = new AbortController().signal,
  ) => new PipedSound({ stdin, signal } as unknown as CommandIo, rate)
  const read = async (sound: PipedSound) => {
    const samples: number[] = []
    let sampleRate = 0
    for await (const piece of sound.pieces()) {
      expect(piece.samples.length).toBeLessThanOrEqual(8000)
      samples.push(...piece.samples)
      sampleRate = piece.sampleRate
    }
    return { samples, sampleRate }
  }
  const chunks = (bytes: Uint8Array, length: number) =>
    Readable.from(
      (function* () {
        for (let at = 0; at < bytes.length; at += length) yield Buffer.from(bytes.subarray(at, at + length))
      })(),
    )
  const wav = writeWav({ sampleRate: 22_050, channels: [TONE] })

  it('is a WAV, or bare samples of a rate that is told, in pieces that need not be whole samples', async () => {
    for (const length of [5, 999, wav.length])
      expect(await read(piped(chunks(wav, length)))).toEqual({ samples: [...TONE], sampleRate: 22_050 })
    expect(await read(piped(chunks(pcm16Of(TONE), 777), 8000))).toEqual({
      samples: [...TONE],
      sampleRate: 8000,
    })
  })

  it.each([
    ['nothing at all', Buffer.alloc(0), undefined, /standard input is empty; pipe sound: arecord/],
    [
      'other sound',
      Buffer.from('fLaC and so on, and so on'),
      undefined,
      /is no WAV; pipe it through "ffmpeg/,
    ],
    ['a few bytes', Buffer.from('RIFF'), undefined, /is no WAV/],
    ['a WAV that is said to be none', Buffer.from(wav), 16_000, /says its rate itself; leave --rate out/],
    ['a WAV that ends in its header', Buffer.from(wav.subarray(0, 20)), undefined, /before its sound begins/],
  ])('refuses %s in one line', async (_, bytes, rate, message) => {
    const error = await read(piped(chunks(bytes, 10), rate)).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'UserError', line: expect.stringMatching(message) })
  })

  it('is no keyboard', () => {
    expect(() => piped(Object.assign(new Readable({ read: () => undefined }), { isTTY: true }))).toThrow(
      /no sound is piped in/,
    )
  })

  it('is still heard as far as it came when it is interrupted', { timeout: 20_000 }, async () => {
    const controller = new AbortController()
    const stdin = new Readable({ read: () => undefined })
    const sound = piped(stdin, 16_000, controller.signal)
    stdin.push(Buffer.from(pcm16Of(TONE)))
    const pieces = sound.pieces()
    let heard = (await pieces.next()).value?.samples.length ?? 0
    controller.abort()
    for await (const { samples } of pieces) heard += samples.length
    expect(heard).toBe(TONE.length)
  })

  it('waits in a bounded buffer for a model that is slow', async () => {
    let given = 0
    const stdin = new Readable({
      read(size) {
        given += size
        this.push(Buffer.alloc(size))
      },
    })
    const controller = new AbortController()
    const sound = piped(stdin, 16_000, controller.signal)
    const pieces = sound.pieces()
    for (let i = 0; i < 20; i++) {
      await pieces.next()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    controller.abort()
    expect(given).toBeGreaterThan(20 * 16_000)
    expect(given).toBeLessThan(16 * 2 ** 20)
  })
})

it('subtitles of a stream go on where the utterance before ended', () => {
  const word = (text: string, startSeconds: number) => ({
    text,
    startSeconds,
    endSeconds: startSeconds + 0.5,
    confidence: 0.9,
  })
  const utterance = (text: string, startSeconds: number) => ({
    text,
    startSeconds,
    endSeconds: startSeconds + 0.5,
    words: [word(text, startSeconds)],
  })
  const shown = (format: 'text' | 'words' | 'srt' | 'vtt') => {
    const stream = new TranscriptStream(format)
    const lines = [utterance('one', 1), utterance('two', 3)].map((each) => stream.next(each))
    return [...(stream.head === undefined ? [] : [stream.head]), ...lines].map((line) => `${line}\n`).join('')
  }
  expect(shown('text')).toBe('one\ntwo\n')
  expect(shown('words')).toBe('1.00\t1.50\t0.90\tone\n3.00\t3.50\t0.90\ttwo\n')
  expect(shown('srt')).toBe(
    '1\n00:00:01,000 --> 00:00:01,500\none\n\n2\n00:00:03,000 --> 00:00:03,500\ntwo\n\n',
  )
  expect(shown('vtt')).toBe(
    'WEBVTT\n\n00:00:01.000 --> 00:00:01.500\none\n\n00:00:03.000 --> 00:00:03.500\ntwo\n\n',
  )
})
