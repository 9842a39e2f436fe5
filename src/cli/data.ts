/** `plumbline data prepare`: what a recipe's data needs, and making it from what is installed. */
import { expandPath } from '../config/paths.js'
import { UserError } from '../errors.js'
import { defineCommand } from './command.js'
import { table } from './format.js'
import { badArgument, flag, text } from './option.js'
import { bar, Progress } from './progress.js'

export const DEFAULT_DATA_ROOT = '~/.plumbline/data'

export const dataPrepareCommand = defineCommand({
  path: 'data prepare',
  group: 'models',
  summary: 'Make the data that a training recipe needs, from packages that are installed',
  description: [
    'Says which Debian packages the data comes from, under which licence, and which of them are missing, with the ' +
      'line that installs them. It installs nothing itself.',
    'Where all are there, it converts the recordings and speaks the synthetic sentences into a folder. What is there ' +
      'already is kept, so it can be stopped and started again. The same recipe gives the same data.',
  ],
  positionals: {
    set: text({ summary: 'asr-small or language-id', placeholder: 'set', required: true }),
  },
  options: {
    to: text({
      summary: 'Folder for the data',
      completes: 'directory',
      defaultText: `${DEFAULT_DATA_ROOT}/<set>`,
    }),
    check: flag('Say what is needed and stop'),
  },
  examples: [
    ['data prepare asr-small --check', 'See which packages it needs'],
    ['data prepare asr-small', 'Make the data'],
  ],
  run: async (args, io) => {
    const { findRecipe, RECIPE_NAMES } = await import('../models/recipes/recipe.js')
    const { checkNeeds, installLine } = await import('../models/recipes/needs.js')
    const recipe = await findRecipe(args.set)
    if (recipe === undefined)
      throw badArgument(`there is no set ${args.set}`, `use ${RECIPE_NAMES.join(' or ')}`)
    const directory = expandPath(args.to ?? `${DEFAULT_DATA_ROOT}/${recipe.name}`)
    const needs = await checkNeeds(recipe.needs, directory)
    const install = installLine(needs, directory)
    io.output.event('needs', { needs, install: install ?? null })
    if (args.check || install !== undefined) {
      const shown = {
        set: recipe.name,
        directory,
        dataMb: recipe.dataMb,
        needs,
        ...(install === undefined ? {} : { install }),
      }
      io.output.result(shown, () =>
        [
          table(needs, [
            { title: 'package', value: (need) => need.package },
            {
              title: 'state',
              value: ({ isPresent, optional }) =>
                isPresent ? 'there' : optional ? 'missing (optional)' : 'missing',
            },
            { title: 'licence', value: (need) => need.licence },
            { title: 'for', value: (need) => need.purpose, shrinks: true },
          ]),
          '',
          install === undefined
            ? `All that is needed is there; about ${recipe.dataMb} MB go to ${directory}.`
            : `Install what is missing:\n  ${install}`,
        ].join('\n'),
      )
      return install === undefined ? 0 : 1
    }
    const progress = new Progress(io.stderr, io.env, !io.output.isJson)
    let share = 0
    let counts = ''
    progress.live(() => `${bar(share, 30)} ${counts}`)
    try {
      await recipe.prepare({
        directory,
        signal: io.signal,
        onProgress: ({ done, total }) => {
          share = done / total
          counts = `${done} of ${total} clips`
          io.output.event('progress', { done, total })
        },
      })
    } catch (error) {
      if (!io.signal.aborted) throw error
      throw new UserError('stopped', { code: 'INTERRUPTED', remedy: 'run it again to go on', cause: error })
    } finally {
      progress.stop()
    }
    io.output.result({ set: recipe.name, directory }, () => `${recipe.name}: data in ${directory}`)
    return 0
  },
})
