/** Ogg Vorbis, decoded by the reference library compiled to WebAssembly. */

import { type Audio, badAudio, checkSampleCount, concatenate } from './audio.js'
import type { OggStream } from './ogg.js'

const FORMAT = 'Vorbis'
/** Bytes handed over at a time, so that the sample limit is met early. */
const BATCH_BYTES = 1 << 20

/**
 * @param bytes the file
 * @param stream the same, read and found sound by {@link readOgg}
 * @throws UserError for malformed or damaged streams
 */
export async function decodeVorbis(bytes: Uint8Array, { endGranule }: OggStream): Promise<Audio> {
  const { OggVorbisDecoder } = await import('@wasm-audio-decoders/ogg-vorbis')
  const decoder = new OggVorbisDecoder()
  await decoder.ready
  try {
    const pieces: Float32Array[][] = []
    let sampleRate = 0
    let samples = 0
    const take = (decoded: Awaited<ReturnType<typeof decoder.decode>>): void => {
      if (decoded.errors.length > 0) throw badAudio(FORMAT, 'a packet is damaged')
      if (decoded.samplesDecoded === 0) return
      pieces.push(decoded.channelData)
      sampleRate = decoded.sampleRate
      samples += decoded.samplesDecoded
      checkSampleCount(FORMAT, samples * decoded.channelData.length)
    }
    for (let at = 0; at < bytes.length; at += BATCH_BYTES)
      take(await decoder.decode(bytes.subarray(at, at + BATCH_BYTES)))
    take(await decoder.flush())
    if (samples === 0) throw badAudio(FORMAT, 'it holds no sound')
    const length = Math.min(samples, Math.max(1, Number(endGranule)))
    return { sampleRate, channels: concatenate(pieces).map((channel) => channel.slice(0, length)) }
  } finally {
    decoder.free()
  }
}
