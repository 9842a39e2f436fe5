/** Writes WAV: 16-bit PCM for people, 32-bit float to lose nothing. */

import type { Audio } from './audio.js'

const HEADER_BYTES = 44
const MAX_DATA_BYTES = 0xffff_ffff - HEADER_BYTES

/**
 * The whole file. PCM values are rounded to nearest and clipped to full scale.
 * @throws RangeError for no channels, channels of different lengths, or more than 4 GiB
 */
export function writeWav({ sampleRate, channels }: Audio, format: 'pcm16' | 'float32' = 'pcm16'): Uint8Array {
  const frames = channels[0]?.length
  if (frames === undefined || channels.some((channel) => channel.length !== frames))
    throw new RangeError('a WAV file needs one or more channels of one length')
  const sampleBytes = format === 'pcm16' ? 2 : 4
  const frameBytes = channels.length * sampleBytes
  const dataBytes = frames * frameBytes
  if (dataBytes > MAX_DATA_BYTES) throw new RangeError(`${dataBytes} bytes do not fit a WAV file`)
  const out = new Uint8Array(HEADER_BYTES + dataBytes)
  const view = new DataView(out.buffer)
  const tag = (at: number, text: string) => out.set(new TextEncoder().encode(text), at)
  tag(0, 'RIFF')
  view.setUint32(4, HEADER_BYTES - 8 + dataBytes, true)
  tag(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, format === 'pcm16' ? 1 : 3, true)
  view.setUint16(22, channels.length, true)
  view.setUint32(24, sampleRate, true)
  view.setUint32(28, sampleRate * frameBytes, true)
  view.setUint16(32, frameBytes, true)
  view.setUint16(34, 8 * sampleBytes, true)
  tag(36, 'data')
  view.setUint32(40, dataBytes, true)
  channels.forEach((channel, index) => {
    for (let i = 0, at = HEADER_BYTES + index * sampleBytes; i < frames; i++, at += frameBytes) {
      const value = channel[i] ?? 0
      if (format === 'float32') view.setFloat32(at, value, true)
      else view.setInt16(at, Math.max(-32768, Math.min(32767, Math.round(value * 32768))), true)
    }
  })
  return out
}
