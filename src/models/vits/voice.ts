/** A voice opened from its directory: text to speech, piece by piece. */
import { UserError } from '../../errors.js'
import { VitsTokenizer } from '../../ml/tokenizers/vits.js'
import { Random } from '../../ml/train/random.js'
import { type SynthesisOptions, VitsModel, type VitsModelOptions } from './model.js'
import { piecesOf } from './pieces.js'

/** How to speak; what is left out is as the voice was published. */
export type SpeakOptions = Pick<
  SynthesisOptions,
  'speaker' | 'speakingRate' | 'noiseScale' | 'durationNoiseScale' | 'seed'
>

export interface SpeechPlan {
  /** To be spoken one after another. */
  readonly pieces: readonly string[]
  /** Letters, figures and symbols of the text that the voice's alphabet lacks, each once: they are not spoken. */
  readonly leftOut: readonly string[]
}

/** Half an hour of speech. */
export const MOST_CHARACTERS = 24_000
/** Between pieces; the voices themselves hardly pause at a sentence's end. */
const PAUSE_SECONDS = 0.2

export class Voice {
  readonly #model: VitsModel
  readonly #tokenizer: VitsTokenizer

  private constructor(model: VitsModel, tokenizer: VitsTokenizer) {
    this.#model = model
    this.#tokenizer = tokenizer
  }

  /** @throws UserError where the directory holds no voice, or one that needs a phonemizer. */
  static async open(directory: string, options: VitsModelOptions = {}): Promise<Voice> {
    const tokenizer = await VitsTokenizer.read(directory)
    return new Voice(await VitsModel.open(directory, options), tokenizer)
  }

  /** Hz. */
  get sampleRate(): number {
    return this.#model.config.sampleRate
  }

  get speakers(): number {
    return this.#model.config.speakers
  }

  /** ISO 639-3, where its files say. */
  get language(): string | undefined {
    return this.#tokenizer.language
  }

  /** @throws UserError for a text that is empty, too long, or without a letter that the voice knows. */
  plan(text: string): SpeechPlan {
    if (text.trim() === '')
      throw new UserError('there is nothing to say', { code: 'BAD_ARGUMENT', remedy: 'give some text' })
    if (text.length > MOST_CHARACTERS)
      throw new UserError(`the text has ${text.length} characters, at most ${MOST_CHARACTERS} are spoken`, {
        code: 'BAD_ARGUMENT',
        remedy: 'cut it into parts',
      })
    // Before anything is spoken: a voice of romanised text says here what it needs.
    const pieces = piecesOf(text).filter((piece) => this.#tokenizer.encode(piece).length > 0)
    if (pieces.length === 0)
      throw new UserError("nothing of the text is in this voice's alphabet", {
        code: 'BAD_ARGUMENT',
        remedy: `write with the letters of its language${this.language === undefined ? '' : ` (${this.language})`}, numbers too`,
      })
    return { pieces, leftOut: this.#leftOutOf(text) }
  }

  /**
   * One piece of a plan; blocks this thread. The same seed and piece make the same sound, wherever else it stands.
   * @param index of the piece: all but the first begin with a pause.
   * @returns samples in [-1, 1] at {@link sampleRate}. @throws UserError for a speaker that there is not.
   */
  async speak(piece: string, index: number, options: SpeakOptions = {}): Promise<Float32Array> {
    const { seed = 0 } = options
    const { sounds } = await this.#model.synthesise([this.#tokenizer.encode(piece)], {
      ...options,
      seed: Random.named(seed, piece).bits(),
    })
    const [sound = new Float32Array()] = sounds
    const pause = index === 0 ? 0 : Math.round(PAUSE_SECONDS * this.sampleRate)
    const whole = new Float32Array(pause + sound.length)
    whole.set(sound, pause)
    return whole
  }

  close(): Promise<void> {
    return this.#model.close()
  }

  /** Punctuation is not missed; what it does to a sentence is heard in the pauses. */
  #leftOutOf(text: string): readonly string[] {
    const meant = new Set(text.match(/[\p{L}\p{N}\p{S}]/gu))
    return [...meant].filter((character) => this.#tokenizer.normalize(character) === '')
  }
}
