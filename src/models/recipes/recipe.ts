/** A recipe: data that can be prepared, and a run that trains a model from it, stops and goes on. */
import type { Need } from './needs.js'

export interface PreparationOptions {
  readonly directory: string
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void
  readonly signal: AbortSignal
}

export interface Recipe {
  readonly name: string
  readonly summary: string
  readonly needs: readonly Need[]
  /** Disk that the prepared data takes, MB. */
  readonly dataMb: number
  /** Makes the data, or what is missing of it. */
  readonly prepare: (options: PreparationOptions) => Promise<void>
  /** Which factory of training-service.ts runs it. */
  readonly factory: 'openAsrSmallTraining' | 'openLanguageIdTraining'
  readonly updates: number
}

/** What a training run says after each stretch. */
export interface TrainingReport {
  readonly update: number
  readonly updates: number
  readonly loss: number
  readonly finished: boolean
  /** Of this run and those it goes on from, seconds. */
  readonly cpuSeconds: number
  readonly wallSeconds: number
}

/** What training-service.ts is opened with. */
export interface TrainingOptions {
  readonly data: string
  /** Where state and weights go. */
  readonly directory: string
  readonly threads: number
  readonly updates: number
}

/** Every recipe, by name. Its parts are imported when they are used. */
export async function findRecipe(name: string): Promise<Recipe | undefined> {
  const { ASR_SMALL_NEEDS, LANGUAGE_ID_NEEDS } = await import('./needs.js')
  if (name === 'asr-small') {
    const { ASR_SMALL_RECIPE } = await import('../asr-small/training.js')
    return {
      name,
      summary: 'English speech to text, 2.2 million parameters',
      needs: ASR_SMALL_NEEDS,
      dataMb: 350,
      prepare: async (options) => {
        const { prepareData } = await import('../asr-small/data/prepare.js')
        const { DATA_RECIPE } = await import('../asr-small/data/jobs.js')
        await prepareData({ ...options, recipe: DATA_RECIPE })
      },
      factory: 'openAsrSmallTraining',
      updates: ASR_SMALL_RECIPE.updates,
    }
  }
  if (name === 'language-id') {
    const { LANGUAGE_ID_RECIPE } = await import('../language-id/training.js')
    return {
      name,
      summary: 'Which of five languages is spoken, 1.5 million parameters',
      needs: LANGUAGE_ID_NEEDS,
      dataMb: 350,
      prepare: async (options) => {
        const { prepareLanguageData } = await import('../language-id/data/prepare.js')
        const { LANGUAGE_DATA } = await import('../language-id/data/jobs.js')
        await prepareLanguageData({ ...options, recipe: LANGUAGE_DATA })
      },
      factory: 'openLanguageIdTraining',
      updates: LANGUAGE_ID_RECIPE.updates,
    }
  }
  return undefined
}

export const RECIPE_NAMES = ['asr-small', 'language-id'] as const
