/**
 * A training run behind a service host, in a process of its own: the runtime blocks its thread. Methods: `advance`
 * (updates) -> TrainingReport, `save`, `evaluate` -> figures on the development clips, `finish` -> the folder of the
 * model, as it is served.
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Service } from '../../ml/session/service.js'
import type { PackageOptions } from './package-model.js'
import type { TrainingOptions, TrainingReport } from './recipe.js'

/** What both families' runs can do. */
interface Run {
  readonly update: number
  readonly finished: boolean
  advance(updates: number): Promise<{ readonly update: number; readonly loss: number }>
  save(path: string): Promise<void>
  exportWeights(path: string): Promise<void>
  close(): Promise<void>
}

interface Clock {
  readonly cpuSeconds: number
  readonly wallSeconds: number
}

export async function openAsrSmallTraining(options: unknown): Promise<Service> {
  const settings = options as TrainingOptions
  const { ASR_SMALL_RECIPE, AsrSmallTraining } = await import('../asr-small/training.js')
  const { readClips } = await import('../asr-small/data/prepare.js')
  const clips = await readClips(settings.data, ({ split }) => split === 'train' || split === 'dev')
  const dev = clips.filter(({ split }) => split === 'dev')
  const training = clips.filter(({ split }) => split === 'train')
  const recipe = { ...ASR_SMALL_RECIPE, updates: settings.updates }
  const state = await stateOf(settings)
  const run = await AsrSmallTraining.open(recipe, training, settings.threads, state)
  const { packAsrSmall } = await import('./package-model.js')
  return serve(run, settings, state !== undefined, packAsrSmall, () => run.evaluate(dev))
}

export async function openLanguageIdTraining(options: unknown): Promise<Service> {
  const settings = options as TrainingOptions
  const { LANGUAGE_ID_RECIPE, LanguageIdTraining } = await import('../language-id/training.js')
  const { readLanguageClips, readLanguageSentences } = await import('../language-id/data/prepare.js')
  // Only the end needs them: that they are there is said now.
  await readLanguageSentences(settings.data)
  const all = await readLanguageClips(settings.data)
  const clips = all.filter(({ split }) => split === 'train')
  const recipe = { ...LANGUAGE_ID_RECIPE, updates: settings.updates }
  const state = await stateOf(settings)
  const run = await LanguageIdTraining.open(recipe, clips, settings.threads, state)
  const { packLanguageId } = await import('./package-model.js')
  const dev = all.filter(({ split }) => split === 'dev')
  const evaluate = async (): Promise<object> => {
    const { LanguageIdentifier } = await import('../language-id/identifier.js')
    const { accuracyOn } = await import('../language-id/tuning.js')
    const model = await LanguageIdentifier.open(modelFolder(settings))
    try {
      return { accuracy: await accuracyOn(dev, model) }
    } finally {
      await model.close()
    }
  }
  return serve(run, settings, state !== undefined, packLanguageId, evaluate)
}

const statePath = (directory: string): string => join(directory, 'training-state.safetensors')
/** Where a finished run's model is, as it is served. */
const modelFolder = ({ directory }: Pick<TrainingOptions, 'directory'>): string => join(directory, 'model')
const clockPath = (directory: string): string => join(directory, 'training-clock.json')

/** Where the run goes on from, if it was begun. */
async function stateOf({ directory }: TrainingOptions): Promise<string | undefined> {
  await mkdir(directory, { recursive: true })
  const path = statePath(directory)
  return stat(path).then(
    () => path,
    () => undefined,
  )
}

async function serve(
  run: Run,
  { data, directory, updates }: TrainingOptions,
  resumed: boolean,
  pack: (options: PackageOptions) => Promise<void>,
  evaluate: () => Promise<object>,
): Promise<Service> {
  const before: Clock = resumed
    ? (JSON.parse(await readFile(clockPath(directory), 'utf8')) as Clock)
    : { cpuSeconds: 0, wallSeconds: 0 }
  const cpu = process.cpuUsage()
  const started = performance.now()
  const clock = (): Clock => {
    const { user, system } = process.cpuUsage(cpu)
    return {
      cpuSeconds: Math.round(before.cpuSeconds + (user + system) / 1e6),
      wallSeconds: Math.round(before.wallSeconds + (performance.now() - started) / 1000),
    }
  }
  const save = async (): Promise<void> => {
    await run.save(statePath(directory))
    await writeFile(clockPath(directory), JSON.stringify(clock()))
  }
  return {
    call: async (method, argument) => {
      if (method === 'advance') {
        const { loss } = await run.advance(Number(argument))
        const report: TrainingReport = {
          update: run.update,
          updates,
          loss,
          finished: run.finished,
          ...clock(),
        }
        return report
      }
      if (method === 'save') return save()
      if (method === 'evaluate') return evaluate()
      if (method === 'finish') {
        await save()
        const weights = join(directory, 'weights.safetensors')
        await run.exportWeights(weights)
        const model = modelFolder({ directory })
        await pack({ weights, data, directory: model })
        return model
      }
      throw new Error(`training has no method ${method}`)
    },
    close: () => run.close(),
  }
}
