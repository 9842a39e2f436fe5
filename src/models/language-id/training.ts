/** The recipe `language-id`: synthetic voices in all languages, varied hard, so that a throat tells nothing. */
import { crossEntropy } from '../../ml/losses/index.js'
import type { TensorValues } from '../../ml/session/index.js'
import { type BuildContext, type LossAndMetrics, Random, Trainer } from '../../ml/train/index.js'
import { AUGMENT, type AugmentOptions, augment, drawSpeed } from '../asr-small/augment.js'
import { MELS, normaliseFrames, toLogEnergies } from '../asr-small/features.js'
import { holdThenFall } from '../asr-small/training.js'
import { logSoftmaxRows } from '../ctc/log-probabilities.js'
import { LANGUAGES, type Language, languageLogits, pooledFrames, WINDOW_FRAMES } from './definition.js'
import type { LanguageClip } from './prepare.js'

export interface LanguageIdRecipe {
  readonly seed: number
  readonly updates: number
  readonly rows: number
  readonly peakRate: number
  readonly warmUp: number
  readonly holdShare: number
  readonly weightDecay: number
  readonly dropout: number
}

export const LANGUAGE_ID_RECIPE: LanguageIdRecipe = {
  seed: 1,
  updates: 1200,
  rows: 28,
  peakRate: 1e-3,
  warmUp: 100,
  holdShare: 0.5,
  weightDecay: 0.05,
  dropout: 0.15,
}

/** Wider than the recogniser's: voices must not be told apart. */
const VARIETY: AugmentOptions = {
  ...AUGMENT,
  speed: [0.75, 1.35],
  bandWarp: 0.2,
  noise: { probability: 0.7, below: [0, 6] },
  telephone: 0.3,
  bandMasks: { count: 2, widest: 14 },
}

/** Inputs: `features`, `lengths` as {@link languageLogits}, `language` int64 [batch]. */
export function languageIdModel(dropoutRate: number): (context: BuildContext) => LossAndMetrics {
  return ({ parameters, input, dropout, training }) => {
    const logits = languageLogits(parameters, input('features'), input('lengths'), (x) =>
      dropout(x, dropoutRate),
    )
    const loss = crossEntropy(logits, input('language'), training ? { smoothing: 0.1 } : {})
    return { loss: loss.mean, metrics: training ? {} : { logits } }
  }
}

export class LanguageIdTraining {
  readonly #recipe: LanguageIdRecipe
  readonly #shelves: readonly (readonly LanguageClip[])[]
  readonly #trainer: Trainer

  /** @throws RangeError where a language has no clip. */
  static async open(
    recipe: LanguageIdRecipe,
    clips: readonly LanguageClip[],
    threads: number,
    resumeFrom?: string,
  ): Promise<LanguageIdTraining> {
    const shelves = LANGUAGES.map((language) => clips.filter((clip) => clip.language === language))
    const empty = shelves.findIndex((shelf) => shelf.length === 0)
    if (empty >= 0) throw new RangeError(`there are no clips in ${LANGUAGES[empty]}`)
    const trainer = await Trainer.open({
      model: languageIdModel(recipe.dropout),
      example: trainingRows(shelves, recipe, 0),
      rate: holdThenFall(recipe),
      seed: recipe.seed,
      adam: { beta2: 0.98, weightDecay: recipe.weightDecay },
      clip: 1,
      threads,
    })
    if (resumeFrom !== undefined) await trainer.resume(resumeFrom)
    return new LanguageIdTraining(recipe, shelves, trainer)
  }

  private constructor(
    recipe: LanguageIdRecipe,
    shelves: readonly (readonly LanguageClip[])[],
    trainer: Trainer,
  ) {
    this.#recipe = recipe
    this.#shelves = shelves
    this.#trainer = trainer
  }

  get shelves(): readonly (readonly LanguageClip[])[] {
    return this.#shelves
  }

  get update(): number {
    return this.#trainer.update
  }

  get finished(): boolean {
    return this.update >= this.#recipe.updates
  }

