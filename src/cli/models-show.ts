/** `plumbline models show`: a model's card. */
import { totalmem } from 'node:os'
import type { ModelCard } from '../inference/catalogue/card.js'
import { servedMemoryOf } from '../inference/catalogue/memory.js'
import { defineCommand } from './command.js'
import { formatBytes, labelled, printable } from './format.js'
import { catalogueOptions, dataDirOf } from './model-options.js'
import { text } from './option.js'
import { languageModelText } from './transcribe-lm.js'

const LABEL_WIDTH = 12
const SHOWN_LANGUAGES = 24

export const modelsShowCommand = defineCommand({
  path: 'models show',
  group: 'models',
  summary: 'Show the card of a model',
  positionals: { name: text({ summary: 'Its name in the catalogue', required: true }) },
  options: catalogueOptions,
  examples: [['models show mms-1b-all', 'Task, languages, size, licence']],
  run: async (args, io) => {
    const { Catalogue } = await import('../inference/catalogue/catalogue.js')
    const card = (await Catalogue.open(dataDirOf(args, io))).get(args.name)
    const { readModelCard } = await import('../models/model-card.js')
    const { datasets, limitations, results } = await readModelCard(card.directory)
    const languageModel = await languageModelText(card)
    const more = [
      ...(languageModel === undefined ? [] : [['Decoder', languageModel]]),
      ...datasets.map((each) => ['Trained on', each]),
      ...results.map(({ dataset, metric, value }) => ['Quality', `${value}  ${metric}; ${dataset}`]),
      ...limitations.map((each) => ['Limits', each]),
    ]
    const decoder = languageModel === undefined ? {} : { decoder: languageModel }
    io.output.result({ ...card, ...decoder, datasets, limitations, results }, () =>
      [
        cardText(card),
        ...more.map(([label = '', value = '']) => labelled(label, printable(value), LABEL_WIDTH)),
      ].join('\n'),
    )
    return 0
  },
})

/** @param machineBytes memory of this machine */
export function cardText(card: ModelCard, machineBytes = totalmem()): string {
  const row = (label: string, value: string) => labelled(label, printable(value), LABEL_WIDTH)
  const { languages } = card
  const more = languages.length - SHOWN_LANGUAGES
  return [
    row('Model', card.name),
    row('For', card.task),
    row('Kind', `${card.architecture} (${card.family})`),
    row(
      'Languages',
      languages.length === 0
        ? 'its files do not say'
        : `${languages.slice(0, SHOWN_LANGUAGES).join(' ')}${more > 0 ? ` and ${more} more` : ''}`,
    ),
    row(
      'Weights',
      `${formatBytes(card.fileBytes)}${card.precision === 'int8' ? ', served on eight bits' : ''}`,
    ),
    row('Memory', `may take ${formatBytes(servedMemoryOf(card))}${withInt8(card)}`),
    ...(servedMemoryOf(card) > machineBytes
      ? [row('', `this machine has ${formatBytes(machineBytes)}: it does not run here`)]
      : []),
    row('Licence', card.licence ?? 'its files do not say: ask before you sell its work'),
    row('Made from', card.baseModel ?? 'its files do not say'),
    row('Directory', card.directory),
  ].join('\n')
}

function withInt8(card: ModelCard): string {
  return card.precision === 'fp32' && card.int8MemoryBytes !== null
    ? `, on eight bits ${formatBytes(servedMemoryOf(card, 'int8'))}`
    : ''
}
