/** Case 16 and the waveforms of the model cases: the audio front end equals the reference. */

import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { deltas } from '../../src/ml/audio/deltas.js'
import { kaldiFbank, kaldiMfcc } from '../../src/ml/audio/kaldi.js'
import { prepareWaveforms, readWaveformOptions } from '../../src/ml/audio/normalise.js'
import { RESAMPLE_FAST, resample } from '../../src/ml/audio/resample.js'
import { melSpectrogram, whisperLogMel } from '../../src/ml/audio/spectrogram.js'
import { stft } from '../../src/ml/audio/stft.js'
import { caseJson, casesWith, expectClose, inCase, withTensors } from './files-support.js'
import { goldenCases, orLacking } from './harness.js'

describe.each(goldenCases('16').map(({ name }) => name))('golden %s', (name) => {
  const { tensors, tolerance } = caseJson(name) as {
    tensors: Record<string, { shape: number[]; what: string }>
    tolerance: { rtol: number; atol: number; advice: string }
  }

  /** The number after `label` in a description, as in "n_fft 400". */
  function figure(what: string, label: string): number {
    const found = new RegExp(`${label}[ =]*(-?[\\d.]+)`).exec(what)?.[1]
    if (found === undefined) throw new Error(`no ${label} in "${what}"`)
    return Number(found)
  }

  /** The advised absolute tolerance of a group. */
  function tolerated(group: string): { rtol: number; atol: number } {
    const found = new RegExp(`${group}[^:]*: atol ([\\d.e-]+)`).exec(tolerance.advice)?.[1]
    return { rtol: tolerance.rtol, atol: found === undefined ? tolerance.atol : Number(found) }
  }

  /** The one tensor whose name matches. */
  function keyLike(pattern: RegExp): string {
    const key = Object.keys(tensors).find((tensor) => pattern.test(tensor))
    if (key === undefined) throw new Error(`no tensor like ${pattern}`)
    return key
  }

  const read = (key: string) => withTensors(inCase(name, 'io.safetensors'), (io) => io.readFloat32(key))
  const readIntegers = (key: string) =>
    withTensors(inCase(name, 'io.safetensors'), async (io) => Array.from(await io.readInt64(key), Number))
  const what = (key: string) => tensors[key]?.what ?? ''
  const shape = (key: string) => tensors[key]?.shape ?? []
  /** `audio.0[:4000]` in a description. */
  async function sliceOf(key: string): Promise<Float32Array> {
    const [, source, end] = /(audio\.\d)\[:(\d+)\]/.exec(what(key)) ?? []
    return (await read(source ?? 'audio.0')).slice(0, end === undefined ? undefined : Number(end))
  }

  /** "mono audio, 16 kHz" */
  const SAMPLE_RATE = 1000 * figure(what('audio.0'), 'audio,')

  describe('wav2vec 2.0 waveforms', () => {
    it.each(['mask', 'nomask'])('%s', async (kind) => {
      const sounds = [await read('audio.0'), await read('audio.1')]
      const options = {
        sampleRate: SAMPLE_RATE,
        normalise: true,
        paddingValue: 0,
        attentionMask: kind === 'mask',
      }
      const batch = prepareWaveforms(sounds, options)
      const expected = await read(`wav2vec2.${kind}.input_values`)
      expect(batch.rows).toBe(2)
      expectClose(batch.values.subarray(batch.samples), expected, tolerance)
      if (kind === 'mask')
        expect(batch.lengths).toEqual(await readIntegers('wav2vec2.mask.attention_mask_sum'))
      else expect(batch.lengths).toBeUndefined()
    })
  })

  describe('Kaldi', () => {
    const scaled = async () => (await read('audio.0')).map((value) => value * 32768)
    const close = tolerated('kaldi')

    it('filter banks', async () => {
      const key = keyLike(/^kaldi\.fbank\d+$/)
      const [frames, mels] = shape(key)
      const bank = kaldiFbank(await scaled(), { sampleRate: SAMPLE_RATE, mels: mels ?? 0 })
      expect([bank.frames, bank.width]).toEqual([frames, mels])
      expectClose(bank.values, await read(key), close)
    })

    it('hamming window, energy, mirrored edges, upper frequency', async () => {
      const key = keyLike(/^kaldi\.fbank\d+_hamming_energy$/)
      const [frames, width = 0] = shape(key)
      const bank = kaldiFbank(await scaled(), {
        sampleRate: SAMPLE_RATE,
        mels: width - 1,
        window: 'hamming',
        useEnergy: true,
        snipEdges: false,
        highFrequency: figure(what(key), 'high_freq'),
      })
      expect(bank.frames).toBeGreaterThanOrEqual(frames ?? 0)
      expectClose(bank.values.subarray(0, (frames ?? 0) * width), await read(key), close)
    })

    it('MFCC and their differences', async () => {
      const key = keyLike(/^kaldi\.mfcc\d+$/)
      const [, cepstra] = shape(key)
      const mfcc = kaldiMfcc(await scaled(), { sampleRate: SAMPLE_RATE, cepstra: cepstra ?? 0 })
      expectClose(mfcc.values, await read(key), close)
      const window = figure(what(`${key}_delta`), 'window')
      const once = deltas(mfcc, window)
      expectClose(once.values, await read(`${key}_delta`), close)
      expectClose(deltas(once, window).values, await read(`${key}_delta2`), close)
    })
  })

  describe('spectra', () => {
    it('STFT', async () => {
      const [bins = 0, frames] = shape('stft.real')
      const spectrum = stft(await sliceOf('stft.real'), {
        fftLength: figure(what('stft.real'), 'n_fft'),
        hop: figure(what('stft.real'), 'hop'),
      })
      expect([spectrum.real.length / spectrum.frames, spectrum.frames]).toEqual([bins, frames])
      expectClose(spectrum.real, await read('stft.real'), tolerated('stft'))
      expectClose(spectrum.imaginary, await read('stft.imag'), tolerated('stft'))
    })

    it('mel spectrogram', async () => {
      const text = what('mel_spectrogram')
      const values = melSpectrogram(await sliceOf('mel_spectrogram'), {
        sampleRate: SAMPLE_RATE,
        fftLength: figure(text, 'n_fft'),
        hop: figure(text, 'hop'),
        mels: shape('mel_spectrogram')[0] ?? 0,
      })
      expectClose(values, await read('mel_spectrogram'), tolerance)
    })

    it('Whisper log-mel', async () => {
      const key = Object.keys(tensors).find((tensor) => tensor.startsWith('whisper.log_mel')) ?? ''
      const values = whisperLogMel(await read('audio.0'), {
        sampleRate: SAMPLE_RATE,
        fftLength: figure(what(key), 'n_fft'),
        hop: figure(what(key), 'hop'),
        mels: shape(key)[0] ?? 0,
        chunkSeconds: figure(what(key), 'chunk_length'),
      })
      expectClose(values, await read(key), tolerated('whisper'))
    })
  })

  describe('resampling', () => {
    const keys = Object.keys(tensors).filter((key) => /^resample\.\d+_\d+\.output$/.test(key))
    it('there are some', () => expect(keys.length).toBeGreaterThan(0))
    it.each(keys)('%s', async (key) => {
      const [from = 0, to = 0] = (/(\d+)_(\d+)/.exec(key) ?? []).slice(1).map(Number)
      const quality = {
        ...RESAMPLE_FAST,
        zeroCrossings: figure(what(key), 'lowpass_filter_width'),
        rolloff: figure(what(key), 'rolloff'),
      }
      const input = await read(key.replace('.output', '.input'))
      expectClose(resample(input, from, to, quality), await read(key), tolerated('resample'))
    })

    it('Kaiser window', async () => {
      const text = what('resample_kaiser.output')
      const [, from, to, source] = /(\d+) -> (\d+) of (\S+\.input)/.exec(text) ?? []
      const quality = {
        zeroCrossings: figure(text, 'width'),
        rolloff: figure(text, 'rolloff'),
        window: { kaiserBeta: figure(text, 'beta') },
      }
      const output = resample(await read(source ?? ''), Number(from), Number(to), quality)
      expectClose(output, await read('resample_kaiser.output'), tolerated('resample'))
    })
  })
})

