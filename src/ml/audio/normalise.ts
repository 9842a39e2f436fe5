/** Raw sound to the input of wav2vec 2.0 and its kin (`Wav2Vec2FeatureExtractor`). */

import { join } from 'node:path'
import { UserError } from '../../errors.js'
import { readJsonObject } from '../files/read-json.js'
import { SAMPLE_RATES_HZ } from './audio.js'

export interface WaveformOptions {
  /** Hz that the model expects. */
  readonly sampleRate: number
  /** Zero mean and unit variance, per sound. */
  readonly normalise: boolean
  /** What fills the shorter rows of a batch. */
  readonly paddingValue: number
  /**
   * true: statistics over the real samples and a mask for the model; false: padding comes first and counts in the
   * statistics (how feat_extract_norm=group models were trained).
   */
  readonly attentionMask: boolean
}

export interface WaveformBatch {
  /** [rows, samples] in C order. */
  readonly values: Float32Array
  readonly rows: number
  readonly samples: number
  /** Real samples of each row; undefined where the model gets no mask. */
  readonly lengths: readonly number[] | undefined
}

const VARIANCE_FLOOR = 1e-7

/** preprocessor_config.json. @throws UserError for missing, malformed or other extractors */
export async function readWaveformOptions(directory: string): Promise<WaveformOptions> {
  const path = join(directory, 'preprocessor_config.json')
  const fields = await readJsonObject(path)
  const { feature_extractor_type: type, feature_size: size, padding_side: side } = fields
  const { sampling_rate: rate, padding_value: padding } = fields
  const fits =
    (type === undefined || type === 'Wav2Vec2FeatureExtractor') &&
    (size === undefined || size === 1) &&
    (side === undefined || side === 'right') &&
    (rate === undefined || isRate(rate)) &&
    (padding === undefined || (typeof padding === 'number' && Number.isFinite(padding)))
  if (!fits)
    throw new UserError(`${path} describes no raw-waveform input that is known here`, {
      code: 'BAD_ARGUMENT',
      remedy: 'use a checkpoint of the wav2vec 2.0 family',
    })
  return {
    sampleRate: isRate(rate) ? rate : 16_000,
    normalise: fields.do_normalize !== false,
    paddingValue: typeof padding === 'number' ? padding : 0,
    attentionMask: fields.return_attention_mask === true,
  }
}

const isRate = (value: unknown): value is number =>
  typeof value === 'number' &&
  Number.isInteger(value) &&
  value >= SAMPLE_RATES_HZ.least &&
  value <= SAMPLE_RATES_HZ.most

/** One row a sound, padded on the right to the longest. @throws RangeError for no sounds */
export function prepareWaveforms(sounds: readonly Float32Array[], options: WaveformOptions): WaveformBatch {
  const samples = Math.max(...sounds.map((sound) => sound.length))
  if (sounds.length === 0) throw new RangeError('a batch of no sounds')
  const values = new Float32Array(sounds.length * samples).fill(options.paddingValue)
  sounds.forEach((sound, row) => {
    const whole = values.subarray(row * samples, (row + 1) * samples)
    whole.set(sound)
    if (options.normalise) standardize(options.attentionMask ? whole.subarray(0, sound.length) : whole)
  })
  const lengths = options.attentionMask ? sounds.map((sound) => sound.length) : undefined
  return { values, rows: sounds.length, samples, lengths }
}

/** (x - mean) / sqrt(variance + 1e-7), in place; sums in float64. */
function standardize(values: Float32Array): void {
  let sum = 0
  for (const value of values) sum += value
  const mean = sum / values.length
  let squares = 0
  for (const value of values) squares += (value - mean) ** 2
  const scale = 1 / Math.sqrt(squares / values.length + VARIANCE_FLOOR)
  for (let i = 0; i < values.length; i++) values[i] = ((values[i] ?? 0) - mean) * scale
}
