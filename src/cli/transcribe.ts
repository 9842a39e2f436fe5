/** `plumbline transcribe`: a recording to text, with times, as subtitles where wanted. */
import { defineCommand } from './command.js'
import { chooseModel, localOptions, readSound, runLocal } from './model-options.js'
import { choice, text } from './option.js'

const FORMATS = ['text', 'words', 'srt', 'vtt'] as const

export const transcribeCommand = defineCommand({
  path: 'transcribe',
  group: 'models',
  summary: 'Turn a recording into text',
  description: [
    'Reads wav, flac, ogg (Vorbis, Opus) and mp3 of any length and rate; more than one channel is mixed down. Words ' +
      'are what the model is surest of at each moment, without a language model.',
  ],
  positionals: { recording: text({ summary: 'The sound file', completes: 'file', required: true }) },
  options: {
    format: choice(FORMATS, {
      summary: 'What to print: words have times, srt and vtt are subtitles',
      default: 'text',
    }),
    language: text({
      summary: 'For a model with a vocabulary for each language (MMS)',
      placeholder: 'ISO 639-3',
      defaultText: 'the one it was saved with',
    }),
    ...localOptions,
  },
  examples: [
    ['transcribe talk.flac --local', 'With the only recogniser of the catalogue'],
    ['transcribe talk.flac --local --model mms-1b-all --language deu', 'German, with MMS'],
    ['transcribe film.ogg --local --format srt', 'Subtitles'],
  ],
  run: async (args, io) => {
    const card = await chooseModel(args, 'transcribe', io)
    const sound = await readSound(args.recording)
    const { value, loadMs, runMs } = await runLocal(args, card, io, (model) =>
      model.transcribe(sound, io.signal),
    )
    const { cuesOf, toSrt, toVtt } = await import('../models/speech/subtitles.js')
    const result = {
      model: card.name,
      language: value.language,
      text: value.text,
      words: value.words,
      durationSeconds: sound.seconds,
      loadMs: Math.round(loadMs),
      runMs: Math.round(runMs),
      realTimeFactor: runMs / 1000 / sound.seconds,
    }
    io.output.result(result, () => {
      if (args.format === 'srt') return toSrt(cuesOf(value.words)).trimEnd()
      if (args.format === 'vtt') return toVtt(cuesOf(value.words)).trimEnd()
      if (args.format === 'text') return value.text
      return value.words
        .map(({ text: word, startSeconds, endSeconds, confidence }) =>
          [startSeconds.toFixed(2), endSeconds.toFixed(2), confidence.toFixed(2), word].join('\t'),
        )
        .join('\n')
    })
    return 0
  },
})
