/** `plumbline translate`: speech in one language to text in another. */
import { defineCommand } from './command.js'
import { chooseModel, localOptions, readSound, runLocal } from './model-options.js'
import { text } from './option.js'

export const translateCommand = defineCommand({
  path: 'translate',
  group: 'models',
  summary: 'Turn speech in one language into text in another',
  description: ['For up to a minute of speech at once (XLS-R with an mBART decoder).'],
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
    const card = await chooseModel(args, 'translate', io)
    const sound = await readSound(args.recording)
    const { value, loadMs, runMs } = await runLocal(args, card, io, (model) =>
      model.translate(sound, args.to, io.signal),
    )
    const result = {
      model: card.name,
      text: value.text,
      durationSeconds: sound.seconds,
      loadMs: Math.round(loadMs),
      runMs: Math.round(runMs),
    }
    io.output.result(result, () => value.text)
    return 0
  },
})
