/** `plumbline models list`: the catalogue. */
import type { ModelCard } from '../inference/catalogue/card.js'
import { defineCommand } from './command.js'
import { formatBytes, printable, table } from './format.js'
import { catalogueOptions, dataDirOf } from './model-options.js'

export const modelsListCommand = defineCommand({
  path: 'models list',
  group: 'models',
  summary: 'List the models of the catalogue',
  options: catalogueOptions,
  examples: [['models list', 'Names, tasks, sizes, licences']],
  run: async (args, io) => {
    const { Catalogue } = await import('../inference/catalogue/catalogue.js')
    const catalogue = await Catalogue.open(dataDirOf(args, io))
    const models = catalogue.list().map((card) => ({ ...card, isBuiltIn: catalogue.isBuiltIn(card.name) }))
    io.output.result({ models }, () =>
      models.length === 0 ? 'No models yet: plumbline models add <directory>' : table(models, COLUMNS),
    )
    return 0
  },
})

interface Listed extends ModelCard {
  readonly isBuiltIn: boolean
}

const COLUMNS = [
  { title: 'model', value: ({ name }: ModelCard) => printable(name) },
  { title: 'for', value: ({ task }: ModelCard) => task },
  {
    title: 'family',
    value: ({ family, languageModel }: ModelCard) =>
      languageModel === null ? family : `${family} + n-grams`,
  },
  { title: 'weights', align: 'right' as const, value: ({ fileBytes }: ModelCard) => formatBytes(fileBytes) },
  { title: 'from', value: ({ isBuiltIn }: Listed) => (isBuiltIn ? 'plumbline' : 'added') },
  { title: 'licence', value: ({ licence }: ModelCard) => printable(licence ?? '?') },
]
