/** Ogg Vorbis, decoded by the reference library compiled to WebAssembly. */

import { badAudio, checkSampleCount, type TakeSound } from './audio.js'
import type { OggStream } from './ogg.js'

const FORMAT = 'Vorbis'
/** Bytes handed over at a time, so that the sample limit is met early. */
const BATCH_BYTES = 1 << 20

/**
 * @param bytes the file
 * @param stream the same, read and found sound by {@link readOgg}
 * @param take told what lies before the end that the stream says
 * @throws UserError for malformed or damaged streams
 */
export async function decodeVorbis(
  bytes: Uint8Array,
  { endGranule }: OggStream,
  take: TakeSound,
): Promise<void> {
  const { OggVorbisDecoder } = await import('@wasm-audio-decoders/ogg-vorbis')
  const decoder = new OggVorbisDecoder()
  await decoder.ready
  try {
    const length = Math.max(1, Number(endGranule))
    let samples = 0
    const takeDecoded = (decoded: Awaited<ReturnType<typeof decoder.decode>>): void => {
      if (decoded.errors.length > 0) throw badAudio(FORMAT, 'a packet is damaged')
      if (decoded.samplesDecoded === 0) return
      const left = Math.max(0, length - samples)
      samples += decoded.samplesDecoded
      checkSampleCount(FORMAT, samples * decoded.channelData.length)
      const { sampleRate, channelData } = decoded
      if (left > 0) take({ sampleRate, channels: channelData.map((channel) => channel.slice(0, left)) })
    }
    for (let at = 0; at < bytes.length; at += BATCH_BYTES)
      takeDecoded(await decoder.decode(bytes.subarray(at, at + BATCH_BYTES)))
    takeDecoded(await decoder.flush())
    if (samples === 0) throw badAudio(FORMAT, 'it holds no sound')
  } finally {
    decoder.free()
  }
}
