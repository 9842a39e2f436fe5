/**
 * Tags of datagrams (docs/protocol.md section 6): GMAC over bytes 0..11 || 28..end. The first twelve bytes are copied
 * to 16..27, into the tag's place, so that the additional data is one piece and one native call.
 */
import type { Gmac, Region } from '../crypto/fast/index.js'
import {
  buildDatagram,
  type DatagramHeader,
  directionOf,
  readU32,
  SEQUENCE_OFFSET,
  TAG_BYTES,
  TAG_OFFSET,
} from '../pob/datagram.js'

const PREFIX_BYTES = 12
/** Where the copied prefix begins: just before the sequence. */
const PREFIX_AT = SEQUENCE_OFFSET - PREFIX_BYTES

/** Brings the additional data together, and says which nonce goes with it: its first word; the second is the sequence. */
function prepare(bytes: Uint8Array, offset: number): number {
  for (let i = 0; i < PREFIX_BYTES; i++) bytes[offset + PREFIX_AT + i] = bytes[offset + i] ?? 0
  const type = bytes[offset] ?? 0
  const head =
    (type << 24) | ((bytes[offset + 2] ?? 0) << 16) | ((bytes[offset + 3] ?? 0) << 8) | directionOf(type)
  return head >>> 0
}

/** Writes the tag of a datagram whose other bytes are there. */
export function sealInPlace(gmac: Gmac, region: Region, offset: number, length: number): void {
  const { bytes } = region
  const { tag } = gmac
  const head = prepare(bytes, offset)
  const sequence = readU32(bytes, offset + SEQUENCE_OFFSET)
  gmac.compute(head, sequence, region, offset + PREFIX_AT, length - PREFIX_AT)
  for (let i = 0; i < TAG_BYTES; i++) bytes[offset + TAG_OFFSET + i] = tag[i] ?? 0
}

/** True where the tag is right. Overwrites the tag's bytes; all others stay. */
export function openInPlace(gmac: Gmac, region: Region, offset: number, length: number): boolean {
  const { bytes } = region
  const { expected } = gmac
  for (let i = 0; i < TAG_BYTES; i++) expected[i] = bytes[offset + TAG_OFFSET + i] ?? 0
  const head = prepare(bytes, offset)
  const sequence = readU32(bytes, offset + SEQUENCE_OFFSET)
  return gmac.verify(head, sequence, region, offset + PREFIX_AT, length - PREFIX_AT)
}

/** A small datagram, sealed, in bytes of its own. `scratch` has room for it. */
export function sealedDatagram(
  gmac: Gmac,
  scratch: Region,
  header: DatagramHeader,
  body?: Uint8Array,
): Uint8Array {
  const datagram = buildDatagram(header, body)
  scratch.bytes.set(datagram)
  sealInPlace(gmac, scratch, 0, datagram.length)
  return scratch.bytes.slice(0, datagram.length)
}
