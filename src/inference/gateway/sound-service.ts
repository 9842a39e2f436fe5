/** What turns uploads into sound, and sound into what clients ask for, in a process of its own: a decoder that a file breaks, breaks there. */
import { decodeMono } from '../../ml/audio/decode.js'
import { writeFlac } from '../../ml/audio/flac-write.js'
import { pcm16Of, samplesOfPcm16 } from '../../ml/audio/pcm16.js'
import { resample } from '../../ml/audio/resample.js'
import type { Service } from '../../ml/session/service.js'
import { checkDuration, MOST_SAMPLE_RATE_HZ } from './sound-limits.js'

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
      if (method === 'flac') return writeFlac(argument as DecodedSound)
      throw new Error(`no method ${method}`)
    },
  }
}

async function decode({ file, mostSeconds }: DecodeCall): Promise<DecodedSound> {
  const mono = await decodeMono(file, (seconds) => {
    if (seconds > mostSeconds) checkDuration(seconds, mostSeconds)
  })
  checkDuration(mono.samples.length / mono.sampleRate, mostSeconds)
  const sampleRate = Math.min(mono.sampleRate, MOST_SAMPLE_RATE_HZ)
  return { sampleRate, pcm16: pcm16Of(resample(mono.samples, mono.sampleRate, sampleRate)) }
}
