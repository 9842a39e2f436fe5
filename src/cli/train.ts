/** `plumbline train`: runs a recipe on prepared data, in a process of its own, and goes on where it was stopped. */
import { expandPath } from '../config/paths.js'
import { UserError } from '../errors.js'
import type { TrainingReport } from '../models/recipes/recipe.js'
import { defineCommand } from './command.js'
import { DEFAULT_DATA_ROOT } from './data.js'
import { badArgument, number, text } from './option.js'
import { bar, Progress } from './progress.js'

/** Updates between two looks at the signal. */
const STRETCH = 10
const SAVE_MS = 120_000
/** Calls of a process that is being ended are given up after this. */
const GRACE_MS = 30_000
const DEFAULT_RUN_ROOT = '~/.plumbline/training'

export const trainCommand = defineCommand({
  path: 'train',
  group: 'models',
  summary: 'Train a model from a recipe',
  description: [
    'Trains on what `plumbline data prepare` made. The state is saved every two minutes and on Ctrl-C; the same ' +
      'command goes on from there, and the outcome is that of a run which was never stopped.',
    'When all updates are done, the run’s folder has a folder `model`, which can be used and added to the catalogue.',
  ],
  positionals: {
    recipe: text({ summary: 'asr-small or language-id', placeholder: 'recipe', required: true }),
  },
  options: {
    data: text({
      summary: 'Folder with the prepared data',
      completes: 'directory',
      defaultText: `${DEFAULT_DATA_ROOT}/<recipe>`,
    }),
    to: text({
      summary: 'Folder for the state and the weights',
      completes: 'directory',
      defaultText: `${DEFAULT_RUN_ROOT}/<recipe>`,
    }),
    threads: number({
      summary: 'Threads within an operation; more than the free cores is slower',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: 64,
      default: 1,
    }),
    updates: number({
      summary: 'Updates in all; may be changed until the rate begins to fall, half way',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: 10_000_000,
      defaultText: "the recipe's",
    }),
  },
  examples: [
    ['train asr-small', 'Train the English recogniser, or go on'],
    ['train language-id --threads 2', 'Two threads'],
  ],
  run: async (args, io) => {
    const { findRecipe, RECIPE_NAMES } = await import('../models/recipes/recipe.js')
    const recipe = await findRecipe(args.recipe)
    if (recipe === undefined)
      throw badArgument(`there is no recipe ${args.recipe}`, `use ${RECIPE_NAMES.join(' or ')}`)
    const data = expandPath(args.data ?? `${DEFAULT_DATA_ROOT}/${recipe.name}`)
    const directory = expandPath(args.to ?? `${DEFAULT_RUN_ROOT}/${recipe.name}`)
    const updates = args.updates ?? recipe.updates
    const { stat } = await import('node:fs/promises')
    const hasData = await stat(data).catch(() => undefined)
    if (hasData === undefined)
      throw new UserError(`there is no data in ${data}`, {
        code: 'NOT_FOUND',
        remedy: `make it with: plumbline data prepare ${recipe.name}`,
      })
    const { ServiceHost } = await import('../ml/session/index.js')
    const host = new ServiceHost(
      {
        url: new URL('../models/recipes/training-service.js', import.meta.url).href,
        factory: recipe.factory,
        options: { data, directory, threads: args.threads, updates },
      },
      { placement: 'process', heapMb: 2048, graceMs: GRACE_MS },
    )
    const progress = new Progress(io.stderr, io.env, !io.output.isJson)
    let report: TrainingReport | undefined
    progress.live(() =>
      report === undefined
        ? 'reading the data'
        : `${bar(report.update / report.updates, 30)} ${report.update} of ${report.updates} updates, loss ${report.loss.toFixed(3)}`,
    )
    try {
      await host.open()
      let saved = performance.now()
      do {
        if (io.signal.aborted) {
          await host.call('save', undefined)
          throw new UserError('stopped', { code: 'INTERRUPTED', remedy: 'run it again to go on' })
        }
        report = (await host.call('advance', STRETCH)) as TrainingReport
        io.output.event('progress', report)
        if (performance.now() - saved > SAVE_MS) {
          await host.call('save', undefined)
          saved = performance.now()
        }
      } while (!report.finished)
      const model = String(await host.call('finish', undefined))
      const figures = (await host.call('evaluate', undefined)) as object
      progress.stop()
      const { cpuSeconds, wallSeconds } = report
      const result = { recipe: recipe.name, updates, model, cpuSeconds, wallSeconds, development: figures }
      io.output.result(result, () =>
        [
          `${recipe.name}: ${updates} updates in ${Math.round(cpuSeconds / 60)} minutes of processor time`,
          ...Object.entries(figures).map(([name, value]) => `  ${name}  ${Number(value).toFixed(1)} %`),
          `  model  ${model}`,
        ].join('\n'),
      )
      return 0
    } finally {
      progress.stop()
      await host.close()
    }
  },
})
