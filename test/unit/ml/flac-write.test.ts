/** Written here, decoded by the reference library, which checks every frame's sums, and the MD5 of the sound. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { decodeFlac } from '../../../src/ml/audio/flac.js'
import { writeFlac } from '../../../src/ml/audio/flac-write.js'
import { pcm16Of } from '../../../src/ml/audio/pcm16.js'
import { readWav } from '../../../src/ml/audio/wav-read.js'
import { silentFlac } from '../../support/silent-flac.js'

async function decoded(file: Uint8Array): Promise<{ sampleRate: number; channels: number[][] }> {
  const all = { sampleRate: 0, channels: [] as number[][] }
  await decodeFlac(file, ({ sampleRate, channels }) => {
    all.sampleRate = sampleRate
    channels.forEach((channel, i) => {
      all.channels[i] ??= []
      for (const value of channel) all.channels[i]?.push(Math.round(value * 32_768))
    })
  })
  return all
}

async function requireSame(
  samples: readonly number[],
  sampleRate = 16_000,
  channels = 1,
): Promise<Uint8Array> {
  const pcm16 = new Uint8Array(Int16Array.from(samples).buffer)
  const file = writeFlac({ sampleRate, pcm16, channels })
  const back = await decoded(file)
  expect(back.sampleRate).toBe(sampleRate)
  expect(back.channels).toHaveLength(channels)
  for (let i = 0; i < channels; i++)
    expect(back.channels[i]).toEqual(samples.filter((_, at) => at % channels === i))
  return file
}

const made = (length: number, at: (i: number) => number): number[] => Array.from({ length }, (_, i) => at(i))
let seed = 1
const noise = (): number => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
  return (seed >> 8) % 32_768
}

it('speech takes three fifths of its samples, and is the same', async () => {
  const { sampleRate, channels } = readWav(readFileSync('test/fixtures/speech/accept-this-call.wav'))
  const pcm16 = pcm16Of(channels[0] ?? new Float32Array())
  const samples = [...new Int16Array(pcm16.slice().buffer)]
  expect((await requireSame(samples, sampleRate)).length).toBeLessThan(0.62 * pcm16.length)
})

it.each([
  ['noise, which does not shrink', made(20_001, () => noise() - 16_384), 1.01],
  ['the greatest leaps', made(9000, (i) => (i % 2 === 0 ? 32_767 : -32_768)), 1.01],
  ['a tone', made(50_000, (i) => Math.round(20_000 * Math.sin(i / 20))), 0.3],
  ['a ramp', made(9000, (i) => 3 * i), 0.1],
  ['silence, and a last block of it', made(10_000, () => 0), 0.01],
  ['a block, and one sample', made(4097, (i) => i % 300), 1],
  ['more blocks than one byte counts', made(300 * 4096, (i) => i % 50), 0.25],
])('%s', async (_, samples, mostShare) => {
  const { length } = await requireSame(samples)
  expect(length).toBeLessThan(100 + mostShare * 2 * samples.length)
})

it.each([1, 2, 3, 4, 5, 6, 7, 8, 15, 16])('%i samples', async (length) => {
  await requireSame(made(length, (i) => 97 * i - 3))
})

it.each([8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])('%i Hz', async (rate) => {
  await requireSame([1, 2, 3, -4], rate)
})

it('two channels', async () => {
  const samples = made(10_000, (i) => (i % 2 === 0 ? noise() : -i))
  await requireSame(samples, 48_000, 2)
})

it('what FLAC does not have is refused', () => {
  const pcm16 = new Uint8Array(8)
  for (const sampleRate of [0, -1, 1.5, Number.NaN, 2 ** 20])
    expect(() => writeFlac({ sampleRate, pcm16 })).toThrow(/sample rate/)
  for (const channels of [0, 9, 1.5])
    expect(() => writeFlac({ sampleRate: 8000, pcm16, channels })).toThrow(/channels/)
  expect(() => writeFlac({ sampleRate: 8000, pcm16: pcm16.subarray(1) })).toThrow(/cut off/)
})

it('a file that ends with a short block of silence is read to its end', async () => {
  // 16,000 samples are 31 blocks, and a quarter.
  expect((await decoded(silentFlac(1))).channels[0]).toHaveLength(16_000)
})
