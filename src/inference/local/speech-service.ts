/** One speech model in a process of its own (ml/session/service.ts): what the far side runs. */
import { resample } from '../../ml/audio/resample.js'
import { preferRuntime, type RuntimeKind } from '../../ml/session/runtime.js'
import type { Service } from '../../ml/session/service.js'
import { bestPath, type LogProbabilities, logSoftmaxRows } from '../../models/ctc/index.js'
import { ONNX_FAMILY } from '../../models/onnx-speech/file.js'
import { OnnxClassifier, OnnxRecogniser } from '../../models/onnx-speech/index.js'
import { CertainWords } from '../../models/speech/certain-words.js'
import { frameGeometry, scoreLongSound, servingWindows } from '../../models/speech/chunks.js'
import { SpeechTranslator } from '../../models/speech-translation/index.js'
import { SpeechClassifier } from '../../models/wav2vec2/classifier.js'
import { Recogniser, type Transcript } from '../../models/wav2vec2/recogniser.js'
import type { Task } from '../catalogue/card.js'
import { type EmbeddingOptions, openEmbeddingService } from './embedding-service.js'
import { type Hearing, openAsrSmallService, openLanguageIdService } from './own-models-service.js'
import { type PackedSound, type Sound, unpacked } from './sound.js'
import { openSpeaker } from './speak-service.js'

export interface SpeechServiceOptions {
  readonly directory: string
  /** Of the model's card. */
  readonly family: string
  readonly task: Task
  readonly threads?: number
  readonly int8?: boolean
  /** Of a recogniser with several: the one of calls that name none; what its files say unless given. */
  readonly language?: string
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
}

export interface Identification {
  /** The likeliest first. */
  readonly labels: readonly { readonly label: string; readonly probability: number }[]
  /** Whether the first label is likely enough to be believed, where the model has a threshold for that. */
  readonly isSure?: boolean
}

export interface SpokenTranslation {
  readonly text: string
}

/** Languages that differ in an accent are told apart by the first seconds; more only costs memory. */
const MAX_IDENTIFY_SECONDS = 30
/** What one call may bring: the longest translation a decoder has positions for lasts about as long. */
const MAX_TRANSLATE_SECONDS = 60
const SHOWN_LABELS = 5

/** The factory that the host names. */
export async function openSpeechService(options: unknown): Promise<Service> {
  const { directory, family, task, threads, int8, language, runtime } = options as SpeechServiceOptions
  // This process serves nothing else.
  if (runtime !== undefined) preferRuntime(runtime)
  const settings = {
    ...(threads === undefined ? {} : { threads }),
    ...(int8 === undefined ? {} : { int8 }),
  }
  if (family === 'asr-small') return openAsrSmallService(options as SpeechServiceOptions)
  if (family === 'language-id') return openLanguageIdService(options as SpeechServiceOptions)
  if (family === ONNX_FAMILY) return openOnnx(directory, task, threads)
  if (task === 'transcribe') {
    const model = await Recogniser.open(directory, {
      ...settings,
      ...(language === undefined ? {} : { language }),
    })
    const { language: usual } = model
    return serve(
      {
        transcribe: async ({ sound, hearing }, tell) => {
          // A call that names none has the usual one, whatever the call before it had.
          const wanted = hearing?.language ?? usual
          if (wanted !== undefined) await model.setLanguage(wanted)
          return transcribe(model, sound, tell)
        },
      },
      () => model.close(),
    )
  }
  if (task === 'identify') {
    const model = await SpeechClassifier.open(directory, settings)
    return serve({ identify: ({ sound }) => identify(model, sound) }, () => model.close())
  }
  if (task === 'translate') {
    const model = await SpeechTranslator.open(directory, settings)
    return serve({ translate: ({ sound, target }) => translate(model, sound, target) }, () => model.close())
  }
  if (task === 'embed') return openEmbeddingService(options)
  if (task === 'speak') return openSpeaker(directory, threads === undefined ? {} : { threads })
  throw new Error(`no service for ${task}`)
}

async function openOnnx(directory: string, task: Task, threads: number | undefined): Promise<Service> {
  const options = threads === undefined ? {} : { threads }
  if (task === 'transcribe') {
    const model = await OnnxRecogniser.open(directory, options)
    return serve({ transcribe: ({ sound }, tell) => transcribe(model, sound, tell) }, () => model.close())
  }
  const model = await OnnxClassifier.open(directory, options)
  return serve({ identify: ({ sound }) => identify(model, sound) }, () => model.close())
}

