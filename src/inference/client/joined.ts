/** What was bought in pieces, as one output. */
import { UserError } from '../../errors.js'
import type { JobOutput, JobWord } from '../job.js'

export interface Joined {
  /** The output of the next piece. @param startSeconds of its sound in the whole */
  add(output: JobOutput, startSeconds: number): void
  readonly output: JobOutput
}

export class JoinedText implements Joined {
  readonly #onText: ((text: string) => void) | undefined
  readonly #texts: string[] = []
  readonly #words: JobWord[] = []
  readonly #languages = new Set<string>()

  /** @param onText told each text that is not empty */
  constructor(onText: ((text: string) => void) | undefined) {
    this.#onText = onText
  }

  add(output: JobOutput, startSeconds: number): void {
    if (output.kind !== 'transcription') throw new Error(`a transcription came as ${output.kind}`)
    if (output.language !== null) this.#languages.add(output.language)
    for (const word of output.words)
      this.#words.push({
        ...word,
        startSeconds: word.startSeconds + startSeconds,
        endSeconds: word.endSeconds + startSeconds,
      })
    const text = output.text.trim()
    if (text === '') return
    this.#texts.push(text)
    this.#onText?.(text)
  }

  get output(): JobOutput {
    const [language = null, ...others] = this.#languages
    return {
      kind: 'transcription',
      text: this.#texts.join(' '),
      language: others.length === 0 ? language : null,
      words: this.#words,
    }
  }
}

/** As a voice pauses between two sentences of one piece. */
const PAUSE_SECONDS = 0.2
const BYTES_A_SAMPLE = 2
/** Twenty minutes of a slow voice at 24 kHz: providers may send more than a text takes to speak. */
const MOST_SPEECH_BYTES = 96 * 2 ** 20

export class JoinedSpeech implements Joined {
  readonly #sounds: Uint8Array[] = []
  #bytes = 0
  #sampleRate = 0

  /** @throws UserError UNAVAILABLE for what does not fit together */
  add(output: JobOutput): void {
    if (output.kind !== 'speech') throw new Error(`speech came as ${output.kind}`)
    const { sampleRate, pcm16 } = output
    const isFirst = this.#sounds.length === 0
    if (!isFirst && sampleRate !== this.#sampleRate)
      throw new UserError(`pieces of the speech came at ${this.#sampleRate} and at ${sampleRate} Hz`, {
        code: 'UNAVAILABLE',
        remedy: 'name one --provider, or send a shorter text',
      })
    this.#sampleRate = sampleRate
    if (!isFirst) this.#push(new Uint8Array(BYTES_A_SAMPLE * Math.round(PAUSE_SECONDS * sampleRate)))
    this.#push(pcm16)
  }

  get output(): JobOutput {
    const pcm16 = new Uint8Array(this.#bytes)
    let at = 0
    for (const sound of this.#sounds) {
      pcm16.set(sound, at)
      at += sound.length
    }
    return { kind: 'speech', sampleRate: this.#sampleRate, pcm16 }
  }

  #push(sound: Uint8Array): void {
    this.#bytes += sound.length
    if (this.#bytes > MOST_SPEECH_BYTES)
      throw new UserError(
        `the speech is far longer than its text: over ${MOST_SPEECH_BYTES / 2 ** 20} MiB came of it`,
        { code: 'UNAVAILABLE', remedy: 'name another --provider, or send a shorter text' },
      )
    this.#sounds.push(sound)
  }
}
