/** Recordings of any length to words with times: windows, then the best path, or a beam with a language model. */
import { resample } from '../../ml/audio/resample.js'
import { BeamPieces } from '../../models/ctc/beam-pieces.js'
import { bestPath, type Fusion, type LogProbabilities, logSoftmaxRows } from '../../models/ctc/index.js'
import type { TimeBase } from '../../models/ctc/timestamps.js'
import { CertainWords } from '../../models/speech/certain-words.js'
import { frameGeometry, scoreLongSound, servingWindows } from '../../models/speech/chunks.js'
import { walks } from '../../models/wav2vec2/config.js'
import type { Recogniser, Transcript } from '../../models/wav2vec2/recogniser.js'
import type { Sound } from './sound.js'
import type { Transcription, Word } from './speech-service.js'
import type { Tell } from './told.js'

/** What a recogniser is here, whatever runs it. */
export type Hears = Pick<Recogniser, 'tokenizer' | 'language'> & {
  readonly model: Heard
  transcribe(
    sounds: readonly Float32Array[],
  ): Promise<readonly Pick<Transcript, 'logits' | 'frames' | 'vocabulary'>[]>
}
export type Heard = Pick<Recogniser['model'], 'waveform' | 'config'>

export const atRate = ({ samples, sampleRate }: Sound, wanted: number): Float32Array =>
  sampleRate === wanted ? samples : resample(samples, sampleRate, wanted)

/**
 * @param fusion a language model to hear with
 * @param tell the words of each window once its right context was heard
 */
export async function hear(
  recogniser: Hears,
  sound: Sound,
  tell?: Tell,
  fusion?: Fusion,
): Promise<Transcription> {
  const { model, tokenizer, language } = recogniser
  const { sampleRate } = model.waveform
  const geometry = frameGeometry(walks(model.config))
  const base = { samplesPerFrame: geometry.samplesPerFrame, sampleRate }
  const decoder =
    fusion === undefined
      ? new GreedyDecoder(tokenizer, base)
      : new BeamDecoder(tokenizer, new BeamPieces(await fusion.with(tokenizer), base))
  const certain = new CertainWords()
  const samples = atRate(sound, sampleRate)
  const scores = await scoreLongSound(
    samples,
    (window) => scoresOf(recogniser, window),
    geometry,
    servingWindows(sampleRate, geometry),
    (whole, frames) => {
      decoder.upTo(whole, frames)
      tell?.text(certain.grow(decoder.text))
      tell?.reached({
        done: (frames * base.samplesPerFrame) / sampleRate,
        total: samples.length / sampleRate,
      })
    },
  )
  const words = decoder.finish(scores)
  const { text } = decoder
  tell?.text(certain.finish(text))
  return { text, words, language: language ?? null }
}

export async function scoresOf(recogniser: Hears, samples: Float32Array): Promise<LogProbabilities> {
  const [row] = await recogniser.transcribe([samples])
  if (row === undefined) throw new Error('the model gave no row')
  return logSoftmaxRows(row.logits, row.frames, row.vocabulary)
}

/** Outputs that come window by window, to words. */
interface Decoder {
  /** What is certain by now; all of it after {@link finish}. */
  readonly text: string
  /** @param whole of which the first `frames` stand */
  upTo(whole: LogProbabilities, frames: number): void
  finish(whole: LogProbabilities): readonly Word[]
}

/** The likeliest class of each frame. */
class GreedyDecoder implements Decoder {
  readonly #tokenizer: Hears['tokenizer']
  readonly #base: TimeBase
  readonly #path: number[] = []

  constructor(tokenizer: Hears['tokenizer'], base: TimeBase) {
    this.#tokenizer = tokenizer
    this.#base = base
  }

  get text(): string {
    return this.#tokenizer.decode(this.#path, { skipSpecial: true })
  }

  upTo({ data, classes }: LogProbabilities, frames: number): void {
    const from = this.#path.length
    const rows = { data: data.subarray(from * classes, frames * classes), frames: frames - from, classes }
    for (const token of bestPath(rows, this.#tokenizer.blankId).path) this.#path.push(token)
  }

  finish(whole: LogProbabilities): readonly Word[] {
    this.upTo(whole, whole.frames)
    const { samplesPerFrame, sampleRate } = this.#base
    const secondsOf = (frame: number): number => (frame * samplesPerFrame) / sampleRate
    return this.#tokenizer.words(this.#path, { skipSpecial: true }).map(({ text, start, end }): Word => {
      let logP = 0
      for (let frame = start; frame < end; frame++)
        logP += whole.data[frame * whole.classes + (this.#path[frame] ?? 0)] ?? 0
      return {
        text,
        startSeconds: secondsOf(start),
        endSeconds: secondsOf(end),
        confidence: Math.exp(logP / Math.max(1, end - start)),
      }
    })
  }
}

/** The prefix beam with a language model; times are those of the likeliest path that spells what it found. */
class BeamDecoder implements Decoder {
  readonly #tokenizer: Hears['tokenizer']
  readonly #pieces: BeamPieces

  constructor(tokenizer: Hears['tokenizer'], pieces: BeamPieces) {
    this.#tokenizer = tokenizer
    this.#pieces = pieces
  }

  get text(): string {
    return this.#tokenizer.decode(this.#pieces.tokens, { collapse: false, skipSpecial: true })
  }

  upTo(whole: LogProbabilities, frames: number): void {
    this.#pieces.upTo(whole, frames)
  }

  finish(whole: LogProbabilities): readonly Word[] {
    this.#pieces.finish(whole)
    return this.#pieces.words
  }
}
