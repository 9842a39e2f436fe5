/** MPEG audio layers I to III, decoded by mpg123 compiled to WebAssembly; gaps of the encoder are cut off. */

import { badAudio, checkSampleCount, type TakeSound } from './audio.js'

const FORMAT = 'MP3'
/** Bytes handed over at a time, so that the sample limit is met early. */
const BATCH_BYTES = 1 << 18
const ID3_HEADER_BYTES = 10
/** The Xing header lies behind the side information of the first frame: at most 4 + 32 bytes in. */
const XING_SEARCH_BYTES = 40
const XING_FRAMES = 1
const XING_BYTES = 2

/** Whether the bytes begin like MPEG audio: an ID3v2 tag or a frame header. */
export function isMp3(bytes: Uint8Array): boolean {
  const [a = 0, b = 0, c = 0] = bytes
  const isTag = a === 0x49 && b === 0x44 && c === 0x33
  const isFrame = a === 0xff && (b & 0xe0) === 0xe0 && (b & 0x06) !== 0 && (b & 0x18) !== 0x08
  return isTag || (isFrame && c >> 4 !== 15 && ((c >> 2) & 3) !== 3)
}

/** @throws UserError where nothing decodes, the file is shorter than it says, or the sample rate changes */
export async function decodeMp3(bytes: Uint8Array, take: TakeSound): Promise<void> {
  checkDeclaredLength(bytes)
  const { MPEGDecoder } = await import('mpg123-decoder')
  const decoder = new MPEGDecoder()
  await decoder.ready
  try {
    let sampleRate = 0
    let samples = 0
    for (let at = 0; at < bytes.length; at += BATCH_BYTES) {
      const decoded = decoder.decode(bytes.subarray(at, at + BATCH_BYTES))
      if (decoded.errors.length > 0) throw badAudio(FORMAT, 'a frame is damaged')
      if (decoded.samplesDecoded === 0) continue
      if (sampleRate !== 0 && decoded.sampleRate !== sampleRate)
        throw badAudio(FORMAT, `its sample rate changes from ${sampleRate} to ${decoded.sampleRate} Hz`)
      sampleRate = decoded.sampleRate
      samples += decoded.samplesDecoded
      checkSampleCount(FORMAT, samples * decoded.channelData.length)
      take({ sampleRate, channels: decoded.channelData })
    }
    if (samples === 0) throw badAudio(FORMAT, 'it holds no sound')
  } finally {
    decoder.free()
  }
}

/** Encoders note the stream's length in a first frame of silence ("Xing" or "Info"); a shorter file is cut. */
function checkDeclaredLength(bytes: Uint8Array): void {
  const start = id3Length(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = start + 4; at <= Math.min(start + XING_SEARCH_BYTES, bytes.length - 16); at++) {
    const tag = view.getUint32(at)
    if (tag !== 0x58696e67 && tag !== 0x496e666f) continue
    const flags = view.getUint32(at + 4)
    if ((flags & XING_BYTES) === 0) return
    const declared = view.getUint32(at + 8 + ((flags & XING_FRAMES) !== 0 ? 4 : 0))
    if (declared > bytes.length - start)
      throw badAudio(FORMAT, `truncated: ${bytes.length - start} of ${declared} bytes`)
    return
  }
}

/** Bytes of an ID3v2 tag in front (id3.org: four times seven bits). */
function id3Length(bytes: Uint8Array): number {
  if (bytes.length < ID3_HEADER_BYTES || String.fromCharCode(...bytes.subarray(0, 3)) !== 'ID3') return 0
  return ID3_HEADER_BYTES + bytes.subarray(6, 10).reduce((sum, byte) => sum * 128 + (byte & 0x7f), 0)
}
