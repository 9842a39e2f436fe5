import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../src/errors.js'
import { readAudioFile } from '../../src/ml/audio/decode.js'
import { decodeG722 } from '../../src/ml/audio/g722.js'
import { Resampler } from '../../src/ml/audio/resample.js'
import { bounded, damaged, fileOf, fuzzRuns, fuzzTimeout, outcome, refusal } from '../support/damage.js'

const sample = (name: string): Uint8Array =>
  readFileSync(fileURLToPath(new URL(`../fixtures/audio/${name}`, import.meta.url)))

/** A reader may give a sound or a line, but never a sound that breaks what comes after it. */
async function read(path: string): Promise<void> {
  const { sampleRate, channels } = await readAudioFile(path)
  expect(Number.isInteger(sampleRate) && sampleRate >= 1000 && sampleRate <= 768_000).toBe(true)
  expect(channels.length).toBeGreaterThan(0)
  for (const channel of channels) {
    expect(channel.length).toBe(channels[0]?.length)
    expect(channel.every(Number.isFinite)).toBe(true)
  }
}

const RUNS = 60

describe('sound files, damaged anywhere, give a sound or one line that names the file', () => {
  it.each([
    ['speech.wav', 200],
    ['tones.flac', RUNS],
    ['tones.ogg', RUNS],
    ['tones.opus', RUNS],
    ['tones.mp3', RUNS],
  ])(
    '%s',
    async (name, runs) => {
      const sound = sample(name)
      const whole = fileOf(sound, name)
      await read(whole)
      await fc.assert(
        fc.asyncProperty(damaged(sound), async (bytes) => {
          const path = fileOf(bytes, name)
          await outcome(path, () => read(path))
        }),
        fuzzRuns(runs),
      )
    },
    fuzzTimeout(200),
  )

  it(
    'what only begins like one',
    async () => {
      const heads = ['RIFF', 'RIFX', 'RF64', 'fLaC', 'OggS', 'ID3', '\xff\xfb', ''].map((each) =>
        Buffer.from(each, 'latin1'),
      )
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 200 }), async (head, rest) => {
          const path = fileOf(Buffer.concat([head, rest]), 'head')
          await outcome(path, () => read(path))
        }),
        fuzzRuns(100),
      )
    },
    fuzzTimeout(100),
  )

  it('G.722 of any bytes is a sound in its range', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const samples = decodeG722(bytes)
        expect(samples.length).toBe(2 * bytes.length)
        expect(samples.every((value) => value >= -1 && value < 1)).toBe(true)
      }),
      fuzzRuns(200),
    )
  })
})

/** The same file with the checksum of every page that can be found made right (RFC 3533, 6). */
function resealed(file: Uint8Array): Uint8Array {
  const bytes = Buffer.from(file)
  for (let at = bytes.indexOf('OggS'); at >= 0; at = bytes.indexOf('OggS', at + 4)) {
    const table = at + 27
    if (table > bytes.length) break
    const segments = bytes.subarray(table, table + (bytes[at + 26] ?? 0))
    const end = segments.reduce((sum, length) => sum + length, table + segments.length)
    if (end > bytes.length) continue
    bytes.writeUInt32LE(0, at + 22)
    let crc = 0
    for (const byte of bytes.subarray(at, end)) {
      crc = (crc ^ (byte << 24)) >>> 0
      for (let bit = 0; bit < 8; bit++)
        crc = (crc & 0x80000000) !== 0 ? ((crc << 1) ^ 0x04c11db7) >>> 0 : (crc << 1) >>> 0
    }
    bytes.writeUInt32LE(crc, at + 22)
  }
  return bytes
}

describe('Ogg files whose damage lies under a sound checksum', () => {
  it.each(['tones.ogg', 'tones.opus'])(
    '%s',
    async (name) => {
      const sound = sample(name)
      expect(resealed(sound)).toEqual(Buffer.from(sound))
      await fc.assert(
        fc.asyncProperty(damaged(sound).map(resealed), async (bytes) => {
          const path = fileOf(bytes, name)
          await outcome(path, () => read(path))
        }),
        fuzzRuns(RUNS),
      )
    },
    fuzzTimeout(RUNS),
  )
})

