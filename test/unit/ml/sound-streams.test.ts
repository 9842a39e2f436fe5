/** Sound that comes in pieces: the same samples as from the whole, whatever a pipe's header says. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toMono } from '../../../src/ml/audio/audio.js'
import { resample } from '../../../src/ml/audio/resample.js'
import { ResampleStream } from '../../../src/ml/audio/resample-stream.js'
import { readWav } from '../../../src/ml/audio/wav-read.js'
import { WavStream } from '../../../src/ml/audio/wav-stream.js'
import { writeWav } from '../../../src/ml/audio/wav-write.js'

const tone = (length: number, step = 0.05) => Float32Array.from({ length }, (_, i) => Math.sin(i * step) / 2)
/** Where `data` begins in what writeWav writes. */
const DATA = 36

const stereo = writeWav({ sampleRate: 44_100, channels: [tone(500), tone(500, 0.1)] })

/** In pieces of these lengths, over and over. */
function read(bytes: Uint8Array, pieces: readonly number[] = [bytes.length]) {
  const stream = new WavStream()
  const samples: number[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = pieces[i % pieces.length] ?? 1
    samples.push(...stream.push(bytes.subarray(at, at + length)))
    at += length
  }
  stream.finish()
  return { samples, sampleRate: stream.sampleRate, isOver: stream.isOver }
}

/** The same WAV with another length of its sound in the header. */
function announcing(bytes: Uint8Array, length: number): Uint8Array {
  const changed = bytes.slice()
  expect(Buffer.from(changed).toString('latin1', DATA, DATA + 4)).toBe('data')
  new DataView(changed.buffer).setUint32(DATA + 4, length, true)
  return changed
}

describe('a WAV from a pipe', () => {
  const whole = [...toMono(readWav(stereo))]

  it('gives the samples of the file, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 5 }), (pieces) => {
        expect(read(stereo, pieces)).toEqual({ samples: whole, sampleRate: 44_100, isOver: true })
      }),
      { numRuns: 30 },
    )
  })

  it.each([0, 0xffff_ffff, 0x8000_0000, 0x7fff_f000])('goes to the end where its length is %i', (length) => {
    const { samples, isOver } = read(announcing(stereo, length), [100])
    expect(samples).toEqual(whole)
    expect(isOver).toBe(false)
  })

  it('ends where it says so, whatever tags come behind, and earlier where the pipe breaks off', () => {
    const tagged = Buffer.concat([stereo, Buffer.from('LIST\x04\0\0\0INFO')])
    expect(read(tagged, [64])).toMatchObject({ samples: whole, isOver: true })
    // Half a frame is no sample.
    expect(read(stereo.subarray(0, stereo.length - 5)).samples).toEqual(whole.slice(0, -2))
  })

  it('has tags before its sound, as ffmpeg writes them', () => {
    const list = Buffer.from('LIST\x05\0\0\0INFO.\0')
    const tagged = Buffer.concat([stereo.subarray(0, DATA), list, stereo.subarray(DATA)])
    expect(read(tagged, [7]).samples).toEqual(whole)
  })

  it('hears a float that is no number as silence', () => {
    const header = Buffer.from(stereo.subarray(0, DATA + 8))
    header.writeUInt16LE(3, 20)
    header.writeUInt16LE(1, 22)
    header.writeUInt16LE(4, 32)
    header.writeUInt16LE(32, 34)
    const floats = Buffer.from(new Float32Array([0.5, Number.NaN, -0.5]).buffer)
    const wav = Buffer.concat([header, floats])
    wav.writeUInt32LE(12, DATA + 4)
    expect(read(wav, [3]).samples).toEqual([0.5, 0, -0.5])
  })

  it.each([
    [Buffer.from('RIFF....AVI LIST....'), /does not begin like one/],
    [stereo.subarray(0, 30), /ends before its sound begins/],
    [Buffer.concat([stereo.subarray(0, 12), stereo.subarray(DATA)]), /before its fmt chunk/],
    [
      Buffer.concat([stereo.subarray(0, 12), Buffer.from('junk\xff\xff\xff\x7f', 'latin1')]),
      /no sound within/,
    ],
  ])('refuses what is none (%#)', (bytes, message) => {
    expect(() => read(bytes, [5])).toThrow(message)
  })
})

describe('resampling in pieces', () => {
  it('is sample for sample what the whole gives', { timeout: 60_000 }, () => {
    const rates = fc.constantFrom(8000, 11_025, 16_000, 22_050, 44_100, 48_000)
    const pieces = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(rates, pieces, fc.integer({ min: 0, max: 6000 }), (rate, lengths, total) => {
        const samples = tone(total, 0.3)
        const stream = new ResampleStream(rate, 16_000)
        const made: number[] = []
        for (let at = 0, i = 0; at < total; i++) {
          const length = lengths[i % lengths.length] ?? 1
          made.push(...stream.push(samples.subarray(at, at + length)))
          at += length
        }
        made.push(...stream.finish())
        expect(made).toEqual([...resample(samples, rate, 16_000)])
      }),
      { numRuns: 15 },
    )
  })

  it('holds no more back than its filter hears', () => {
    const stream = new ResampleStream(44_100, 16_000)
    let given = 0
    for (let second = 1; second <= 4; second++) {
      given += stream.push(tone(44_100)).length
      expect(second * 16_000 - given).toBeLessThan(500)
    }
  })
})
