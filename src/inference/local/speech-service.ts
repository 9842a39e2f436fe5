/** One speech model in a process of its own (ml/session/service.ts): what the far side runs. */
import { preferRuntime, type RuntimeKind } from '../../ml/session/runtime.js'
import type { Service } from '../../ml/session/service.js'
import { Fusion, type FusionOptions, logSoftmaxRows } from '../../models/ctc/index.js'
import { ONNX_FAMILY } from '../../models/onnx-speech/file.js'
import { OnnxClassifier, OnnxRecogniser } from '../../models/onnx-speech/index.js'
import { SpeechTranslator } from '../../models/speech-translation/index.js'
import { SpeechClassifier } from '../../models/wav2vec2/classifier.js'
import { Recogniser } from '../../models/wav2vec2/recogniser.js'
import type { Task } from '../catalogue/card.js'
import { type EmbeddingOptions, openEmbeddingService } from './embedding-service.js'
import { atRate, type Heard, type Hears, hear } from './hearing.js'
import { Listening } from './listening.js'
import { type Hearing, openAsrSmallService, openLanguageIdService } from './own-models-service.js'
import { type PackedSound, type Sound, unpacked } from './sound.js'
import { openSpeaker } from './speak-service.js'
import { hearSpokenParts, type Stretch } from './spoken-parts.js'
import { type Tell, tellOver } from './told.js'
import { translateSpeech } from './translation.js'

export interface SpeechServiceOptions {
  readonly directory: string
  /** Of the model's card. */
  readonly family: string
  readonly task: Task
  readonly threads?: number
  readonly int8?: boolean
  /** Of a recogniser with several: the one of calls that name none; what its files say unless given. */
  readonly language?: string
  /** That a recogniser of frames hears with. */
  readonly languageModel?: FusionOptions
  /** For the task `embed`. */
  readonly embedding?: EmbeddingOptions
  /** The best there is unless given. */
  readonly runtime?: RuntimeKind
}

export interface Word {
  readonly text: string
  readonly startSeconds: number
  readonly endSeconds: number
  /** Geometric mean of the frames' probabilities: a rank, not a calibrated probability. */
  readonly confidence: number
}

export interface Transcription {
  readonly text: string
  readonly words: readonly Word[]
  readonly language: string | null
  /** What was heard of the recording, where silence was left out. */
  readonly speech?: readonly Stretch[]
}

export interface Identification {
  /** The likeliest first. */
  readonly labels: readonly { readonly label: string; readonly probability: number }[]
  /** Whether the first label is likely enough to be believed, where the model has a threshold for that. */
  readonly isSure?: boolean
}

/** Languages that differ in an accent are told apart by the first seconds; more only costs memory. */
const MAX_IDENTIFY_SECONDS = 30
const SHOWN_LABELS = 5

/** The factory that the host names. */
export async function openSpeechService(options: unknown): Promise<Service> {
  const { directory, family, task, threads, int8, language, languageModel, runtime } =
    options as SpeechServiceOptions
  // This process serves nothing else.
  if (runtime !== undefined) preferRuntime(runtime)
  const settings = {
    ...(threads === undefined ? {} : { threads }),
    ...(int8 === undefined ? {} : { int8 }),
  }
  if (family === 'asr-small') return openAsrSmallService(options as SpeechServiceOptions)
  if (family === 'language-id') return openLanguageIdService(options as SpeechServiceOptions)
  if (family === ONNX_FAMILY) return openOnnx(options as SpeechServiceOptions)
  if (task === 'transcribe') {
    const model = await Recogniser.open(directory, {
      ...settings,
      ...(language === undefined ? {} : { language }),
    })
    return serveRecogniser(model, directory, languageModel)
  }
  if (task === 'identify') {
    const model = await SpeechClassifier.open(directory, settings)
    return serve({ identify: ({ sound }) => identify(model, sound) }, () => model.close())
  }
  if (task === 'translate') {
    const model = await SpeechTranslator.open(directory, settings)
    return serve(
      { translate: ({ sound, target }, tell) => translateSpeech(model, sound, target, tell) },
      () => model.close(),
    )
  }
  if (task === 'embed') return openEmbeddingService(options)
  if (task === 'speak') return openSpeaker(directory, threads === undefined ? {} : { threads })
  throw new Error(`no service for ${task}`)
}