interface WavLies {
  readonly tag?: number
  readonly channels?: number
  readonly rate?: number
  readonly frameBytes?: number
  readonly bits?: number
  readonly dataLength?: number
  readonly formatLength?: number
}

/** A WAV file whose every field can lie. */
function wav(data: Uint8Array, lies: WavLies = {}): Uint8Array {
  const { tag = 1, channels = 1, rate = 16_000, bits = 16 } = lies
  const { frameBytes = (channels * bits) / 8, dataLength = data.length, formatLength = 16 } = lies
  const head = Buffer.alloc(44)
  head.write('RIFF', 0)
  head.writeUInt32LE(36 + data.length, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(formatLength, 16)
  head.writeUInt16LE(tag, 20)
  head.writeUInt16LE(channels, 22)
  head.writeUInt32LE(rate, 24)
  head.writeUInt32LE((rate * frameBytes) % 2 ** 32, 28)
  head.writeUInt16LE(frameBytes & 0xffff, 32)
  head.writeUInt16LE(bits, 34)
  head.write('data', 36)
  head.writeUInt32LE(dataLength, 40)
  return Buffer.concat([head, data])
}

describe('WAV headers that lie', () => {
  const data = Buffer.alloc(3200)
  const floats = (...values: readonly number[]): Uint8Array =>
    new Uint8Array(Float32Array.from(values).buffer)
  it.each<[string, Uint8Array]>([
    ['of 4 GiB of sound', wav(data, { dataLength: 0xfffffffe })],
    ['of a format chunk of 4 GiB', wav(data, { formatLength: 0xffffffff })],
    ['of no channels', wav(data, { channels: 0 })],
    ['of 65,535 channels', wav(data, { channels: 65_535, bits: 8, frameBytes: 65_535 })],
    ['of 0 Hz', wav(data, { rate: 0 })],
    ['of 1 Hz, which would become 16,000 times as long', wav(data, { rate: 1 })],
    ['of 4 GHz', wav(data, { rate: 0xffffffff })],
    ['of samples of no bits', wav(data, { bits: 0, frameBytes: 0 })],
    ['of samples of 65,535 bits', wav(data, { bits: 65_535 })],
    ['of an unknown format', wav(data, { tag: 0x55 })],
    ['of values that are no numbers', wav(floats(0, Number.NaN, 0), { tag: 3, bits: 32 })],
    ['of infinite values', wav(floats(0, Number.POSITIVE_INFINITY), { tag: 3, bits: 32 })],
    ['of half a frame', wav(data.subarray(1), { bits: 16 })],
    ['of nothing at all', new Uint8Array(0)],
  ])('%s', async (_, bytes) => {
    const path = fileOf(bytes, 'lying.wav')
    await bounded(() => refusal(path, () => read(path)))
  })

  it(
    'every field drawn at random',
    async () => {
      const anything = fc.record({
        tag: fc.oneof(fc.constantFrom(1, 3, 6, 7, 0xfffe), fc.nat(0xffff)),
        channels: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.nat(0xffff)),
        rate: fc.oneof(fc.constantFrom(8000, 16_000, 384_000), fc.nat(0xffffffff)),
        bits: fc.oneof(fc.constantFrom(8, 12, 16, 20, 24, 32, 64), fc.nat(0xffff)),
      })
      await fc.assert(
        fc.asyncProperty(anything, fc.uint8Array({ maxLength: 96 }), async (lies, bytes) => {
          const frameBytes = (lies.channels * Math.ceil(lies.bits / 8)) & 0xffff
          const path = fileOf(wav(bytes, { ...lies, frameBytes }), 'random.wav')
          await outcome(path, () => read(path))
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeout(300),
  )
})

it('a rate so odd that its filters would fill the memory is refused in one line', () => {
  for (const rate of [767_999, 765_433]) {
    expect(() => new Resampler(rate, 16_000)).toThrow(UserError)
  }
  // As odd as converters really go.
  expect(new Resampler(44_099, 16_000).outputLength(44_099)).toBe(16_000)
})

it('a sound that would become longer than memory is refused in one line', async () => {
  const resampler = new Resampler(1000, 768_000)
  await bounded(async () => {
    expect(() => resampler.resample(new Float32Array(400_000))).toThrow(UserError)
  })
})
