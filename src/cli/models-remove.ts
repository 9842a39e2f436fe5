/** `plumbline models remove`: takes a model out of the catalogue; its files stay. */
import { defineCommand } from './command.js'
import { catalogueOptions, dataDirOf } from './model-options.js'
import { text } from './option.js'

export const modelsRemoveCommand = defineCommand({
  path: 'models remove',
  group: 'models',
  summary: 'Take a model out of the catalogue; its files stay',
  positionals: { name: text({ summary: 'Its name in the catalogue', required: true }) },
  options: catalogueOptions,
  examples: [['models remove mms-1b-all', 'The directory is not touched']],
  run: async (args, io) => {
    const { Catalogue } = await import('../inference/catalogue/catalogue.js')
    const removed = await (await Catalogue.open(dataDirOf(args, io))).remove(args.name)
    io.output.result(removed, () => `Removed ${removed.name}; its files stay in ${removed.directory}`)
    return 0
  },
})
