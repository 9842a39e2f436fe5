/**
 * WAV: RIFF/WAVE with PCM of 8 to 32 bits, IEEE float of 32 or 64, A-law and mu-law, plain or
 * WAVE_FORMAT_EXTENSIBLE (Microsoft, mmreg.h). Chunks may come in any order.
 */

import { type Audio, badAudio, checkSampleCount, checkSound } from './audio.js'
import { aLawTable, muLawTable } from './g711.js'

const FORMAT = 'WAV'
const PCM = 1
const FLOAT = 3
const A_LAW = 6
const MU_LAW = 7
const EXTENSIBLE = 0xfffe
/** The extensible GUID after its first two bytes, which are the format tag. */
const GUID_TAIL = '000000001000800000aa00389b71'
/** Programs that write to a pipe do not know the length: all ones means "to the end". */
const UNKNOWN_LENGTH = 0xffffffff
const MAX_CHANNELS = 64

export interface WavFormat {
  readonly tag: number
  readonly channels: number
  readonly sampleRate: number
  /** Bytes of one sample of one channel. */
  readonly sampleBytes: number
}

/** @throws UserError for everything malformed, truncated, or in a codec not listed above */
export function readWav(bytes: Uint8Array): Audio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 12 || tagAt(view, 8) !== 'WAVE') throw badAudio(FORMAT, 'it is too short or no WAVE')
  if (tagAt(view, 0) !== 'RIFF') throw badAudio(FORMAT, `the container ${tagAt(view, 0)} is not supported`)
  const chunks = findChunks(view)
  const formatChunk = chunks.get('fmt ')
  const data = chunks.get('data')
  if (formatChunk === undefined) throw badAudio(FORMAT, 'it has no fmt chunk')
  if (data === undefined) throw badAudio(FORMAT, 'it has no data chunk')
  const format = parseFormat(formatChunk)
  const frameBytes = format.channels * format.sampleBytes
  if (data.byteLength % frameBytes !== 0)
    throw badAudio(FORMAT, `truncated: ${data.byteLength} bytes of data, ${frameBytes} bytes a frame`)
  const frames = data.byteLength / frameBytes
  checkSampleCount(FORMAT, frames * format.channels)
  const decode = decoder(format)
  const channels = Array.from({ length: format.channels }, (_, channel) => {
    const samples = new Float32Array(frames)
    for (let i = 0, at = channel * format.sampleBytes; i < frames; i++, at += frameBytes)
      samples[i] = decode(data, at)
    return samples
  })
  return checkSound(FORMAT, { sampleRate: format.sampleRate, channels })
}

function tagAt(view: DataView, at: number): string {
  return String.fromCharCode(...Array.from({ length: 4 }, (_, i) => view.getUint8(at + i)))
}

/** First chunk of each kind. */
function findChunks(view: DataView): ReadonlyMap<string, DataView> {
  const chunks = new Map<string, DataView>()
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const kind = tagAt(view, at)
    const declared = view.getUint32(at + 4, true)
    const rest = view.byteLength - at - 8
    const length = kind === 'data' && declared === UNKNOWN_LENGTH ? rest : declared
    if (length > rest)
      throw badAudio(FORMAT, `truncated: its ${printable(kind)} chunk has ${length} bytes, the file ${rest}`)
    if (!chunks.has(kind)) chunks.set(kind, new DataView(view.buffer, view.byteOffset + at + 8, length))
    // Chunks are padded to even lengths.
    at += 8 + length + (length % 2)
  }
  return chunks
}

const printable = (kind: string): string => JSON.stringify(kind.replace(/[^ -~]/g, '?'))

/** @throws UserError for a `fmt ` chunk that is none */
export function parseFormat(chunk: DataView): WavFormat {
  if (chunk.byteLength < 16) throw badAudio(FORMAT, 'its fmt chunk is too short')
  let tag = chunk.getUint16(0, true)
  const channels = chunk.getUint16(2, true)
  const sampleRate = chunk.getUint32(4, true)
  const frameBytes = chunk.getUint16(12, true)
  const bits = chunk.getUint16(14, true)
  if (tag === EXTENSIBLE) {
    if (chunk.byteLength < 40) throw badAudio(FORMAT, 'its extensible fmt chunk is too short')
    const guid = Buffer.from(chunk.buffer, chunk.byteOffset + 26, 14).toString('hex')
    if (guid !== GUID_TAIL) throw badAudio(FORMAT, 'its extensible format is unknown')
    tag = chunk.getUint16(24, true)
  }
  if (channels < 1 || channels > MAX_CHANNELS) throw badAudio(FORMAT, `it says ${channels} channels`)
  // 12 or 20 valid bits lie left-justified in whole bytes.
  const sampleBytes = Math.ceil(bits / 8)
  if (frameBytes !== channels * sampleBytes)
    throw badAudio(FORMAT, `${channels} channels of ${bits} bits do not fill frames of ${frameBytes} bytes`)
  return { tag, channels, sampleRate, sampleBytes }
}

/** Of one sample. @throws UserError for a codec that is not listed above */
export function decoder({ tag, sampleBytes }: WavFormat): (data: DataView, at: number) => number {
  if (tag === PCM && sampleBytes === 1) return (data, at) => (data.getUint8(at) - 128) / 128
  if (tag === PCM && sampleBytes === 2) return (data, at) => data.getInt16(at, true) / 2 ** 15
  if (tag === PCM && sampleBytes === 3)
    return (data, at) => (data.getInt8(at + 2) * 2 ** 16 + data.getUint16(at, true)) / 2 ** 23
  if (tag === PCM && sampleBytes === 4) return (data, at) => data.getInt32(at, true) / 2 ** 31
  if (tag === FLOAT && sampleBytes === 4) return (data, at) => data.getFloat32(at, true)
  if (tag === FLOAT && sampleBytes === 8) return (data, at) => data.getFloat64(at, true)
  if (tag === MU_LAW && sampleBytes === 1) return (data, at) => muLawTable[data.getUint8(at)] ?? 0
  if (tag === A_LAW && sampleBytes === 1) return (data, at) => aLawTable[data.getUint8(at)] ?? 0
  throw badAudio(FORMAT, `format ${tag} with ${8 * sampleBytes} bits is not supported`)
}
