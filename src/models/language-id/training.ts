/** The recipe `language-id`: which phones are said, learnt from all languages at once; and a run that can stop and go on. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openCheckpoint } from '../../ml/files/open.js'
import { ctcLoss } from '../../ml/losses/index.js'
import { type BuildContext, type LossAndMetrics, Trainer } from '../../ml/train/index.js'
import { holdThenFall } from '../asr-small/training.js'
import { type Streams, streamsOf, trainingRows } from './batches.js'
import type { LanguageClip } from './data/prepare.js'
import { phoneLogits } from './definition.js'

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
  updates: 6000,
  rows: 3,
  peakRate: 1.2e-3,
  warmUp: 100,
  holdShare: 0.5,
  weightDecay: 0.02,
  dropout: 0.05,
}

/** The English recogniser that comes with the package: its front and first blocks are where training begins. */
const BEGINNING = fileURLToPath(new URL('../../../models/asr-small', import.meta.url))

/** Inputs: as {@link trainingRows}. */
export function languageIdModel(dropoutRate: number): (context: BuildContext) => LossAndMetrics {
  return ({ parameters, input, dropout, training }) => {
    const lengths = input('lengths')
    const logits = phoneLogits(parameters, input('features'), lengths, (x) => dropout(x, dropoutRate))
    const ctc = ctcLoss(logits, input('targets'), lengths, input('labels'), { blank: 0, zeroInfinity: true })
    return { loss: ctc.mean, metrics: training ? {} : { logits } }
  }
}

export class LanguageIdTraining {
  readonly #recipe: LanguageIdRecipe
  readonly #streams: Streams
  readonly #trainer: Trainer

  /** @param beginning a recogniser's directory. @throws RangeError where a language has no clip. */
  static async open(
    recipe: LanguageIdRecipe,
    clips: readonly LanguageClip[],
    threads: number,
    resumeFrom?: string,
    beginning = BEGINNING,
  ): Promise<LanguageIdTraining> {
    const streams = streamsOf(clips)
    const trainer = await Trainer.open({
      model: languageIdModel(recipe.dropout),
      example: trainingRows(streams, recipe.rows, recipe.seed, 0),
      rate: holdThenFall(recipe),
      seed: recipe.seed,
      adam: { beta2: 0.98, weightDecay: recipe.weightDecay },
      clip: 1.5,
      threads,
    })
    if (resumeFrom === undefined) await beginWith(trainer, beginning)
    else await trainer.resume(resumeFrom)
    return new LanguageIdTraining(recipe, streams, trainer)
  }

  private constructor(recipe: LanguageIdRecipe, streams: Streams, trainer: Trainer) {
    this.#recipe = recipe
    this.#streams = streams
    this.#trainer = trainer
  }

  get update(): number {
    return this.#trainer.update
  }

  get finished(): boolean {
    return this.update >= this.#recipe.updates
  }

  async advance(updates: number): Promise<{ readonly update: number; readonly loss: number }> {
    const { rows, seed } = this.#recipe
    let loss = 0
    let count = 0
    for (; count < updates && !this.finished; count++) {
      const result = await this.#trainer.step(trainingRows(this.#streams, rows, seed, this.update))
      loss += result.loss
    }
    return { update: this.update, loss: loss / Math.max(1, count) }
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

/** Takes over every parameter but the classes. @throws Error where the recogniser lacks one. */
async function beginWith({ layout, parameters }: Trainer, directory: string): Promise<void> {
  const checkpoint = await openCheckpoint(directory)
  try {
    for (const { name, offset, size } of layout.entries) {
      if (name.startsWith('classes.')) continue
      const values = await checkpoint.readFloat32(name)
      if (values.length !== size) throw new Error(`${join(directory, name)} has another size`)
      parameters.set(values, offset)
    }
  } finally {
    await checkpoint.close()
  }
}