/** What a recogniser and a classifier are here, whatever runs them. */
type Hears = Pick<Recogniser, 'tokenizer' | 'language'> & {
  readonly model: Heard
  transcribe(
    sounds: readonly Float32Array[],
  ): Promise<readonly Pick<Transcript, 'logits' | 'frames' | 'vocabulary'>[]>
}
type Classifies = Pick<SpeechClassifier, 'labels'> & {
  readonly model: Heard
  classify(sounds: readonly Float32Array[]): Promise<readonly { readonly logits: Float32Array }[]>
}
type Heard = Pick<Recogniser['model'], 'waveform' | 'config'>

type Tell = (part: unknown) => void
type Method = (asked: Asked, tell?: Tell) => Promise<unknown>

interface Asked {
  readonly sound: Sound
  readonly hearing?: Hearing
  /** Of a translation. */
  readonly target?: string
}

function serve(methods: Readonly<Record<string, Method>>, close: () => Promise<void>): Service {
  return {
    call: async (name, argument, tell) => {
      const method = methods[name]
      if (method === undefined) throw new Error(`this model does not ${name}`)
      const asked = argument as Omit<Asked, 'sound'> & { readonly sound: Sound | PackedSound }
      return method({ ...asked, sound: unpacked(asked.sound) }, tell)
    },
    close,
  }
}

const atRate = ({ samples, sampleRate }: Sound, wanted: number): Float32Array =>
  sampleRate === wanted ? samples : resample(samples, sampleRate, wanted)

/** @param tell the words of each window once its right context was heard */
async function transcribe(recogniser: Hears, sound: Sound, tell?: Tell): Promise<Transcription> {
  const { model, tokenizer, language } = recogniser
  const { sampleRate } = model.waveform
  const geometry = frameGeometry(model.config.frontEnd.layers)
  const heard = tell && new HeardWords(tokenizer, tell)
  const scores = await scoreLongSound(
    atRate(sound, sampleRate),
    async (samples) => {
      const [row] = await recogniser.transcribe([samples])
      if (row === undefined) throw new Error('the model gave no row')
      return logSoftmaxRows(row.logits, row.frames, row.vocabulary)
    },
    geometry,
    servingWindows(sampleRate, geometry),
    heard && ((whole, frames) => heard.upTo(whole, frames)),
  )
  const { path } = bestPath(scores, tokenizer.blankId)
  const secondsOf = (frame: number) => (frame * geometry.samplesPerFrame) / sampleRate
  const words = tokenizer.words(path, { skipSpecial: true }).map(({ text, start, end }): Word => {
    let logP = 0
    for (let frame = start; frame < end; frame++)
      logP += scores.data[frame * scores.classes + (path[frame] ?? 0)] ?? 0
    return {
      text,
      startSeconds: secondsOf(start),
      endSeconds: secondsOf(end),
      confidence: Math.exp(logP / Math.max(1, end - start)),
    }
  })
  const text = tokenizer.decode(path, { skipSpecial: true })
  heard?.finish(text)
  return { text, words, language: language ?? null }
}

/** Greedy text of frames that come window by window. */
class HeardWords {
  readonly #tokenizer: Hears['tokenizer']
  readonly #tell: Tell
  readonly #words = new CertainWords()
  readonly #path: number[] = []

  constructor(tokenizer: Hears['tokenizer'], tell: Tell) {
    this.#tokenizer = tokenizer
    this.#tell = tell
  }

  upTo({ data, classes }: LogProbabilities, frames: number): void {
    const from = this.#path.length
    const rows = { data: data.subarray(from * classes, frames * classes), frames: frames - from, classes }
    for (const token of bestPath(rows, this.#tokenizer.blankId).path) this.#path.push(token)
    this.#say(this.#words.grow(this.#tokenizer.decode(this.#path, { skipSpecial: true })))
  }

  finish(text: string): void {
    this.#say(this.#words.finish(text))
  }

  #say(words: string): void {
    if (words !== '') this.#tell(words)
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

async function translate(
  translator: SpeechTranslator,
  sound: Sound,
  target: string | undefined,
): Promise<SpokenTranslation> {
  const { sampleRate } = translator.waveform
  const samples = atRate(sound, sampleRate)
  if (samples.length > MAX_TRANSLATE_SECONDS * sampleRate)
    throw new Error(`at most ${MAX_TRANSLATE_SECONDS} s are translated at once: cut the recording`)
  const { text } = await translator.translate(samples, target === undefined ? {} : { targetLanguage: target })
  return { text }
}