async function openOnnx({ directory, task, threads, languageModel }: SpeechServiceOptions): Promise<Service> {
  const options = threads === undefined ? {} : { threads }
  if (task === 'transcribe') {
    const model = await OnnxRecogniser.open(directory, options)
    return serveRecogniser(model, directory, languageModel)
  }
  const model = await OnnxClassifier.open(directory, options)
  return serve({ identify: ({ sound }) => identify(model, sound) }, () => model.close())
}

/** What a classifier is here, whatever runs it. */
type Classifies = Pick<SpeechClassifier, 'labels'> & {
  readonly model: Heard
  classify(sounds: readonly Float32Array[]): Promise<readonly { readonly logits: Float32Array }[]>
}

type Method = (asked: Asked, tell?: Tell) => Promise<unknown>

interface Asked {
  readonly sound: Sound
  readonly hearing?: Hearing
  /** Of a piece of a stream. */
  readonly isLast?: boolean
  readonly isOpenWanted?: boolean
  /** Of a translation. */
  readonly target?: string
}

/** The language model is read before anything is heard: a mistake is told at once. */
async function serveRecogniser(
  model: Hears & Partial<Pick<Recogniser, 'setLanguage'>> & { close(): Promise<void> },
  directory: string,
  languageModel: FusionOptions | undefined,
): Promise<Service> {
  try {
    const fusion = languageModel && (await Fusion.open(directory, languageModel))
    await fusion?.with(model.tokenizer)
    const { language: usual } = model
    const whole = (sound: Sound, tell?: Tell) => hear(model, sound, tell, fusion)
    // A call that names none has the usual one, whatever the call before it had.
    const speak = async ({ language = usual }: Hearing = {}): Promise<void> => {
      if (language !== undefined) await model.setLanguage?.(language)
    }
    const listening = new Listening()
    return serve(
      {
        transcribe: async ({ sound, hearing }, tell) => {
          await speak(hearing)
          return hearing?.skipSilence === true
            ? hearSpokenParts(sound, whole, model.language ?? null, tell)
            : whole(sound, tell)
        },
        listen: async ({ sound, hearing, isLast = false, isOpenWanted = false }) => {
          await speak(hearing)
          return listening.push({ sound, isLast, isOpenWanted }, whole)
        },
      },
      async () => {
        await listening.close()
        await model.close()
      },
    )
  } catch (error) {
    await model.close()
    throw error
  }
}

function serve(methods: Readonly<Record<string, Method>>, close: () => Promise<void>): Service {
  return {
    call: async (name, argument, tell) => {
      const method = methods[name]
      if (method === undefined) throw new Error(`this model does not ${name}`)
      const asked = argument as Omit<Asked, 'sound'> & { readonly sound: Sound | PackedSound }
      return method({ ...asked, sound: unpacked(asked.sound) }, tellOver(tell))
    },
    close,
  }
}

async function identify(classifier: Classifies, sound: Sound): Promise<Identification> {
  const { sampleRate } = classifier.model.waveform
  const samples = atRate(sound, sampleRate).subarray(0, MAX_IDENTIFY_SECONDS * sampleRate)
  const [found] = await classifier.classify([samples])
  if (found === undefined) throw new Error('the model gave no row')
  const [scores] = [logSoftmaxRows(found.logits, 1, found.logits.length).data]
  const labels = classifier.labels.map((label, i) => ({ label, probability: Math.exp(scores[i] ?? 0) }))
  return { labels: labels.sort((a, b) => b.probability - a.probability).slice(0, SHOWN_LABELS) }
}
