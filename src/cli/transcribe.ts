/** `plumbline transcribe`: a recording to text, with times, as subtitles where wanted. */

import type { ModelCard } from '../inference/catalogue/card.js'
import { languageOf } from '../inference/language-name.js'
import type { Hearing } from '../inference/local/own-models-service.js'
import type { FusionOptions } from '../models/ctc/fusion.js'
import { boughtFields, buy, ONE_BUYER } from './buy-options.js'
import { defineCommand } from './command.js'
import { printable } from './format.js'
import type { CommandIo } from './io.js'
import {
  chooseModel,
  type LocalArguments,
  localOptions,
  readSound,
  runLocal,
  soundInput,
} from './model-options.js'
import { badArgument, choice, flag, number, text } from './option.js'
import { requirePlace } from './place-options.js'
import { grammarText, readGrammar } from './transcribe-grammar.js'
import {
  checkHearsWith,
  type LanguageModelArguments,
  languageModelOf,
  languageModelOptions,
  noteUnused,
} from './transcribe-lm.js'
import { STANDARD_INPUT, transcribeStream } from './transcribe-stream.js'
import { FORMATS, transcriptText } from './transcript-text.js'

const EXPERIMENTAL = 'dictation is experimental: check what it writes'

export const transcribeCommand = defineCommand({
  path: 'transcribe',
  group: 'models',
  summary: 'Turn a recording into text',
  description: [
    'Reads wav, flac, ogg (Vorbis, Opus) and mp3 of any length and rate; more than one channel is mixed down. Words ' +
      'are what the model is surest of at each moment, unless it was added with a language model. Where no recogniser was added, a ' +
      'small one for English that comes with plumbline listens; its card (models show asr-small) says how well.',
    'With --grammar it says which of a list of sentences was spoken: one a line, [optional] and (one|another) parts. ' +
      'Speech that is none of them is rejected: exit status 1, and in JSON isAccepted false with the nearest sentence.',
    'With a language model of n-grams the beam search of a CTC checkpoint (wav2vec 2.0, XLS-R, MMS, HuBERT, data2vec) ' +
      'weighs what was heard against it. Words that it lacks are heard only where the sound is sure of them. A checkpoint ' +
      'that was published, or added, with one hears with it, here and on the network; --lm names another one for --local.',
    '"-" hears what is piped in, and writes each utterance as soon as it is over, on this machine alone: WAV, as arecord ' +
      'and ffmpeg write it, or with --rate bare samples. It goes on until the pipe or Ctrl-C ends it; what was said ' +
      'until then is still written. --json-stream tells what is being said, too (partial), and each utterance (text).',
    'Without --local a provider of the network listens: who that is, and what it costs, is told before the recording ' +
      'leaves this machine.',
    ONE_BUYER,
    '--dictation writes free text with a language model of English words. It is experimental: the recogniser has ' +
      'learnt from one real speaker.',
  ],
  positionals: {
    recording: text({ summary: 'The sound file; "-" is standard input', completes: 'file', required: true }),
  },
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
    grammar: text({
      summary: 'Say which sentence of this file was spoken (asr-small)',
      placeholder: 'file',
      completes: 'file',
    }),
    threshold: number({
      summary: 'With --grammar: least confidence of a sentence that is accepted',
      placeholder: '0..1',
      min: 0,
      max: 1,
      defaultText: "the model's operating point",
    }),
    dictation: flag('Free text with a language model (asr-small; experimental)'),
    rate: number({
      summary: 'With "-": standard input is bare samples of this rate: mono, 16-bit, little-endian',
      placeholder: 'Hz',
      integer: true,
      min: 4000,
      max: 192_000,
      defaultText: 'it is a WAV',
    }),
    vad: flag('Hear only where somebody speaks (Silero VAD); times stay those of the recording'),
    ...languageModelOptions,
    ...localOptions,
  },
  examples: [
    ['transcribe talk.flac --max-price "50000 gwei"', 'Bought from whoever does it for less'],
    ['transcribe talk.flac --local', 'With the recogniser that was added, else with ours'],
    ['transcribe call.wav --local --grammar menu.txt', 'Which of a few sentences was said'],
    ['transcribe talk.flac --local --model mms-1b-all --language deu', 'German, with MMS'],
    ['transcribe talk.flac --local --model xls-r-de --lm 4gram.arpa.gz', 'With a language model'],
    ['transcribe film.ogg --local --format srt', 'Subtitles'],
    [
      'transcribe - --local',
      'What is spoken: arecord -f S16_LE -r 16000 -t wav - | plumbline transcribe - --local',
    ],
    ['transcribe - --local --rate 16000', 'ffmpeg -i rtsp://... -ac 1 -ar 16000 -f s16le - | plumbline ...'],
  ],
  run: async (args, io) => {
    requirePlace(args)
    for (const [option, isGiven] of [
      ['lm', args.lm !== undefined],
      ['vad', args.vad],
    ] as const)
      if (args.grammar !== undefined && isGiven)
        throw badArgument(`--grammar and --${option} exclude each other`, 'leave one out')
    if (args.grammar !== undefined && args.dictation)
      throw badArgument('--grammar and --dictation exclude each other', 'leave one out')
    if (args.grammar === undefined && args.threshold !== undefined)
      throw badArgument('--threshold is for a grammar', 'give --grammar, or leave it out')
    if (args.grammar !== undefined) {
      if (args.recording === STANDARD_INPUT)
        throw badArgument('a grammar is matched against a recording', 'name a sound file')
      if (!args.local) throw badArgument('a grammar is matched on this machine alone', 'add --local')
      return matchGrammar({ ...args, grammar: args.grammar }, io)
    }
    if (args.vad && !args.local) throw badArgument('silence is cut on this machine alone', 'add --local')
    const languageModel = languageModelOf(args)
    if (args.recording === STANDARD_INPUT) {
      if (args.dictation) io.output.note(EXPERIMENTAL)
      return transcribeStream({ ...args, languageModel }, io)
    }
    if (args.rate !== undefined)
      throw badArgument('--rate is for sound from standard input', 'leave it out: a file says its rate')
    const sound = await readSound(args.recording)
    const { value, told } = await (args.local
      ? transcribeHere({ ...args, languageModel }, sound, io)
      : transcribeThere(args, sound, io))
    const result = {
      ...told,
      language: value.language,
      text: value.text,
      ...(args.dictation ? { experimental: true } : {}),
      words: value.words,
      ...('speech' in value && value.speech !== undefined ? { speech: value.speech } : {}),
      durationSeconds: sound.seconds,
      realTimeFactor: told.runMs / 1000 / sound.seconds,
    }
    if (args.dictation) io.output.note(EXPERIMENTAL)
    io.output.result(result, () => transcriptText(value, args.format))
    return 0
  },
})

