/** FLAC (RFC 9639), decoded by the reference library compiled to WebAssembly, checked against its own MD5. */

import { createHash } from 'node:crypto'
import { type Audio, badAudio, checkSampleCount } from './audio.js'

const FORMAT = 'FLAC'
const STREAM_INFO_BYTES = 34
/** The decoder gives float32, which holds 24 bits exactly; wider samples cannot be checked. */
const MAX_EXACT_BITS = 24
const NO_MD5 = '0'.repeat(32)

interface StreamInfo {
  readonly channels: number
  readonly bits: number
  /** Samples of a channel; 0 where the encoder did not know. */
  readonly samples: number
  /** Of the interleaved little-endian samples; zeros where the encoder did not compute it. */
  readonly md5: string
}

/** @throws UserError for malformed, truncated or damaged files */
export async function decodeFlac(bytes: Uint8Array): Promise<Audio> {
  const info = parseStreamInfo(bytes)
  checkSampleCount(FORMAT, info.samples * info.channels)
  const { FLACDecoder } = await import('@wasm-audio-decoders/flac')
  const decoder = new FLACDecoder()
  await decoder.ready
  try {
    const decoded = await decoder.decodeFile(bytes)
    if (decoded.errors.length > 0) throw badAudio(FORMAT, 'a frame is damaged')
    const samples = decoded.channelData[0]?.length ?? 0
    if (samples === 0 || (info.samples > 0 && samples !== info.samples))
      throw badAudio(FORMAT, `truncated: ${samples} of ${info.samples} samples`)
    const channels = info.bits <= MAX_EXACT_BITS ? exact(decoded.channelData, info) : decoded.channelData
    return { sampleRate: decoded.sampleRate, channels }
  } finally {
    decoder.free()
  }
}

/** RFC 9639 section 8.2: the first metadata block. */
function parseStreamInfo(bytes: Uint8Array): StreamInfo {
  const at = 8
  if (bytes.length < at + STREAM_INFO_BYTES || ((bytes[4] ?? 0) & 0x7f) !== 0)
    throw badAudio(FORMAT, 'its stream info is missing')
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, STREAM_INFO_BYTES)
  const packed = view.getBigUint64(10)
  return {
    channels: Number((packed >> 41n) & 7n) + 1,
    bits: Number((packed >> 36n) & 31n) + 1,
    samples: Number(packed & 0xf_ffff_ffffn),
    md5: Buffer.from(bytes.subarray(at + 18, at + 34)).toString('hex'),
  }
}

/**
 * The decoder divides by 2^(bits - 1) - 1. Goes back to the integers, checks them against the file's MD5 and scales
 * them like every other reader here, by 2^(bits - 1).
 */
function exact(decoded: readonly Float32Array[], { bits, md5 }: StreamInfo): readonly Float32Array[] {
  const scale = 2 ** (bits - 1)
  const integers = decoded.map((channel) =>
    Int32Array.from(channel, (value) => Math.round(value * (scale - 1))),
  )
  if (md5 !== NO_MD5 && md5Of(integers, Math.ceil(bits / 8)) !== md5)
    throw badAudio(FORMAT, 'the sound differs from its checksum')
  return integers.map((channel) => Float32Array.from(channel, (value) => value / scale))
}

function md5Of(channels: readonly Int32Array[], sampleBytes: number): string {
  const frames = channels[0]?.length ?? 0
  const pcm = Buffer.alloc(frames * channels.length * sampleBytes)
  let at = 0
  for (let i = 0; i < frames; i++)
    for (const channel of channels) at = pcm.writeIntLE(channel[i] ?? 0, at, sampleBytes)
  return createHash('md5').update(pcm).digest('hex')
}
