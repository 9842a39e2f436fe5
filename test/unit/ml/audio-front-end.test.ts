import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { deltas, sideBySide } from '../../../src/ml/audio/deltas.js'
import { Fft } from '../../../src/ml/audio/fft.js'
import { kaldiFbank, kaldiMfcc } from '../../../src/ml/audio/kaldi.js'
import { melBank } from '../../../src/ml/audio/mel.js'
import { prepareWaveforms, readWaveformOptions } from '../../../src/ml/audio/normalise.js'
import { RESAMPLE_BEST, RESAMPLE_FAST, Resampler, resample } from '../../../src/ml/audio/resample.js'
import { whisperLogMel } from '../../../src/ml/audio/spectrogram.js'
import { stft } from '../../../src/ml/audio/stft.js'
import { besselI0, makeWindow } from '../../../src/ml/audio/windows.js'
import { refusalOf, temporaryPath } from './files-support.js'

const tone = (frequency: number, sampleRate: number, length: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * frequency * i) / sampleRate))
/** Root mean square away from the ends, in dB of a full-scale sine. */
const decibels = (samples: Float32Array, edge: number) => {
  const inner = samples.subarray(edge, samples.length - edge)
  const power = inner.reduce((sum, value) => sum + value * value, 0) / inner.length
  return 10 * Math.log10(2 * power)
}

describe('FFT', () => {
  it.each([1, 2, 3, 4, 5, 7, 8, 12, 13, 30, 97, 400, 512])(
    '%i points equal the sum that defines it',
    (length) => {
      const input = Float64Array.from({ length }, (_, i) => Math.sin(i * i + 1))
      const fft = new Fft(length)
      const { real, imaginary } = fft.transform(input)
      expect(real.length).toBe(fft.bins)
      for (let k = 0; k < fft.bins; k++) {
        let re = 0
        let im = 0
        input.forEach((value, t) => {
          re += value * Math.cos((2 * Math.PI * k * t) / length)
          im -= value * Math.sin((2 * Math.PI * k * t) / length)
        })
        expect(Math.abs((real[k] ?? 0) - re)).toBeLessThan(1e-9 * length)
        expect(Math.abs((imaginary[k] ?? 0) - im)).toBeLessThan(1e-9 * length)
      }
    },
  )

  it('is linear in nothing but its input: a second call starts afresh', () => {
    const fft = new Fft(6)
    fft.transform([1, 2, 3, 4, 5, 6])
    expect([...fft.transform([1, 0, 0]).real]).toEqual([1, 1, 1, 1])
    expect(() => new Fft(0)).toThrow(RangeError)
  })
})

describe('resampling', () => {
  it('best: pass band flat, aliases more than 100 dB down', () => {
    const [from, to] = [48_000, 16_000]
    for (const frequency of [100, 3000, 7000])
      expect(Math.abs(decibels(resample(tone(frequency, from, 48_000), from, to), 400))).toBeLessThan(0.01)
    // Above the new Nyquist frequency of 8 kHz nothing may be left; below it 7.6 kHz is cut-off.
    for (const frequency of [8_200, 9_000, 12_000, 20_000])
      expect(decibels(resample(tone(frequency, from, 48_000), from, to), 400)).toBeLessThan(-100)
  })

  it('fast: aliases just above the band are only some 26 dB down', () => {
    const [from, to] = [48_000, 16_000]
    expect(Math.abs(decibels(resample(tone(3000, from, 48_000), from, to, RESAMPLE_FAST), 400))).toBeLessThan(
      0.1,
    )
    const alias = decibels(resample(tone(9_500, from, 48_000), from, to, RESAMPLE_FAST), 400)
    expect(alias).toBeLessThan(-20)
    expect(alias).toBeGreaterThan(-40)
  })

  it('images of upsampling are more than 100 dB down', () => {
    const up = resample(tone(1000, 8000, 8000), 8000, 48_000)
    const original = tone(1000, 48_000, up.length)
    const error = up.map((value, i) => value - (original[i] ?? 0))
    expect(decibels(error, 2000)).toBeLessThan(-80)
  })

  it.each([
    [44_100, 16_000],
    [22_050, 16_000],
    [16_000, 44_100],
    [11_025, 8000],
    [96_000, 16_000],
  ])('%i to %i Hz keeps a tone in time and level', (from, to) => {
    const output = resample(tone(1000, from, from / 2), from, to)
    expect(output.length).toBe(Math.ceil((Math.floor(from / 2) * to) / from))
    const expected = tone(1000, to, output.length)
    for (let i = 1000; i < output.length - 1000; i++)
      expect(Math.abs((output[i] ?? 0) - (expected[i] ?? 0))).toBeLessThan(1e-4)
  })

  it('one rate to itself copies; empty stays empty; nonsense is refused', () => {
    const input = Float32Array.of(1, 2)
    const same = resample(input, 16_000, 16_000)
    expect(same).toEqual(input)
    expect(same).not.toBe(input)
    expect(resample(new Float32Array(0), 8000, 16_000)).toHaveLength(0)
    expect(() => new Resampler(0, 16_000)).toThrow(RangeError)
    expect(() => new Resampler(44_100.5, 16_000)).toThrow(RangeError)
    expect(() => new Resampler(1_000_003, 999_983)).toThrow(/cannot be brought to 999983 Hz/)
    expect(RESAMPLE_BEST.zeroCrossings).toBe(64)
  })
})

