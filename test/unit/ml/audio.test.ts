import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import { type Audio, toMono } from '../../../src/ml/audio/audio.js'
import { decodeAudio, decodeMono, readAudioFile } from '../../../src/ml/audio/decode.js'
import { aLawTable, muLawTable } from '../../../src/ml/audio/g711.js'
import { readWav } from '../../../src/ml/audio/wav-read.js'
import { writeWav } from '../../../src/ml/audio/wav-write.js'
import { silentFlac } from '../../support/silent-flac.js'
import { isRefused, mutations, refusalOf, temporaryFile } from './files-support.js'

const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../fixtures/audio/${name}`, import.meta.url)))

const u16 = (value: number) => [value & 255, value >> 8]
const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)]
const chunk = (tag: string, body: readonly number[], length = body.length) => [
  ...Buffer.from(tag),
  ...u32(length),
  ...body,
  ...(body.length % 2 === 1 ? [0] : []),
]
const riff = (...chunks: readonly (readonly number[])[]) => {
  const body = [...Buffer.from('WAVE'), ...chunks.flat()]
  return Uint8Array.from([...Buffer.from('RIFF'), ...u32(body.length), ...body])
}
const format = (tag: number, channels: number, bits: number, more: readonly number[] = []) => {
  const frame = channels * Math.ceil(bits / 8)
  return chunk('fmt ', [
    ...u16(tag),
    ...u16(channels),
    ...u32(8000),
    ...u32(8000 * frame),
    ...u16(frame),
    ...u16(bits),
    ...more,
  ])
}
const extensible = (tag: number) => [
  ...[...u16(22), ...u16(16), ...u32(3), ...u16(tag)],
  ...Buffer.from('000000001000800000aa00389b71', 'hex'),
]

describe('WAV', () => {
  it.each([
    ['8-bit PCM', 1, 8, [0, 128, 255], [-1, 0, 127 / 128]],
    ['16-bit PCM', 1, 16, [0, 128, 0, 0, 255, 127], [-1, 0, 32767 / 32768]],
    ['24-bit PCM', 1, 24, [0, 0, 128, 1, 0, 0], [-1, 2 ** -23]],
    ['32-bit PCM', 1, 32, [0, 0, 0, 128, 0, 0, 0, 64], [-1, 0.5]],
    ['20 bits in 24', 1, 20, [0, 0, 64], [0.5]],
    ['32-bit float', 3, 32, [0, 0, 0, 63, 0, 0, 0, 192], [0.5, -2]],
    ['64-bit float', 3, 64, [0, 0, 0, 0, 0, 0, 224, 63], [0.5]],
    ['mu-law', 7, 8, [0xff, 0x80, 0x00], [0, 32124 / 32768, -32124 / 32768]],
    ['A-law', 6, 8, [0xd5, 0x55, 0xaa, 0x2a], [8 / 32768, -8 / 32768, 32256 / 32768, -32256 / 32768]],
  ] as const)('%s', (_, tag, bits, data, expected) => {
    const audio = readWav(riff(format(tag, 1, bits), chunk('data', data)))
    expect(audio.sampleRate).toBe(8000)
    expect([...(audio.channels[0] ?? [])]).toEqual(expected.map(Math.fround))
  })

  it('extensible format, chunks in any order, odd lengths, unknown chunks, interleaving', () => {
    const data = chunk('data', [0, 64, 0, 192, 0, 32, 0, 0])
    const audio = readWav(
      riff(chunk('LIST', [1, 2, 3]), data, format(0xfffe, 2, 16, extensible(1)), chunk('junk', [])),
    )
    expect(audio.channels.map((channel) => [...channel])).toEqual([
      [0.5, 0.25],
      [-0.5, 0],
    ])
    expect([...toMono(audio)]).toEqual([0, 0.125])
  })

  it('data of unknown length reach to the end', () => {
    expect(readWav(riff(format(1, 1, 8), chunk('data', [128, 0], 0xffffffff))).channels[0]).toHaveLength(2)
  })

  it.each([
    ['truncated data', riff(format(1, 1, 16), chunk('data', [0, 0], 4)), /truncated/],
    ['half a frame', riff(format(1, 2, 16), chunk('data', [0, 0])), /truncated/],
    ['no data', riff(format(1, 1, 16)), /no data chunk/],
    ['no format', riff(chunk('data', [0, 0])), /no fmt chunk/],
    ['no channels', riff(format(1, 0, 16), chunk('data', [])), /0 channels/],
    ['65 channels', riff(format(1, 65, 8), chunk('data', [])), /65 channels/],
    ['a codec it does not know', riff(format(0x55, 1, 8), chunk('data', [])), /format 85/],
    [
      'an unknown extensible format',
      riff(format(0xfffe, 1, 16, extensible(1).with(20, 9)), chunk('data', [])),
      /extensible/,
    ],
    [
      'frames that do not fit',
      riff(chunk('fmt ', [1, 0, 1, 0, 64, 31, 0, 0, 0, 0, 0, 0, 3, 0, 16, 0]), chunk('data', [])),
      /frames of 3/,
    ],
    ['big-endian RIFX', Buffer.from('RIFX\0\0\0\0WAVE'), /RIFX/],
    ['nothing but a tag', Buffer.from('RIFF'), /too short/],
  ])('refuses %s', async (_, bytes, message) => {
    expect((await refusalOf(() => readWav(bytes))).message).toMatch(message)
  })

  it('comes back as written: float exactly, PCM to half a step, clipped', () => {
    const sound: Audio = {
      sampleRate: 16000,
      channels: [Float32Array.of(0.1, -1.5, 1), Float32Array.of(0, 1 / 65536, -1)],
    }
    expect(readWav(writeWav(sound, 'float32'))).toEqual(sound)
    const pcm = readWav(writeWav(sound))
    expect(pcm.sampleRate).toBe(16000)
    expect(Math.abs((pcm.channels[0]?.[0] ?? 0) - 0.1)).toBeLessThanOrEqual(2 ** -16)
    expect([...(pcm.channels[0] ?? [])].slice(1)).toEqual([-1, 32767 / 32768])
    expect(() => writeWav({ sampleRate: 1, channels: [] })).toThrow(RangeError)
    expect(() => writeWav({ sampleRate: 1, channels: [new Float32Array(1), new Float32Array(2)] })).toThrow(
      RangeError,
    )
  })

  it('never fails otherwise than by a refusal (fuzz)', async () => {
    const bytes = riff(format(0xfffe, 2, 16, extensible(1)), chunk('data', new Array(64).fill(3)))
    let refused = 0
    for (const damaged of mutations(bytes, 400, 3)) if (await isRefused(() => readWav(damaged))) refused++
    expect(refused).toBeGreaterThan(100)
  })

  it('G.711 covers its range in steps that grow with the level', () => {
    for (const table of [muLawTable, aLawTable]) {
      const levels = [...new Set([...table].map(Math.abs))].toSorted((a, b) => a - b)
      expect(levels).toHaveLength(128)
      const steps = levels.slice(1).map((level, i) => level - (levels[i] ?? 0))
      expect(steps.every((step, i) => i === 0 || step >= (steps[i - 1] ?? 0))).toBe(true)
    }
  })
})

/** Amplitude and phase-free level of a tone in a channel, by correlation over whole periods. */
function level(samples: Float32Array, frequency: number, sampleRate: number): number {
  let re = 0
  let im = 0
  samples.forEach((value, i) => {
    re += value * Math.cos((2 * Math.PI * frequency * i) / sampleRate)
    im += value * Math.sin((2 * Math.PI * frequency * i) / sampleRate)
  })
  return (2 * Math.hypot(re, im)) / samples.length
}

/** tones.*: 0.25 s of 440 Hz on the left and 1 kHz on the right at 12000/32768, encoded by flac 1.4.2, oggenc, lame 3.100, opusenc. */
const AMPLITUDE = 12000 / 32768

describe.each([
  ['tones.flac', 16000, 4001, 0.002],
  ['tones.ogg', 16000, 4001, 0.03],
  ['tones.mp3', 16000, 4001, 0.03],
  ['tones.opus', 48000, 12003, 0.03],
] as const)('%s', (name, sampleRate, length, tolerance) => {
  it('has its channels, rate, length and tones', async () => {
    const audio = await readAudioFile(temporaryFile(fixture(name), name))
    expect(audio.sampleRate).toBe(sampleRate)
    expect(audio.channels.map((channel) => channel.length)).toEqual([length, length])
    for (const [index, own, foreign] of [
      [0, 440, 1000],
      [1, 1000, 440],
    ] as const) {
      const channel = audio.channels[index] ?? new Float32Array(0)
      expect(Math.abs(level(channel, own, sampleRate) - AMPLITUDE)).toBeLessThan(tolerance)
      expect(level(channel, foreign, sampleRate)).toBeLessThan(tolerance)
    }
  })

  it('cut short is refused', async () => {
    const bytes = fixture(name)
    for (const share of [0.3, 0.7, 0.95]) {
      const path = temporaryFile(bytes.subarray(0, Math.floor(bytes.length * share)), name)
      expect((await refusalOf(() => readAudioFile(path))).message).toContain(name)
    }
  })

  it('damaged anywhere is refused or read, nothing else (fuzz)', async () => {
    let refused = 0
    for (const damaged of mutations(fixture(name), 24, 11))
      if (await isRefused(() => decodeAudio(damaged))) refused++
    expect(refused).toBeGreaterThan(6)
  })
})

it('FLAC gives the samples that were encoded, to the bit', async () => {
  const { channels } = await decodeAudio(fixture('tones.flac'))
  for (const [index, frequency] of [440, 1000].entries())
    channels[index]?.forEach((value, i) => {
      const encoded = Math.round(12000 * Math.sin((2 * Math.PI * frequency * i) / 16000))
      if (Math.abs(value - encoded / 32768) > 0) expect(value).toBe(encoded / 32768)
    })
  expect(channels).toHaveLength(2)
})

describe('mixed down as it is decoded', () => {
  it.each(['tones.flac', 'tones.ogg', 'tones.mp3', 'tones.opus', 'speech.wav'])(
    '%s is the mean of its channels',
    async (name) => {
      const whole = await decodeAudio(fixture(name))
      const mono = await decodeMono(fixture(name))
      expect(mono.sampleRate).toBe(whole.sampleRate)
      expect(mono.samples).toEqual(toMono(whole))
    },
  )

  it('a long FLAC comes in pieces, and ends where it is long enough', async () => {
    const bytes = silentFlac(60, 2)
    const heard: number[] = []
    expect((await decodeMono(bytes, (seconds) => heard.push(seconds))).samples).toHaveLength(60 * 16_000)
    expect(heard.length).toBeGreaterThan(2)
    expect(heard.at(-1)).toBe(60)
    const [first = 0, second = 0] = heard
    let checks = 0
    const stop = (seconds: number): void => {
      checks++
      if (seconds > first) throw new UserError('long enough', { code: 'BAD_ARGUMENT' })
    }
    await expect(decodeMono(bytes, stop)).rejects.toThrow('long enough')
    expect([checks, second < 60]).toEqual([2, true])
  })
})

it('one flipped bit in the sound is noticed where the format has a checksum', async () => {
  for (const name of ['tones.flac', 'tones.ogg', 'tones.opus']) {
    const bytes = Uint8Array.from(fixture(name))
    const at = Math.floor(bytes.length * 0.6)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    await refusalOf(() => decodeAudio(bytes))
  }
})

it('other files are no sound', async () => {
  for (const bytes of ['hello', '\x89PNG', '<html>'])
    expect((await refusalOf(() => decodeAudio(Buffer.from(bytes)))).line).toContain('convert it')
  expect((await refusalOf(() => decodeAudio(new Uint8Array(0)))).line).toContain('empty')
  await refusalOf(() => readAudioFile('/nowhere.wav'))
})
