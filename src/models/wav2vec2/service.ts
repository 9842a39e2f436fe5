/** A recogniser off the daemon's loop: a service for a host of ml/session, in a child process or a worker. */
import type { Service } from '../../ml/session/service.js'
import { Recogniser, type RecogniserOptions } from './recogniser.js'

export interface RecogniserServiceOptions extends RecogniserOptions {
  readonly directory: string
}

export interface TranscribeCall {
  /** Mono, at the model's rate, within -1 to 1. */
  readonly sounds: readonly Float32Array[]
  /** For a model with a language at a time; the one before unless told. */
  readonly language?: string
}

/** One method, `transcribe`: a {@link TranscribeCall} to texts. */
export async function openRecogniserService(options: unknown): Promise<Service> {
  const { directory, ...rest } = options as RecogniserServiceOptions
  const recogniser = await Recogniser.open(directory, rest)
  return {
    call: async (method, argument) => {
      if (method !== 'transcribe') throw new Error(`a recogniser has no method ${method}`)
      const { sounds, language } = argument as TranscribeCall
      if (language !== undefined) await recogniser.setLanguage(language)
      return (await recogniser.transcribe(sounds)).map(({ text }) => text)
    },
    close: () => recogniser.close(),
  }
}
