/** The Ogg container (RFC 3533): pages with checksums, packets laced over them. One logical stream a file. */

import { badAudio } from './audio.js'

export interface OggStream {
  readonly packets: readonly Uint8Array[]
  /** Granule position of the last page: for Opus and Vorbis, samples to its end. */
  readonly endGranule: bigint
}

const FORMAT = 'Ogg'
const HEADER_BYTES = 27
const CONTINUED = 1
const LAST_PAGE = 4
/** 0x04c11db7, most significant bit first, no reflection. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x80000000) !== 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc >>> 0
})

/** @throws UserError for damage (checksums, lost pages), a missing end, or several streams in one file */
export function readOgg(bytes: Uint8Array): OggStream {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const packets: Uint8Array[] = []
  let pending: Uint8Array[] = []
  let endGranule = 0n
  let serial: number | undefined
  let isEnded = false
  let at = 0
  for (let sequence = 0; at < bytes.length; sequence++) {
    const page = readPage(bytes, view, at)
    serial ??= page.serial
    if (page.serial !== serial || isEnded) throw badAudio(FORMAT, 'it holds several streams')
    if (page.sequence !== sequence) throw badAudio(FORMAT, `page ${sequence} is missing`)
    if (page.isContinued !== pending.length > 0) throw badAudio(FORMAT, 'a packet is cut')
    let from = page.bodyAt
    for (const length of page.segments) {
      pending.push(bytes.subarray(from, from + length))
      from += length
      if (length === 255) continue
      packets.push(Buffer.concat(pending))
      pending = []
    }
    if (page.granule >= 0n) endGranule = page.granule
    isEnded = page.isLast
    at = from
  }
  if (!isEnded || pending.length > 0) throw badAudio(FORMAT, 'truncated: its last page is missing')
  return { packets, endGranule }
}

function readPage(bytes: Uint8Array, view: DataView, at: number) {
  const truncated = () => badAudio(FORMAT, `truncated or damaged at byte ${at}`)
  if (at + HEADER_BYTES > bytes.length || view.getUint32(at) !== 0x4f676753) throw truncated()
  if (view.getUint8(at + 4) !== 0) throw badAudio(FORMAT, 'its version is unknown')
  const bodyAt = at + HEADER_BYTES + view.getUint8(at + 26)
  if (bodyAt > bytes.length) throw truncated()
  const segments = bytes.subarray(at + HEADER_BYTES, bodyAt)
  const end = segments.reduce((sum, length) => sum + length, bodyAt)
  if (end > bytes.length) throw truncated()
  if (checksum(bytes, at, end) !== view.getUint32(at + 22, true))
    throw badAudio(FORMAT, `wrong checksum of the page at byte ${at}`)
  const flags = view.getUint8(at + 5)
  return {
    isContinued: (flags & CONTINUED) !== 0,
    isLast: (flags & LAST_PAGE) !== 0,
    granule: view.getBigInt64(at + 6, true),
    serial: view.getUint32(at + 14, true),
    sequence: view.getUint32(at + 18, true),
    segments,
    bodyAt,
  }
}

/** Over the page with its checksum field taken as zero. */
function checksum(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0
  for (let i = from; i < to; i++) {
    const byte = i >= from + 22 && i < from + 26 ? 0 : (bytes[i] ?? 0)
    crc = ((crc << 8) ^ (crcTable[((crc >>> 24) ^ byte) & 0xff] ?? 0)) >>> 0
  }
  return crc
}
