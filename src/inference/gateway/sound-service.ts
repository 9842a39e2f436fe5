/** What turns uploads into sound, in a process of its own: a decoder that a file breaks, breaks there. */
import { UserError } from '../../errors.js'
import { toMono } from '../../ml/audio/audio.js'
import { decodeAudio } from '../../ml/audio/decode.js'
import { pcm16Of, samplesOfPcm16 } from '../../ml/audio/pcm16.js'
import { resample } from '../../ml/audio/resample.js'
import type { Service } from '../../ml/session/service.js'

/** What all speech models here listen at; more would be sent and paid for, and thrown away. */
export const MOST_SAMPLE_RATE_HZ = 16_000
/** Below it there is no word. */
const LEAST_SECONDS = 0.1

export interface DecodeCall {
  readonly file: Uint8Array
  readonly mostSeconds: number
}

export interface ResampleCall {
  readonly pcm16: Uint8Array
  readonly fromHz: number
  readonly toHz: number
}

export interface DecodedSound {
  readonly sampleRate: number
  readonly pcm16: Uint8Array
}

export async function openSoundService(): Promise<Service> {
  return {
    call: async (method, argument) => {
      if (method === 'decode') return decode(argument as DecodeCall)
      if (method === 'resample') {
        const { pcm16, fromHz, toHz } = argument as ResampleCall
        return pcm16Of(resample(samplesOfPcm16(pcm16), fromHz, toHz))
      }
      throw new Error(`no method ${method}`)
    },
  }
}

async function decode({ file, mostSeconds }: DecodeCall): Promise<DecodedSound> {
  const audio = await decodeAudio(file)
  const mono = toMono(audio)
  const seconds = mono.length / audio.sampleRate
  if (seconds < LEAST_SECONDS)
    throw new UserError(
      `the recording lasts ${seconds.toFixed(3)} s, at least ${LEAST_SECONDS} s are needed`,
      {
        code: 'BAD_ARGUMENT',
        remedy: 'record more',
      },
    )
  if (seconds > mostSeconds)
    throw new UserError(`the recording lasts ${Math.ceil(seconds)} s, at most ${mostSeconds} s are taken`, {
      code: 'BAD_ARGUMENT',
      remedy: 'cut it',
    })
  const sampleRate = Math.min(audio.sampleRate, MOST_SAMPLE_RATE_HZ)
  return { sampleRate, pcm16: pcm16Of(resample(mono, audio.sampleRate, sampleRate)) }
}
