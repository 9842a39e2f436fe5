/** `plumbline identify`: which language (or other label) a recording is. */
import { boughtFields, buy, ONE_BUYER } from './buy-options.js'
import { defineCommand } from './command.js'
import { printable } from './format.js'
import { chooseModel, localOptions, readSound, runLocal, soundInput } from './model-options.js'
import { text } from './option.js'
import { requirePlace } from './place-options.js'

export const identifyCommand = defineCommand({
  path: 'identify',
  group: 'models',
  summary: 'Tell the language of a recording',
  description: [
    'Listens to its first 30 seconds, and prints the likeliest labels with their probabilities. The built-in identifier ' +
      'is a first guess among English, French, Spanish, Italian and Russian: from 3 seconds of people it had never heard ' +
      'it is right in 69.4 % (chance: 20 %; in Russian 37 %), and it calls any other language one of the five; for more, add a larger ' +
      'model such as facebook/mms-lid-126.',
    ONE_BUYER,
  ],
  positionals: { recording: text({ summary: 'The sound file', completes: 'file', required: true }) },
  options: localOptions,
  examples: [['identify call.mp3 --local', 'With the only identifier of the catalogue']],
  run: async (args, io) => {
    requirePlace(args)
    const sound = await readSound(args.recording)
    const { labels, told, isSure } = await (args.local ? here() : there())
    const result = {
      ...told,
      labels,
      ...(isSure === undefined ? {} : { isSure }),
      durationSeconds: sound.seconds,
    }
    io.output.result(result, () => identifiedText(labels, isSure))
    return 0

    async function here() {
      const card = await chooseModel(args, 'identify', io)
      const { value, loadMs, runMs } = await runLocal(args, card, io, (model) =>
        model.identify(sound, io.signal),
      )
      return {
        labels: value.labels,
        isSure: value.isSure,
        told: { model: card.name, loadMs: Math.round(loadMs), runMs: Math.round(runMs) },
      }
    }

    async function there() {
      const bought = await buy(args, { task: 'identify', input: await soundInput(sound), parameters: {} }, io)
      const { output } = bought.answer
      if (output.kind !== 'labels') throw new Error(`labels came as ${output.kind}`)
      return { labels: output.labels, isSure: output.isSure, told: boughtFields(bought) }
    }
  },
})

/** The likeliest first. @param isSure undefined where nobody says */
export function identifiedText(
  labels: readonly { readonly label: string; readonly probability: number }[],
  isSure: boolean | undefined,
): string {
  return [
    ...labels.map(
      ({ label, probability }) => `${(100 * probability).toFixed(1).padStart(5)} %  ${printable(label)}`,
    ),
    ...(isSure === false ? ['not sure: it may be another one, or a language that is not among these'] : []),
  ].join('\n')
}
