/** `plumbline transcribe -`: text of what is piped in, as it is spoken. */
import type { HeardUtterance, StreamHeard } from '../inference/local/listening.js'
import type { Hearing } from '../inference/local/own-models-service.js'
import type { FusionOptions } from '../models/ctc/fusion.js'
import { formatDuration, printable } from './format.js'
import type { CommandIo } from './io.js'
import { chooseModel, type LocalArguments, runLocal } from './model-options.js'
import { badArgument } from './option.js'
import { PipedSound } from './piped-sound.js'
import type { Progress } from './progress.js'
import { checkHearsWith, noteUnused } from './transcribe-lm.js'
import type { TranscriptFormat, TranscriptStream } from './transcript-text.js'

/** As a recording. */
export const STANDARD_INPUT = '-'

export interface StreamArguments extends LocalArguments {
  readonly format: TranscriptFormat
  readonly language: string | undefined
  readonly dictation: boolean
  readonly rate: number | undefined
  readonly languageModel: FusionOptions | null | undefined
}

/** @throws UserError for options that do not go with a stream */
export async function transcribeStream(args: StreamArguments, io: CommandIo): Promise<number> {
  if (!args.local) throw badArgument('standard input is heard on this machine alone', 'add --local')
  if (io.output.mode === 'json')
    throw badArgument('--json waits for an end that a stream may not have', 'use --json-stream')
  const named = args.dictation ? { ...args, model: args.model ?? 'asr-small' } : args
  const card = await chooseModel(named, 'transcribe', io)
  if (args.dictation && card.family !== 'asr-small')
    throw badArgument(`${card.name} has no --dictation`, 'leave out --model, or use --model asr-small')
  const languageModel = await checkHearsWith(card, args.languageModel, args.language)
  if (languageModel === undefined) await noteUnused(card, io)
  const { TranscriptStream } = await import('./transcript-text.js')
  // Before the model is loaded: recorders do not wait.
  const piped = new PipedSound(io, args.rate)
  const { value, loadMs } = await runLocal(
    { ...args, languageModel },
    card,
    io,
    async (model, _, progress) => {
      const shown = new Shown(io, progress, new TranscriptStream(args.format))
      const hearing: Hearing = {
        dictation: args.dictation,
        ...(args.language === undefined ? {} : { language: args.language }),
      }
      let sampleRate: number | undefined
      let samples = 0
      for await (const sound of piped.pieces()) {
        sampleRate = sound.sampleRate
        samples += sound.samples.length
        const { isOpenWanted } = shown
        shown.show(await model.listen({ sound, isLast: false, isOpenWanted }, hearing), samples / sampleRate)
      }
      const durationSeconds = sampleRate === undefined ? 0 : samples / sampleRate
      if (sampleRate !== undefined) {
        const sound = { samples: new Float32Array(0), sampleRate }
        shown.show(await model.listen({ sound, isLast: true, isOpenWanted: false }, hearing), durationSeconds)
      }
      return { durationSeconds, utterances: shown.count }
    },
  )
  if (value.utterances === 0) io.output.note(`no speech in ${formatDuration(value.durationSeconds * 1000)}`)
  io.output.event('result', { model: card.name, ...value, loadMs: Math.round(loadMs) })
  return 0
}

/** Utterances on standard output, what is being said on the live line. */
class Shown {
  readonly #io: CommandIo
  readonly #progress: Progress
  readonly #text: TranscriptStream
  /** Whether anybody sees it. */
  readonly isOpenWanted: boolean
  #seconds = 0
  #open = ''
  count = 0

  constructor(io: CommandIo, progress: Progress, text: TranscriptStream) {
    this.#io = io
    this.#progress = progress
    this.#text = text
    this.isOpenWanted = io.output.mode === 'json-stream' || io.stderr.isTTY
    if (text.head !== undefined) this.#print(text.head)
    this.#live()
  }

  show({ utterances, open }: StreamHeard, seconds: number): void {
    // For programs, a line for each second of sound.
    if (Math.floor(seconds) > Math.floor(this.#seconds))
      this.#io.output.event('progress', { done: seconds, unit: 'seconds' })
    this.#seconds = seconds
    for (const utterance of utterances) this.#end(utterance)
    if (open === undefined) return
    this.#open = open.text
    this.#io.output.event('partial', open)
  }

  #end(utterance: HeardUtterance): void {
    this.count++
    this.#open = ''
    this.#io.output.event('text', utterance)
    this.#print(this.#text.next(utterance))
  }

  /** The live line may be on the same terminal. */
  #print(text: string): void {
    this.#progress.stop()
    this.#io.output.line(text)
    this.#live()
  }

  #live(): void {
    this.#progress.live(() => {
      const heard = `listening, ${formatDuration(this.#seconds * 1000)}`
      return this.#open === '' ? heard : `${heard}: ${printable(this.#open)}`
    })
  }
}
