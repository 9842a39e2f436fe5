/**
 * What most apps send is what a model takes: a WAV of one channel, 16 bits and at most 16 kHz. Its samples are handed on
 * as they are, without a decoder's process; anything else, and anything odd, is for that.
 */
import type { SoundInput } from '../job.js'
import { LEAST_SAMPLE_RATE_HZ, MOST_SAMPLE_RATE_HZ } from './sound-limits.js'

const PCM = 1
/** RIFF, its length, WAVE, the head of a first chunk of 16 bytes, and the head of the data. */
const FORMAT_AT = 12
const DATA_AT = 36
const SAMPLES_AT = 44

/** The canonical layout alone, its lengths exact; undefined for every other file. */
export function plainWav(file: Uint8Array): SoundInput | undefined {
  if (file.length < SAMPLES_AT) return undefined
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const isTag = (at: number, tag: string): boolean =>
    [...tag].every((letter, i) => view.getUint8(at + i) === letter.charCodeAt(0))
  const isCanonical =
    isTag(0, 'RIFF') && isTag(8, 'WAVE') && isTag(FORMAT_AT, 'fmt ') && isTag(DATA_AT, 'data')
  if (!isCanonical || view.getUint32(16, true) !== 16 || view.getUint16(20, true) !== PCM) return undefined
  const [channels, sampleRate] = [view.getUint16(22, true), view.getUint32(24, true)]
  const [frameBytes, bits] = [view.getUint16(32, true), view.getUint16(34, true)]
  if (channels !== 1 || bits !== 16 || frameBytes !== 2) return undefined
  if (sampleRate < LEAST_SAMPLE_RATE_HZ || sampleRate > MOST_SAMPLE_RATE_HZ) return undefined
  const bytes = view.getUint32(40, true)
  if (bytes % 2 !== 0 || SAMPLES_AT + bytes !== file.length) return undefined
  return { kind: 'sound', sampleRate, pcm16: file.subarray(SAMPLES_AT) }
}