type TranscribeArguments = Parameters<typeof buy>[0] &
  LocalArguments &
  LanguageModelArguments & {
    readonly vad: boolean
    readonly dictation: boolean
    readonly language: string | undefined
  }
type ReadSound = Awaited<ReturnType<typeof readSound>>

/** A model of one language hears that one, whatever is asked of it. */
function checkLanguage({ name, languages }: ModelCard, wanted: string | undefined): void {
  if (wanted === undefined || languages.length !== 1 || languageOf({ languages }, wanted) !== undefined)
    return
  throw badArgument(
    `${name} hears ${printable(languages.join())} alone`,
    'leave --language out, or use another --model',
  )
}

async function transcribeHere(
  args: TranscribeArguments & { readonly languageModel: FusionOptions | null | undefined },
  sound: ReadSound,
  io: CommandIo,
) {
  const card = await (args.dictation
    ? ownRecogniser(args, io, '--dictation')
    : chooseModel(args, 'transcribe', io))
  const languageModel = await checkHearsWith(card, args.languageModel, args.language)
  checkLanguage(card, args.language)
  if (languageModel === undefined) await noteUnused(card, io)
  const hearing: Hearing = { dictation: args.dictation, skipSilence: args.vad }
  const { value, loadMs, runMs } = await runLocal({ ...args, languageModel }, card, io, (model, told) =>
    model.transcribe(sound, io.signal, hearing, told),
  )
  const heardWith = languageModel === undefined ? card.languageModel : languageModel
  const told = {
    model: card.name,
    ...(heardWith === null ? {} : { languageModel: heardWith.path ?? 'auto' }),
    loadMs: Math.round(loadMs),
    runMs: Math.round(runMs),
  }
  return { value, told }
}

async function transcribeThere(args: TranscribeArguments, sound: ReadSound, io: CommandIo) {
  const { language, dictation } = args
  const parameters = {
    ...(language === undefined ? {} : { language }),
    ...(dictation ? { dictation } : {}),
  }
  const input = await soundInput(sound)
  const bought = await buy(args, { task: 'transcribe', input, parameters }, io)
  const { output } = bought.answer
  if (output.kind !== 'transcription') throw new Error(`a transcription came as ${output.kind}`)
  return { value: output, told: boughtFields(bought) }
}

/** What hears grammars and dictation: the model of the package, or one that was trained by its recipe. */
async function ownRecogniser(args: LocalArguments, io: CommandIo, option: string) {
  const card = await chooseModel({ ...args, model: args.model ?? 'asr-small' }, 'transcribe', io)
  if (card.family === 'asr-small') return card
  throw badArgument(`${card.name} has no ${option}`, 'leave out --model, or use --model asr-small')
}

async function matchGrammar(
  args: LocalArguments & {
    readonly recording: string
    readonly grammar: string
    readonly threshold: number | undefined
  },
  io: CommandIo,
): Promise<number> {
  const card = await ownRecogniser(args, io, '--grammar')
  const lines = await readGrammar(args.grammar)
  const sound = await readSound(args.recording)
  const { threshold } = args
  const question = { lines, ...(threshold === undefined ? {} : { threshold }) }
  const { value, loadMs, runMs } = await runLocal(args, card, io, (model) =>
    model.match(sound, question, io.signal),
  )
  const result = {
    model: card.name,
    ...value,
    durationSeconds: sound.seconds,
    loadMs: Math.round(loadMs),
    runMs: Math.round(runMs),
    realTimeFactor: runMs / 1000 / sound.seconds,
  }
  io.output.result(result, () => grammarText(value))
  return value.isAccepted ? 0 : 1
}
