/** FLAC (RFC 9639), decoded by the reference library compiled to WebAssembly, checked against its own MD5. */

import { createHash, type Hash } from 'node:crypto'
import { badAudio, checkSampleCount, type TakeSound } from './audio.js'

const FORMAT = 'FLAC'
const STREAM_INFO_BYTES = 34
/** Handed over at a time: a few frames of music, and of silence no more than some minutes. */
const BATCH_BYTES = 1 << 13
/** Behind the end: the decoder reads so far ahead, and would leave out a last frame that is shorter, such as one of silence. */
const AHEAD = new Uint8Array(16)
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

/** @throws UserError for malformed, truncated or damaged files, the last two after all that could be decoded */
export async function decodeFlac(bytes: Uint8Array, take: TakeSound): Promise<void> {
  const info = parseStreamInfo(bytes)
  checkSampleCount(FORMAT, info.samples * info.channels)
  const { FLACDecoder } = await import('@wasm-audio-decoders/flac')
  const decoder = new FLACDecoder()
  await decoder.ready
  const md5 = info.bits <= MAX_EXACT_BITS && info.md5 !== NO_MD5 ? createHash('md5') : undefined
  let samples = 0
  const takeDecoded = (decoded: Awaited<ReturnType<typeof decoder.decode>>): void => {
    if (decoded.errors.length > 0) throw badAudio(FORMAT, 'a frame is damaged')
    const { samplesDecoded, sampleRate, channelData } = decoded
    if (samplesDecoded === 0) return
    samples += samplesDecoded
    checkSampleCount(FORMAT, samples * channelData.length)
    take({ sampleRate, channels: info.bits <= MAX_EXACT_BITS ? exact(channelData, info, md5) : channelData })
  }
  try {
    for (let at = 0; at < bytes.length; at += BATCH_BYTES)
      takeDecoded(await decoder.decode(bytes.subarray(at, at + BATCH_BYTES)))
    takeDecoded(await decoder.decode(AHEAD))
    takeDecoded(await decoder.flush())
    if (samples === 0 || (info.samples > 0 && samples !== info.samples))
      throw badAudio(FORMAT, `truncated: ${samples} of ${info.samples} samples`)
    if (md5 !== undefined && md5.digest('hex') !== info.md5)
      throw badAudio(FORMAT, 'the sound differs from its checksum')
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
 * The decoder divides by 2^(bits - 1) - 1. Goes back to the integers, adds them to what the file's MD5 is of, and scales
 * them like every other reader here, by 2^(bits - 1).
 */
function exact(
  decoded: readonly Float32Array[],
  { bits }: StreamInfo,
  md5: Hash | undefined,
): readonly Float32Array<ArrayBuffer>[] {
  const scale = 2 ** (bits - 1)
  const integers = decoded.map((channel) => {
    const values = new Int32Array(channel.length)
    for (let i = 0; i < values.length; i++) values[i] = Math.round((channel[i] ?? 0) * (scale - 1))
    return values
  })
  md5?.update(interleaved(integers, Math.ceil(bits / 8)))
  return integers.map((channel) => {
    const values = new Float32Array(channel.length)
    for (let i = 0; i < values.length; i++) values[i] = (channel[i] ?? 0) / scale
    return values
  })
}

function interleaved(channels: readonly Int32Array[], sampleBytes: number): Buffer {
  const frames = channels[0]?.length ?? 0
  const pcm = Buffer.alloc(frames * channels.length * sampleBytes)
  let at = 0
  for (let i = 0; i < frames; i++)
    for (const channel of channels) {
      const value = channel[i] ?? 0
      for (let byte = 0; byte < sampleBytes; byte++) pcm[at++] = value >> (8 * byte)
    }
  return pcm
}
