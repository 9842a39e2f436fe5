/** A model of the catalogue, served on this machine in a process of its own, with a limit on its memory. */
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { UserError } from '../../errors.js'
import { compiledUrl, type RuntimeKind, ServiceHost } from '../../ml/session/index.js'
import { type ArpaSize, arpaSize } from '../../models/ctc/arpa.js'
import type { FusionOptions } from '../../models/ctc/fusion.js'
import { requireLanguageModel } from '../../models/ctc/published-model.js'
import { hasInt8, type ModelCard, noInt8 } from '../catalogue/card.js'
import { fusionOf } from '../catalogue/language-model.js'
import { memoryOf } from '../catalogue/memory.js'
import type { EmbedCall, Embedding, EmbeddingOptions } from './embedding-service.js'
import type { StreamHeard, StreamPiece } from './listening.js'
import { doesNotFit, gibAtLeast, limitFor } from './memory-limit.js'
import type { GrammarAnswer, GrammarQuestion, Hearing } from './own-models-service.js'
import type { PackedSound, Sound } from './sound.js'
import type { PlannedSpeech, SpeakCall } from './speak-service.js'
import type { Identification, SpeechServiceOptions, Transcription } from './speech-service.js'
import { partsTo, type Told } from './told.js'
import type { SpokenTranslation } from './translation.js'

export interface LocalModelOptions {
  readonly threads?: number
  /** Eight-bit weights: faster, a little less exact; as the catalogue says unless given. */
  readonly int8?: boolean
  /** Of a recogniser with several: the one it has when a call names none; what its files say unless given. */
  readonly language?: string
  /** That a recogniser hears with; null for none. As the catalogue says unless given. */
  readonly languageModel?: FusionOptions | null
  /** Opens it to embed, whatever else it is for. */
  readonly embedding?: EmbeddingOptions
  /** What its process is held to; unless given what it needs and some to spare, where the system has that available. */
  readonly memoryBytes?: number
  /** On which runtime its graphs run; the best there is unless given. */
  readonly runtime?: RuntimeKind
  /** Of its process, 0 to 19: the higher, the later its turn. */
  readonly niceness?: number
}

/** JavaScript's heap beside the words of a language model. */
const HEAP_MB = 256

/** What the system could give without swapping; undefined where it does not say. */
async function availableBytes(): Promise<number | undefined> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '')
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1]
  return kib === undefined ? undefined : Number(kib) * 1024
}

export class LocalModel {
  readonly #host: ServiceHost

  private constructor(host: ServiceHost) {
    this.#host = host
  }

  /**
   * Loads it.
   * @throws UserError UNAVAILABLE with have and need where it does not fit; BAD_ARGUMENT for eight bits of a model that has none
   */
  static async open(card: ModelCard, options: LocalModelOptions = {}): Promise<LocalModel> {
    const { int8 = card.precision === 'int8', niceness, threads = availableParallelism(), ...asked } = options
    if (int8 && !hasInt8(card)) throw noInt8(card.name)
    const { languageModel, ...rest } = hearingOf(card, asked)
    const ngrams = languageModel && (await languageModelSize(card, languageModel))
    const languageModelBytes = (ngrams?.memoryBytes ?? 0) + (ngrams?.heapBytes ?? 0)
    const needBytes = memoryOf(card, int8 ? 'int8' : 'fp32') + languageModelBytes
    const have = rest.memoryBytes ?? (await availableBytes())
    if (have !== undefined && have < needBytes) {
      const int8Bytes = int8 || !hasInt8(card) ? needBytes : memoryOf(card, 'int8') + languageModelBytes
      throw doesNotFit(
        card.name,
        have,
        needBytes,
        [
          rest.memoryBytes === undefined
            ? 'so much memory is not free: end other programs'
            : `raise the limit (--memory, or inference.localMemoryGiB) to ${gibAtLeast(needBytes)}`,
          ...(int8Bytes <= have ? [`use eight bits (--int8: ${gibAtLeast(int8Bytes)} GiB)`] : []),
          'or use a smaller model',
        ].join(', '),
      )
    }
    // A limit that a person set is on what it takes, as the need is; the kernel counts what is set aside, too.
    const { memoryBytes: _, ...chosen } = rest
    const memoryBytes = Math.max(rest.memoryBytes ?? 0, limitFor(needBytes, threads))
    const settings = languageModel === undefined ? chosen : { ...chosen, languageModel }
    const task = options.embedding === undefined ? card.task : 'embed'
    const { directory, family } = card
    const service: SpeechServiceOptions = { directory, family, task, threads, int8, ...settings }
    const host = new ServiceHost(
      {
        url: compiledUrl(import.meta.url, './speech-service.js').href,
        factory: 'openSpeechService',
        options: service,
      },
      {
        memoryBytes,
        ...(ngrams === undefined ? {} : { heapMb: HEAP_MB + Math.ceil(ngrams.heapBytes / 1e6) }),
        ...(niceness === undefined ? {} : { niceness }),
      },
    )
    try {
      await host.open()
      return new LocalModel(host)
    } catch (error) {
      await host.close()
      throw asUserError(error)
    }
  }

