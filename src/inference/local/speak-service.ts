/** What the far side of a host runs of a voice: a plan of a text, then its pieces one by one. */
import type { Service } from '../../ml/session/service.js'
import { type SpeakOptions, type SpeechPlan, Voice } from '../../models/vits/index.js'

export type { SpeakOptions } from '../../models/vits/index.js'

/** What a voice makes of a text. */
export interface PlannedSpeech extends SpeechPlan {
  /** Hz. */
  readonly sampleRate: number
  readonly speakers: number
}

export interface SpeakCall {
  readonly piece: string
  readonly index: number
  readonly options: SpeakOptions
}

export async function openSpeaker(
  directory: string,
  options: { readonly threads?: number },
): Promise<Service> {
  const voice = await Voice.open(directory, options)
  return {
    call: async (method, argument) => {
      if (method === 'plan') {
        const { text } = argument as { readonly text: string }
        const { sampleRate, speakers } = voice
        return { ...voice.plan(text), sampleRate, speakers } satisfies PlannedSpeech
      }
      if (method === 'speak') {
        const { piece, index, options: how } = argument as SpeakCall
        return voice.speak(piece, index, how)
      }
      throw new Error(`this model does not ${method}`)
    },
    close: () => voice.close(),
  }
}
