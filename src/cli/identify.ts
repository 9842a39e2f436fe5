/** `plumbline identify`: which language (or other label) a recording is. */
import { defineCommand } from './command.js'
import { chooseModel, localOptions, readSound, runLocal } from './model-options.js'
import { text } from './option.js'

export const identifyCommand = defineCommand({
  path: 'identify',
  group: 'models',
  summary: 'Tell the language of a recording',
  description: ['Listens to its first 30 seconds, and prints the likeliest labels with their probabilities.'],
  positionals: { recording: text({ summary: 'The sound file', completes: 'file', required: true }) },
  options: localOptions,
  examples: [['identify call.mp3 --local', 'With the only identifier of the catalogue']],
  run: async (args, io) => {
    const card = await chooseModel(args, 'identify', io)
    const sound = await readSound(args.recording)
    const { value, loadMs, runMs } = await runLocal(args, card, io, (model) =>
      model.identify(sound, io.signal),
    )
    const { labels } = value
    const result = {
      model: card.name,
      labels,
      durationSeconds: sound.seconds,
      loadMs: Math.round(loadMs),
      runMs: Math.round(runMs),
    }
    io.output.result(result, () =>
      labels
        .map(({ label, probability }) => `${(100 * probability).toFixed(1).padStart(5)} %  ${label}`)
        .join('\n'),
    )
    return 0
  },
})