  /** Memory of the process that serves it, after its last answer; mapped weights count. */
  get residentBytes(): number {
    return this.#host.residentBytes
  }

  /** Stops its process where it is until {@link resume}; a call that runs takes longer. */
  suspend(): void {
    this.#host.suspend()
  }

  resume(): void {
    this.#host.resume()
  }

  /**
   * @param told the words that are certain while more is being heard, and how far it has come
   */
  transcribe(
    sound: Sound | PackedSound,
    signal?: AbortSignal,
    hearing?: Hearing,
    told: Told = {},
  ): Promise<Transcription> {
    return this.#call<Transcription>('transcribe', { sound, hearing }, signal, told)
  }

  /** The next piece of a stream of sound, of which there is one at a time. Not to be cancelled: the last piece ends it. */
  listen(piece: StreamPiece, hearing?: Hearing): Promise<StreamHeard> {
    return this.#call<StreamHeard>('listen', { ...piece, hearing })
  }

  /** Which sentence of a closed grammar was said; only of the recogniser that comes with the package. */
  match(sound: Sound | PackedSound, question: GrammarQuestion, signal?: AbortSignal): Promise<GrammarAnswer> {
    return this.#call<GrammarAnswer>('match', { sound, question }, signal)
  }

  identify(sound: Sound | PackedSound, signal?: AbortSignal): Promise<Identification> {
    return this.#call<Identification>('identify', { sound }, signal)
  }

  translate(
    sound: Sound | PackedSound,
    target?: string,
    signal?: AbortSignal,
    told: Told = {},
  ): Promise<SpokenTranslation> {
    return this.#call<SpokenTranslation>('translate', { sound, target }, signal, told)
  }

  /** Of a model opened with `embedding`. */
  embed(call: EmbedCall, signal?: AbortSignal, told: Told = {}): Promise<Embedding> {
    return this.#call<Embedding>('embed', call, signal, told)
  }

  /** What there is to speak of a text: pieces for {@link speak}, in order. */
  planSpeech(text: string, signal?: AbortSignal): Promise<PlannedSpeech> {
    return this.#call<PlannedSpeech>('plan', { text }, signal)
  }

  /** Samples in [-1, 1] of one piece, at the plan's rate. */
  speak(call: SpeakCall, signal?: AbortSignal): Promise<Float32Array> {
    return this.#call<Float32Array>('speak', call, signal)
  }

  close(): Promise<void> {
    return this.#host.close()
  }

  async #call<T>(method: string, argument: unknown, signal?: AbortSignal, told: Told = {}): Promise<T> {
    const onPart = partsTo(told)
    try {
      const options = {
        ...(signal === undefined ? {} : { signal }),
        ...(onPart === undefined ? {} : { onPart }),
      }
      return (await this.#host.call(method, argument, options)) as T
    } catch (error) {
      throw asUserError(error)
    }
  }
}

type Asked = Omit<LocalModelOptions, 'int8' | 'niceness' | 'threads'>

/** What is asked for, or what the catalogue says: n-grams that it names are of the language that it names. */
function hearingOf(
  { task, languageModel: own }: ModelCard,
  { languageModel, ...rest }: Asked,
): Omit<Asked, 'languageModel'> & { readonly languageModel?: FusionOptions } {
  if (languageModel === null) return rest
  if (languageModel !== undefined) return { ...rest, languageModel }
  if (own === null || task !== 'transcribe' || rest.embedding !== undefined) return rest
  const { language = own.language } = rest
  return { ...rest, ...(language === null ? {} : { language }), languageModel: fusionOf(own) }
}

/** @throws UserError where the recogniser has none, or the file is none */
async function languageModelSize({ directory }: ModelCard, { path }: FusionOptions): Promise<ArpaSize> {
  return arpaSize(path ?? (await requireLanguageModel(directory)))
}

/** What the far side says of bad input comes as a plain error: it is the person's to mend, not a bug of ours. */
function asUserError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UserError || error.name !== 'UserError') return error
  return new UserError(error.message, { code: 'BAD_ARGUMENT', cause: error })
}
