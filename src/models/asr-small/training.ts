/** The recipe `asr-small`: what is trained, for how long, on what; and a run of it that can stop and go on. */
import type { Schedule } from '../../ml/optim/index.js'
import { Trainer } from '../../ml/train/index.js'
import { evaluationBatches, type Plan, planBlock, ROW_FRAMES, rowsOf, trainingBatch } from './batches.js'
import type { Clip } from './data/prepare.js'
import { compareTexts, percent } from './distance.js'
import { asrSmallModel } from './model.js'
import { collapsePath } from './text.js'

export interface AsrSmallRecipe {
  readonly seed: number
  readonly updates: number
  readonly peakRate: number
  readonly warmUp: number
  /** Share of the updates after which the rate falls in a straight line to zero. */
  readonly holdShare: number
  readonly weightDecay: number
  readonly clip: number
  readonly dropout: number
  /** Share of draws that are recordings. */
  readonly recordings: number
  readonly shortBlocks: number
  readonly shortFrames: number
  /** Sentences come in while the run goes on, so that it can begin before all are synthesised. */
  readonly synthetic: { readonly first: number; readonly perBlock: number }
}

export const ASR_SMALL_RECIPE: AsrSmallRecipe = {
  seed: 1,
  updates: 20_000,
  peakRate: 1.5e-3,
  warmUp: 250,
  holdShare: 0.5,
  weightDecay: 0.02,
  clip: 1,
  dropout: 0,
  recordings: 0.35,
  shortBlocks: 6,
  shortFrames: 272,
  synthetic: { first: 3000, perBlock: 200 },
}

/**
 * Warm-up, a constant rate, a straight fall to zero. Until the fall begins it does not matter how many updates there
 * will be, so a run's length can be chosen while it goes on.
 */
export function holdThenFall({
  peakRate,
  warmUp,
  updates,
  holdShare,
}: Pick<AsrSmallRecipe, 'peakRate' | 'warmUp' | 'updates' | 'holdShare'>): Schedule {
  const hold = Math.round(updates * holdShare)
  return (update) => {
    if (update < warmUp) return (peakRate * (update + 1)) / warmUp
    if (update < hold) return peakRate
    return (peakRate * Math.max(0, updates - update)) / (updates - hold)
  }
}

export interface TrainingProgress {
  readonly update: number
  /** Mean over the updates since the last report. */
  readonly loss: number
  readonly gradientNorm: number
  readonly rate: number
  /** Of sound passed since the beginning, padding included. */
  readonly audioSeconds: number
}

export class AsrSmallTraining {
  readonly #recipe: AsrSmallRecipe
  readonly #clips: readonly Clip[]
  readonly #trainer: Trainer
  #block = 0
  #plans: readonly Plan[] = []
  #place = 0
  #audioSeconds = 0

  /** @param clips to train on. @throws RangeError where there are none. */
  static async open(
    recipe: AsrSmallRecipe,
    clips: readonly Clip[],
    threads: number,
    resumeFrom?: string,
  ): Promise<AsrSmallTraining> {
    const [plan] = planBlock(clips, 0, recipe)
    if (plan === undefined) throw new RangeError('there are no clips to train on')
    const trainer = await Trainer.open({
      model: asrSmallModel(undefined, recipe.dropout),
      example: trainingBatch(plan, recipe.seed, 'example'),
      rate: holdThenFall(recipe),
      seed: recipe.seed,
      adam: { beta2: 0.98, weightDecay: recipe.weightDecay },
      clip: recipe.clip,
      threads,
      graphs: 2 * ROW_FRAMES.length,
    })
    const training = new AsrSmallTraining(recipe, clips, trainer)
    if (resumeFrom !== undefined) training.#restore(await trainer.resume(resumeFrom))
    return training
  }

  private constructor(recipe: AsrSmallRecipe, clips: readonly Clip[], trainer: Trainer) {
    this.#recipe = recipe
    this.#clips = clips
    this.#trainer = trainer
  }

  get update(): number {
    return this.#trainer.update
  }

  /** The block that the next batches come from. */
  get block(): number {
    return this.#block
  }

  get finished(): boolean {
    return this.update >= this.#recipe.updates
  }

  /** Some updates, fewer where the recipe ends. */
  async advance(updates: number): Promise<TrainingProgress> {
    let loss = 0
    let norm = 0
    let rate = 0
    let count = 0
    for (; count < updates && !this.finished; count++) {
      const plan = this.#next()
      const batch = trainingBatch(plan, this.#recipe.seed, `batch/${this.update}`)
      const result = await this.#trainer.step(batch)
      loss += result.loss
      norm += result.gradientNorm
      rate = result.rate
      this.#audioSeconds += (plan.frames * rowsOf(plan.frames)) / 100
    }
    const over = Math.max(count, 1)
    return {
      update: this.update,
      loss: loss / over,
      gradientNorm: norm / over,
      rate,
      audioSeconds: Math.round(this.#audioSeconds),
    }
  }

  /** Greedy error rates over clips, in percent. */
  async evaluate(clips: readonly Clip[]): Promise<{ readonly cer: number; readonly wer: number }> {
    const rates: ReturnType<typeof compareTexts>[] = []
    for (const { clips: some, batch } of evaluationBatches(clips)) {
      const { metrics } = await this.#trainer.evaluate(batch)
      const paths = metrics.path
      const lengths = batch.lengths
      if (paths === undefined || lengths === undefined) throw new Error('the model gave no path')
      const time = paths.shape[1] ?? 0
      some.forEach(({ text }, row) => {
        const frames = Number(lengths.data[row])
        const path = Array.from({ length: frames }, (_, t) => Number(paths.data[row * time + t]))
        rates.push(compareTexts(text, collapsePath(path)))
      })
    }
    return {
      cer: percent(rates.map(({ characters }) => characters)),
      wer: percent(rates.map(({ words }) => words)),
    }
  }

  async save(path: string): Promise<void> {
    await this.#trainer.save(path, {
      block: String(this.#block),
      place: String(this.#place),
      audioSeconds: String(this.#audioSeconds),
    })
  }

  async exportWeights(path: string): Promise<void> {
    await this.#trainer.exportWeights(path)
  }

  async close(): Promise<void> {
    await this.#trainer.close()
  }

  #next(): Plan {
    for (;;) {
      const plan = this.#plans[this.#place]
      if (plan !== undefined) {
        this.#place++
        return plan
      }
      this.#plans = planBlock(this.#clips, this.#block, this.#recipe)
      this.#block++
      this.#place = 0
    }
  }

  #restore({ block, place, audioSeconds }: Readonly<Record<string, string>>): void {
    this.#block = Number(block)
    this.#place = Number(place)
    this.#audioSeconds = Number(audioSeconds)
    this.#plans = this.#block === 0 ? [] : planBlock(this.#clips, this.#block - 1, this.#recipe)
  }
}