  async advance(updates: number): Promise<{ readonly update: number; readonly loss: number }> {
    let loss = 0
    let count = 0
    for (; count < updates && !this.finished; count++) {
      const result = await this.#trainer.step(trainingRows(this.#shelves, this.#recipe, this.update))
      loss += result.loss
    }
    return { update: this.update, loss: loss / Math.max(1, count) }
  }

  /** Share of clips whose language comes out first, all of their windows heard, in percent. */
  async evaluate(clips: readonly LanguageClip[]): Promise<{ readonly accuracy: number }> {
    let right = 0
    for (const clip of clips) {
      const windows = windowsOf(clip)
      const batch = packRows(windows.map((values) => ({ values, language: clip.language })))
      const { metrics } = await this.#trainer.evaluate(batch)
      if (!(metrics.logits?.data instanceof Float32Array)) throw new Error('the model gave no logits')
      const { data } = logSoftmaxRows(metrics.logits.data, windows.length, LANGUAGES.length)
      const sums = LANGUAGES.map((_, language) =>
        windows.reduce((sum, _window, row) => sum + (data[row * LANGUAGES.length + language] ?? 0), 0),
      )
      if (LANGUAGES[sums.indexOf(Math.max(...sums))] === clip.language) right++
    }
    return { accuracy: (100 * right) / Math.max(1, clips.length) }
  }

  save(path: string): Promise<void> {
    return this.#trainer.save(path)
  }

  exportWeights(path: string): Promise<void> {
    return this.#trainer.exportWeights(path)
  }

  close(): Promise<void> {
    return this.#trainer.close()
  }
}

/** As many rows of each language, from anywhere in a clip. */
function trainingRows(
  shelves: readonly (readonly LanguageClip[])[],
  { seed, rows }: LanguageIdRecipe,
  update: number,
): TensorValues {
  const random = Random.named(seed, `language batch/${update}`)
  return packRows(
    Array.from({ length: rows }, (_, row) => {
      const shelf = shelves[row % shelves.length] ?? []
      const clip = shelf[random.below(shelf.length)]
      if (clip === undefined) throw new RangeError('a language has no clip')
      const values = augment(clip.features, drawSpeed(random, VARIETY), random, VARIETY)
      const surplus = values.length / MELS - WINDOW_FRAMES
      const from = surplus > 0 ? random.below(surplus + 1) * MELS : 0
      return { values: values.subarray(from, from + WINDOW_FRAMES * MELS), language: clip.language }
    }),
  )
}

/** The windows of a whole clip: 4 s each, 2 s apart, the last one where the clip ends. */
export function windowsOf(clip: Pick<LanguageClip, 'features'>): readonly Float32Array[] {
  const values = normaliseFrames(toLogEnergies(clip.features))
  const frames = values.length / MELS
  const windows: Float32Array[] = []
  for (let from = 0; ; from += WINDOW_FRAMES / 2) {
    const start = Math.max(0, Math.min(from, frames - WINDOW_FRAMES))
    windows.push(values.subarray(start * MELS, (start + WINDOW_FRAMES) * MELS))
    if (start + WINDOW_FRAMES >= frames) return windows
  }
}

/** Rows padded with zeros to the window. */
export function packRows(
  rows: readonly { readonly values: Float32Array; readonly language?: Language }[],
): TensorValues {
  const features = new Float32Array(rows.length * WINDOW_FRAMES * MELS)
  rows.forEach(({ values }, row) => {
    features.set(values, row * WINDOW_FRAMES * MELS)
  })
  const integers = (values: readonly number[]) => ({
    dtype: 'int64' as const,
    shape: [rows.length],
    data: BigInt64Array.from(values, BigInt),
  })
  return {
    features: { dtype: 'float32', shape: [rows.length, WINDOW_FRAMES, MELS], data: features },
    lengths: integers(rows.map(({ values }) => pooledFrames(values.length / MELS))),
    ...(rows.every(({ language }) => language !== undefined)
      ? { language: integers(rows.map(({ language }) => LANGUAGES.indexOf(language ?? 'en'))) }
      : {}),
  }
}