describe('windows', () => {
  it('have their conventional values', () => {
    expect([...makeWindow('hann', 4, true)]).toEqual(
      [0, 0.5, 1, 0.5].map((value) => expect.closeTo(value, 12)),
    )
    expect(makeWindow('hamming', 5, false)[0]).toBeCloseTo(0.08, 12)
    expect(makeWindow('povey', 5, false)[1]).toBeCloseTo(0.5 ** 0.85, 12)
    expect(makeWindow('blackman', 5, false)[2]).toBeCloseTo(1, 12)
    expect([...makeWindow('rectangular', 2, false)]).toEqual([1, 1])
    // Abramowitz and Stegun, table 9.8.
    expect(besselI0(0)).toBe(1)
    expect(besselI0(5)).toBeCloseTo(27.239871823604442, 10)
  })
})

describe('features', () => {
  it('a tone is in its mel band', () => {
    const logMel = whisperLogMel(tone(1000, 16_000, 16_000), { chunkSeconds: 1 })
    const column = Array.from({ length: 80 }, (_, m) => logMel[m * 100 + 50] ?? 0)
    const bank = melBank({
      sampleRate: 16_000,
      fftLength: 400,
      mels: 80,
      lowFrequency: 0,
      highFrequency: 8000,
      scale: 'slaney',
      norm: 'slaney',
    })
    const peak = column.indexOf(Math.max(...column))
    const { first, weights } = bank[peak] ?? { first: 0, weights: [] }
    expect(first * 40).toBeLessThanOrEqual(1000)
    expect((first + weights.length) * 40).toBeGreaterThan(1000)
    expect(whisperLogMel(new Float32Array(100), { chunkSeconds: 2 })).toHaveLength(80 * 200)
  })

  it('Kaldi: short and silent signals', () => {
    expect(kaldiFbank(new Float32Array(399)).frames).toBe(0)
    expect(kaldiFbank(new Float32Array(400)).frames).toBe(1)
    expect(kaldiFbank(new Float32Array(240), { snipEdges: false }).frames).toBe(2)
    const silent = kaldiFbank(new Float32Array(800), { mels: 4, useEnergy: true })
    expect([...silent.values.subarray(0, 2)]).toEqual([0, Math.fround(Math.log(2 ** -23))])
    expect(kaldiMfcc(tone(300, 16_000, 1600), { cepstra: 5, useEnergy: true }).width).toBe(5)
  })

  it('differences of a ramp are its slope; features side by side', () => {
    const ramp = {
      values: Float32Array.from({ length: 20 }, (_, i) => Math.floor(i / 2) * 3),
      frames: 10,
      width: 2,
    }
    const slope = deltas(ramp)
    expect([...slope.values.subarray(4, 16)].every((value) => Math.abs(value - 3) < 1e-6)).toBe(true)
    const both = sideBySide([ramp, slope])
    expect([both.width, both.frames]).toEqual([4, 10])
    expect([...both.values.subarray(12, 16)]).toEqual([9, 9, 3, 3])
    expect(() => deltas(ramp, 4)).toThrow(RangeError)
    expect(() => sideBySide([ramp, { ...ramp, frames: 9 }])).toThrow(RangeError)
  })

  it('STFT needs something to mirror', () => {
    expect(() => stft(new Float32Array(200), { fftLength: 400, hop: 160 })).toThrow(/too few/)
    expect(stft(new Float32Array(201), { fftLength: 400, hop: 160 }).frames).toBe(2)
  })
})

describe('waveforms', () => {
  const read = (config: object) => {
    const directory = temporaryPath('model')
    mkdirSync(directory)
    writeFileSync(join(directory, 'preprocessor_config.json'), JSON.stringify(config))
    return readWaveformOptions(directory)
  }

  it('reads its options and refuses other extractors', async () => {
    expect(await read({ sampling_rate: 8000, do_normalize: false, return_attention_mask: true })).toEqual({
      sampleRate: 8000,
      normalise: false,
      paddingValue: 0,
      attentionMask: true,
    })
    for (const bad of [
      { feature_extractor_type: 'WhisperFeatureExtractor' },
      { feature_size: 80 },
      { sampling_rate: 'x' },
      { padding_side: 'left' },
    ])
      await refusalOf(() => read(bad))
  })

  it('pads, masks and leaves silence finite', () => {
    const options = { sampleRate: 16_000, normalise: true, paddingValue: -9, attentionMask: true }
    const batch = prepareWaveforms([Float32Array.of(1, 3), Float32Array.of(5)], options)
    expect(batch).toMatchObject({ rows: 2, samples: 2, lengths: [2, 1] })
    expect([...batch.values]).toEqual([expect.closeTo(-1, 5), expect.closeTo(1, 5), 0, -9])
    const plain = prepareWaveforms([Float32Array.of(4)], {
      ...options,
      normalise: false,
      attentionMask: false,
    })
    expect([...plain.values]).toEqual([4])
    expect(() => prepareWaveforms([], options)).toThrow(RangeError)
  })
})
