/** `plumbline translate`: speech in one language to text in another. */
import { boughtFields, buy, ONE_BUYER } from './buy-options.js'
import { defineCommand } from './command.js'
import { printableLines } from './format.js'
import { chooseModel, localOptions, readSound, runLocal, soundInput } from './model-options.js'
import { text } from './option.js'
import { requirePlace } from './place-options.js'

export const translateCommand = defineCommand({
  path: 'translate',
  group: 'models',
  summary: 'Turn speech in one language into text in another',
  description: [
    'Speech of any length (XLS-R with an mBART decoder): what is longer than a minute is cut where nobody speaks, and ' +
      'translated part by part.',
    ONE_BUYER,
  ],
  positionals: { recording: text({ summary: 'The sound file', completes: 'file', required: true }) },
  options: {
    to: text({
      summary: 'Language of the text, where the model speaks several',
      placeholder: 'mBART code, like de_DE',
      defaultText: "the model's own",
    }),
    ...localOptions,
  },
  examples: [['translate rede.wav --local --model xls-r-2b-21-to-en', 'German speech to English text']],
  run: async (args, io) => {
    requirePlace(args)
    const sound = await readSound(args.recording)
    const { translated, told, parts } = await (args.local ? here() : there())
    const result = {
      ...told,
      text: translated,
      ...(parts === undefined ? {} : { parts }),
      durationSeconds: sound.seconds,
    }
    io.output.result(result, () => translatedText(translated))
    return 0

    async function here() {
      const card = await chooseModel(args, 'translate', io)
      const { value, loadMs, runMs } = await runLocal(args, card, io, (model, told) =>
        model.translate(sound, args.to, io.signal, told),
      )
      return {
        translated: value.text,
        parts: value.parts,
        told: { model: card.name, loadMs: Math.round(loadMs), runMs: Math.round(runMs) },
      }
    }

    async function there() {
      const parameters = args.to === undefined ? {} : { targetLanguage: args.to }
      const bought = await buy(args, { task: 'translate', input: await soundInput(sound), parameters }, io)
      const { output } = bought.answer
      if (output.kind !== 'translation') throw new Error(`a translation came as ${output.kind}`)
      return { translated: output.text, told: boughtFields(bought), parts: undefined }
    }
  },
})

/** A stranger's model may have written it. */
export const translatedText = printableLines
