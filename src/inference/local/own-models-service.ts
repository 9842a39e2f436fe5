/** Services of the models that come with the package: the English recogniser and the language identifier. */
import type { Service } from '../../ml/session/service.js'
import { SUBSAMPLING } from '../../models/asr-small/definition.js'
import { type Dictation, dictate, readDictation } from '../../models/asr-small/dictation.js'
import { FRAME_RATE } from '../../models/asr-small/features.js'
import { Grammar } from '../../models/asr-small/grammar.js'
import { AsrSmall, spell } from '../../models/asr-small/recogniser.js'
import { type Piece, timedWordsOf } from '../../models/asr-small/words.js'
import { LanguageIdentifier } from '../../models/language-id/identifier.js'
import { Listening, type StreamPiece } from './listening.js'
import { type PackedSound, type Sound, unpacked } from './sound.js'
import type { Identification, SpeechServiceOptions, Transcription, Word } from './speech-service.js'
import { hearSpokenParts } from './spoken-parts.js'
import { type Tell, tellOver } from './told.js'

/** How a recording is to be heard; greedily, in the model's own language, unless told. */
export interface Hearing {
  /** With the n-gram decoder: experimental; only of the recogniser that comes with the package. */
  readonly dictation?: boolean
  /** Of a recogniser with several. */
  readonly language?: string
  /** Only where somebody speaks (Silero VAD). */
  readonly skipSilence?: boolean
}

export interface GrammarQuestion {
  /** Sentences and patterns, one a line. */
  readonly lines: readonly string[]
  /** Least confidence; the model's own unless given. */
  readonly threshold?: number
}

export interface GrammarSentence {
  /** As the grammar has it. */
  readonly sentence: string
  /** From 0 to 1: to be held against the threshold; no probability. */
  readonly confidence: number
}

export interface GrammarAnswer {
  readonly isAccepted: boolean
  /** What was said; null where nothing of the grammar was. */
  readonly sentence: string | null
  /** Of the accepted sentence, in the recogniser's spelling. */
  readonly words: readonly Word[]
  /** The likeliest sentence, accepted or not; null where the sound is too short for all. */
  readonly nearest: GrammarSentence | null
  readonly runnerUp: GrammarSentence | null
  readonly threshold: number
  /** That the grammar stands for. */
  readonly sentences: number
}

const LANGUAGE = 'en'
/** Languages are told apart by the first seconds. */
const MAX_IDENTIFY_SECONDS = 30
const SHOWN_LABELS = 5

type Options = Pick<SpeechServiceOptions, 'directory' | 'threads'>
const threadsOf = ({ threads }: Options) => (threads === undefined ? {} : { threads })

/**
 * Methods `transcribe` ({ sound, hearing }; in parts the text of each piece), `listen` ({ sound, hearing, isLast,
 * isOpenWanted }) and `match` ({ sound, question }).
 */
export async function openAsrSmallService(options: Options): Promise<Service> {
  const model = await AsrSmall.open(options.directory, threadsOf(options))
  const listening = new Listening()
  let dictation: Dictation | undefined
  return {
    call: async (name, argument, tell) => {
      const { hearing, question, ...asked } = argument as Omit<StreamPiece, 'sound'> & {
        readonly sound: Sound | PackedSound
        readonly hearing?: Hearing
        readonly question?: GrammarQuestion
      }
      const sound = unpacked(asked.sound)
      if (name === 'match' && question !== undefined) return match(model, sound, question)
      if (hearing?.dictation === true) dictation ??= await readDictation(model.directory)
      const whole = (heard: Sound, told?: Tell) =>
        transcribe(model, heard, hearing?.dictation === true ? dictation : undefined, told)
      if (name === 'listen') return listening.push({ ...asked, sound }, whole)
      if (name !== 'transcribe') throw new Error(`this model does not ${name}`)
      return hearing?.skipSilence === true
        ? hearSpokenParts(sound, whole, LANGUAGE, tellOver(tell))
        : whole(sound, tellOver(tell))
    },
    close: async () => {
      await listening.close()
      await model.close()
    },
  }
}

async function transcribe(
  model: AsrSmall,
  { samples, sampleRate }: Sound,
  dictation: Dictation | undefined,
  tell?: Tell,
): Promise<Transcription> {
  const texts: string[] = []
  const words: Word[] = []
  for await (const piece of model.pieces(samples, sampleRate)) {
    const text = dictation === undefined ? spell(piece) : dictate(piece, dictation, model.config.dictation)
    tell?.reached({
      done: piece.startSeconds + (piece.frames * SUBSAMPLING) / FRAME_RATE,
      total: samples.length / sampleRate,
    })
    if (text === '') continue
    tell?.text(text)
    texts.push(text)
    words.push(...timedWordsOf(piece, text))
  }
  return { text: texts.join(' '), words, language: LANGUAGE }
}

async function match(
  model: AsrSmall,
  { samples, sampleRate }: Sound,
  { lines, threshold = model.config.grammar.threshold }: GrammarQuestion,
): Promise<GrammarAnswer> {
  const grammar = new Grammar(lines)
  const pieces: readonly Piece[] = await model.logProbabilities(samples, sampleRate)
  const [piece] = pieces
  // A sound of several pieces is longer than half a minute: no sentence of a grammar is.
  const found = pieces.length === 1 && piece !== undefined ? grammar.match(piece) : undefined
  const told = (each: typeof found | NonNullable<typeof found>['second']): GrammarSentence | null =>
    each === undefined ? null : { sentence: each.written, confidence: each.confidence }
  const isAccepted = found !== undefined && found.confidence >= threshold
  return {
    isAccepted,
    sentence: isAccepted ? found.written : null,
    words: isAccepted && piece !== undefined ? timedWordsOf(piece, found.sentence) : [],
    nearest: told(found),
    runnerUp: told(found?.second),
    threshold,
    sentences: grammar.sentences.length,
  }
}

/** Method `identify` ({ sound }). */
export async function openLanguageIdService(options: Options): Promise<Service> {
  const model = await LanguageIdentifier.open(options.directory, threadsOf(options))
  return {
    call: async (name, argument): Promise<Identification> => {
      if (name !== 'identify') throw new Error(`this model does not ${name}`)
      const { sound } = argument as { readonly sound: Sound | PackedSound }
      const { samples, sampleRate } = unpacked(sound)
      const { labels, isSure } = await model.identify(
        samples.subarray(0, MAX_IDENTIFY_SECONDS * sampleRate),
        sampleRate,
      )
      return {
        labels: labels
          .slice(0, SHOWN_LABELS)
          .map(({ language, probability }) => ({ label: language, probability })),
        isSure,
      }
    },
    close: () => model.close(),
  }
}
