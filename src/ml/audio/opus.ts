/** Ogg Opus (RFC 7845), decoded at 48 kHz by the reference library compiled to WebAssembly. */

import { badAudio, checkSampleCount, type TakeSound } from './audio.js'
import type { OggStream } from './ogg.js'

const FORMAT = 'Opus'
const SAMPLE_RATE = 48_000
const HEAD_BYTES = 19
const HEADER_PACKETS = 2
/** Frames handed to the decoder at a time, so that the sample limit is met early. */
const BATCH = 256

/** @throws UserError for malformed or damaged streams */
export async function decodeOpus({ packets, endGranule }: OggStream, take: TakeSound): Promise<void> {
  const head = parseHead(packets[0] ?? new Uint8Array(0))
  const { OpusDecoder } = await import('opus-decoder')
  const decoder = new OpusDecoder({
    channels: head.channels,
    streamCount: head.streams,
    coupledStreamCount: head.coupled,
    channelMappingTable: [...head.mapping],
    preSkip: head.preSkip,
  })
  await decoder.ready
  try {
    // The last granule says where the sound ends; the last packet reaches beyond.
    const length = Math.max(0, Number(endGranule) - head.preSkip)
    let samples = 0
    for (let at = HEADER_PACKETS; at < packets.length; at += BATCH) {
      const decoded = decoder.decodeFrames(packets.slice(at, at + BATCH))
      if (decoded.errors.length > 0) throw badAudio(FORMAT, 'a packet is damaged')
      const left = Math.max(0, length - samples)
      samples += decoded.samplesDecoded
      checkSampleCount(FORMAT, samples * head.channels)
      const channels = decoded.channelData.map((channel) =>
        channel.subarray(0, left).map((value) => value * head.gain),
      )
      if (left > 0 && decoded.samplesDecoded > 0) take({ sampleRate: SAMPLE_RATE, channels })
    }
    if (Math.min(samples, length) === 0) throw badAudio(FORMAT, 'it holds no sound')
  } finally {
    decoder.free()
  }
}

/** RFC 7845 section 5.1. */
function parseHead(packet: Uint8Array) {
  if (packet.length < HEAD_BYTES || (packet[8] ?? 255) > 15) throw badAudio(FORMAT, 'its head is malformed')
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  const channels = view.getUint8(9)
  const family = view.getUint8(18)
  const common = {
    channels,
    preSkip: view.getUint16(10, true),
    gain: 10 ** (view.getInt16(16, true) / 256 / 20),
  }
  if (family === 0 && (channels === 1 || channels === 2))
    return { ...common, streams: 1, coupled: channels - 1, mapping: channels === 1 ? [0] : [0, 1] }
  if (family !== 1 || channels < 1 || channels > 8 || packet.length < 21 + channels)
    throw badAudio(FORMAT, `its channel layout ${family} with ${channels} channels is not supported`)
  return {
    ...common,
    streams: view.getUint8(19),
    coupled: view.getUint8(20),
    mapping: [...packet.subarray(21, 21 + channels)],
  }
}
