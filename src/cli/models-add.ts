/** `plumbline models add`: takes a downloaded model directory into the catalogue. */
import { expandPath } from '../config/paths.js'
import { defineCommand } from './command.js'
import { labelled, printable } from './format.js'
import { catalogueOptions, dataDirOf } from './model-options.js'
import { cardText } from './models-show.js'
import { flag, text } from './option.js'
import { addedLanguageModelOf, addedLanguageModelOptions, languageModelText } from './transcribe-lm.js'

export const modelsAddCommand = defineCommand({
  path: 'models add',
  group: 'models',
  summary: 'Add a downloaded model directory to the catalogue',
  description: [
    'The directory stays where it is, as downloaded from Hugging Face (config.json, weights, tokenizer): nothing is ' +
      'converted, copied or fetched. Weights are read as safetensors or, through an allow-list that executes nothing, ' +
      'as PyTorch files.',
    'With --int8 it is served with eight-bit weights, which are made as it opens, wherever it is served: to --local ' +
      'commands, by a gateway, and by a provider, which may give its work away but not sell it: that is another model ' +
      'on the network, with a hash of its own, and no auditor could check it.',
    'A recogniser that was published with an n-gram language model as an ARPA file (language_model/ and alphabet.json) ' +
      'hears with it wherever it is served; --lm gives it another one, or none. What it hears with is part of what it is ' +
      'called by on the network, and who buys or audits needs the same file. N-grams are of one language: a checkpoint ' +
      'with several is added for one of them, with --language.',
  ],
  positionals: {
    directory: text({ summary: 'The model directory', completes: 'directory', required: true }),
  },
  options: {
    name: text({
      summary: 'Its name in the catalogue',
      defaultText: "the directory's name, with -int8 behind it where that is wanted",
    }),
    int8: flag('Serve it with eight-bit weights: faster, a little less exact'),
    ...addedLanguageModelOptions,
    ...catalogueOptions,
  },
  examples: [
    ['models add ~/models/mms-1b-all', 'A recogniser of 1,162 languages'],
    ['models add ~/models/mms-lid-126 --name languages', 'Under a name of your own'],
    ['models add ~/models/mms-1b-all --int8', 'The same files as mms-1b-all-int8, on eight bits'],
    ['models add ~/models/xls-r-de --lm 4gram.arpa.gz', 'With a language model'],
    ['models add ./mms --name mms-deu --lm deu.arpa --language deu', 'German alone, with n-grams of German'],
  ],
  run: async (args, io) => {
    const { readCard } = await import('../inference/catalogue/card.js')
    const { Catalogue } = await import('../inference/catalogue/catalogue.js')
    const card = await readCard(
      expandPath(args.directory),
      args.name,
      args.int8 ? 'int8' : 'fp32',
      addedLanguageModelOf(args),
    )
    const catalogue = await Catalogue.open(dataDirOf(args, io))
    await catalogue.add(card)
    const languageModel = await languageModelText(card)
    io.output.result(card, () =>
      [
        labelled('Added', card.name, 12),
        cardText(card),
        ...(languageModel === undefined ? [] : [labelled('Decoder', printable(languageModel), 12)]),
      ].join('\n'),
    )
    return 0
  },
})