describe('model cases: the waveform from the raw sound, by preprocessor_config.json', () => {
  const cases = casesWith('preprocessor_config.json', 'io.safetensors', 'case.json').filter((entry) => {
    const described = (caseJson(entry).tensors ?? {}) as Record<string, unknown>
    return 'audio.0' in described && 'single.input_values' in described
  })
  it.each(orLacking(cases, 'case of sounds'))('%s', async (entry) => {
    expect(existsSync(inCase(entry, 'preprocessor_config.json'))).toBe(true)
    const options = await readWaveformOptions(inCase(entry))
    await withTensors(inCase(entry, 'io.safetensors'), async (io) => {
      const first = await io.readFloat32('audio.0')
      const close = { rtol: 1e-4, atol: 1e-4 }
      expectClose(
        prepareWaveforms([first], options).values,
        await io.readFloat32('single.input_values'),
        close,
      )
      if (!io.tensors.has('audio.1') || !io.tensors.has('batch.input_values')) return
      // The rows of these batches were extracted one by one, then padded with zeros.
      const batch = await io.readFloat32('batch.input_values')
      const sounds = [first, await io.readFloat32('audio.1')]
      const width = batch.length / sounds.length
      sounds.forEach((sound, row) => {
        const alone = new Float32Array(width)
        alone.set(prepareWaveforms([sound], options).values)
        expectClose(alone, batch.subarray(row * width, (row + 1) * width), close)
      })
    })
  })
})
