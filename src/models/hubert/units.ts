/**
 * Speech as discrete units: hidden states of HuBERT (or any encoder of the family), each replaced by the number of the
 * nearest k-means centroid (Lakhotia et al. 2021, "On generative spoken language modeling from raw audio").
 */
import { SpeechModel, type SpeechModelOptions } from '../wav2vec2/model.js'

/** Centroids [count, width] in C order. */
export interface Centroids {
  readonly count: number
  readonly width: number
  readonly values: Float32Array
}

/** A unit and the frames that it lasts. */
export interface UnitRun {
  readonly unit: number
  readonly frames: number
}

/**
 * The nearest centroid (squared Euclidean) of each frame; sums in float64, the first of equals.
 * @param hidden [frames, width] in C order. @throws RangeError where the widths differ.
 */
export function nearestCentroids(
  hidden: Float32Array,
  { count, width, values }: Centroids,
): readonly number[] {
  if (values.length !== count * width || count < 1) throw new RangeError('centroids do not fill their shape')
  if (hidden.length % width !== 0) throw new RangeError(`frames are not ${width} wide as the centroids are`)
  return Array.from({ length: hidden.length / width }, (_, frame) => {
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (let unit = 0; unit < count; unit++) {
      let distance = 0
      for (let i = 0; i < width && distance < least; i++) {
        const difference = (hidden[frame * width + i] ?? 0) - (values[unit * width + i] ?? 0)
        distance += difference * difference
      }
      if (distance < least) {
        least = distance
        best = unit
      }
    }
    return best
  })
}

/** Equal neighbours made one, with how long they last. */
export function runsOf(units: readonly number[]): readonly UnitRun[] {
  const runs: { unit: number; frames: number }[] = []
  for (const unit of units) {
    const last = runs.at(-1)
    if (last?.unit === unit) last.frames++
    else runs.push({ unit, frames: 1 })
  }
  return runs
}

export interface UnitEncoderOptions extends Pick<SpeechModelOptions, 'threads' | 'arena' | 'int8'> {
  /** Hidden state that the centroids are of: 0 goes into the first block. */
  readonly layer: number
  readonly centroids: Centroids
}

export class UnitEncoder {
  readonly model: SpeechModel
  readonly #layer: number
  readonly #centroids: Centroids

  private constructor(model: SpeechModel, { layer, centroids }: UnitEncoderOptions) {
    this.model = model
    this.#layer = layer
    this.#centroids = centroids
  }

  /** @throws UserError where the directory holds no encoder. @throws RangeError for a layer that it lacks. */
  static async open(directory: string, options: UnitEncoderOptions): Promise<UnitEncoder> {
    const { layer, centroids, ...rest } = options
    const model = await SpeechModel.open(directory, { ...rest, task: 'encoder', hiddenStates: [layer] })
    if (model.config.width === centroids.width) return new UnitEncoder(model, options)
    await model.close()
    throw new RangeError(`centroids are ${centroids.width} wide, the model ${model.config.width}`)
  }

  /** Units of each sound, a unit a frame; {@link runsOf} joins them. */
  async encode(sounds: readonly Float32Array[]): Promise<readonly (readonly number[])[]> {
    const { attentionMask } = this.model.waveform
    const batches = attentionMask || sounds.length < 2 ? [sounds] : sounds.map((sound) => [sound])
    const units: (readonly number[])[] = []
    for (const batch of batches) units.push(...(await this.run(this.model.prepare(batch))))
    return units
  }

  /** Sounds that are prepared already. */
  async run(batch: Parameters<SpeechModel['run']>[0]): Promise<readonly (readonly number[])[]> {
    const results = await this.model.run(batch)
    const hidden = results[`hidden.${this.#layer}`]
    const [rows = 0, perRow = 0, width = 0] = hidden?.shape ?? []
    const values = hidden?.data as Float32Array
    return Array.from({ length: rows }, (_, row) => {
      const start = row * perRow * width
      const frames = this.model.frames(batch.lengths?.[row] ?? batch.samples)
      return nearestCentroids(values.subarray(start, start + frames * width), this.#centroids)
    })
  }

  close(): Promise<void> {
    return this.model.close()
  }
}
