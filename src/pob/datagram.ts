/**
 * The datagrams of docs/protocol.md section 6: sizes, header layout, nonces, bodies. Pure; the tag is computed in
 * dataplane/seal.ts with a session's key.
 *
 *     0 type | 1 version | 2 slot | 3 attempt | 4 session id (8) | 12 tag (16) | 28 sequence u32 | 32 body
 */

export const DATAGRAM_VERSION = 1
/** With 28 bytes of IPv4 and UDP this is 1436, which passes PPPoE and most tunnels whole. */
export const MAX_DATAGRAM_BYTES = 1408
/** IPv4 (20) and UDP (8): rates are counted in layer-3 bytes, for IPv6 too, so that results compare. */
export const LAYER3_OVERHEAD_BYTES = 28
/** What one data packet counts in every rate of the protocol. */
export const PACKET_LAYER3_BYTES = MAX_DATAGRAM_BYTES + LAYER3_OVERHEAD_BYTES
export const PACKET_LAYER3_BITS = PACKET_LAYER3_BYTES * 8

export const HEADER_BYTES = 32
export const SESSION_ID_OFFSET = 4
export const SESSION_ID_BYTES = 8
export const TAG_OFFSET = 12
export const TAG_BYTES = 16
export const SEQUENCE_OFFSET = 28
/** Keystream bytes of a data packet: 86 AES blocks. */
export const PAYLOAD_BYTES = MAX_DATAGRAM_BYTES - HEADER_BYTES
/** What one arrival adds to a member's running SHA-256: sequence || keystream, contiguous on the wire. */
export const ARRIVAL_BYTES = 4 + PAYLOAD_BYTES
export const SESSION_KEY_BYTES = 16
export const NONCE_BYTES = 32
export const PROBE_BODY_BYTES = 8
export const SIGNATURE_BYTES = 65
export const ROOT_BYTES = 32
/** At most this many acks a slot; k counts from 0. */
export const MAX_ACKS = 256
/** Copies of go: sequence 0 to 7. */
export const MAX_GO_COPIES = 8

export const DatagramType = {
  data: 1,
  ack: 2,
  hello: 3,
  nonce: 4,
  consent: 5,
  ready: 6,
  probe: 7,
  probeReply: 8,
  probeClose: 9,
  go: 10,
  stop: 11,
  keepalive: 12,
  echo: 13,
} as const
export type DatagramTypeNumber = (typeof DatagramType)[keyof typeof DatagramType]

/** 0 from the prover, 1 from the member: part of the GMAC nonce. */
export const Direction = { fromProver: 0, fromMember: 1 } as const
export type DirectionNumber = (typeof Direction)[keyof typeof Direction]

/** Exact length by type number; 0 for numbers that are no type. */
export const DATAGRAM_LENGTHS: readonly number[] = [
  0, 1408, 64, 128, 64, 145, 32, 40, 40, 40, 36, 32, 32, 1408,
]

/** Numbers of types, by number: a look into a table costs less than one into a set, for every packet of a train. */
const tableOf = (...types: readonly DatagramTypeNumber[]): readonly boolean[] =>
  DATAGRAM_LENGTHS.map((_, type) => (types as readonly number[]).includes(type))

/** Data, ack and go, and the echo of data. */
const OF_SLOTS = tableOf(DatagramType.data, DatagramType.ack, DatagramType.go, DatagramType.echo)

const FROM_MEMBER = tableOf(
  DatagramType.data,
  DatagramType.nonce,
  DatagramType.ready,
  DatagramType.probeReply,
)

/** Who sends a type. */
export function directionOf(type: number): DirectionNumber {
  return FROM_MEMBER[type] === true ? Direction.fromMember : Direction.fromProver
}

/** Types that belong to a slot; every other one carries slot 0 and attempt 0. */
export function belongsToSlot(type: number): boolean {
  return OF_SLOTS[type] === true
}

export interface DatagramHeader {
  readonly type: DatagramTypeNumber
  readonly slot: number
  readonly attempt: number
  /** 8 bytes. */
  readonly sessionId: Uint8Array
  readonly sequence: number
}

/** Writes all 32 bytes, the tag as zeros. */
export function writeHeader(out: Uint8Array, offset: number, header: DatagramHeader): void {
  out[offset] = header.type
  out[offset + 1] = DATAGRAM_VERSION
  out[offset + 2] = header.slot
  out[offset + 3] = header.attempt
  out.set(header.sessionId, offset + SESSION_ID_OFFSET)
  out.fill(0, offset + TAG_OFFSET, offset + SEQUENCE_OFFSET)
  writeU32(out, offset + SEQUENCE_OFFSET, header.sequence)
}

/** The 12-byte GMAC nonce: type || slot || attempt || direction || sequence || 0x00000000. */
export function gmacNonce(type: number, slot: number, attempt: number, sequence: number): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce[0] = type
  nonce[1] = slot
  nonce[2] = attempt
  nonce[3] = directionOf(type)
  writeU32(nonce, 4, sequence)
  return nonce
}

/** A whole datagram without its tag. @throws RangeError where the body has not the length of its type. */
export function buildDatagram(header: DatagramHeader, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const length = DATAGRAM_LENGTHS[header.type] ?? 0
  if (HEADER_BYTES + body.length !== length)
    throw new RangeError(
      `datagram type ${header.type} has ${length} bytes, not ${HEADER_BYTES + body.length}`,
    )
  const bytes = new Uint8Array(length)
  writeHeader(bytes, 0, header)
  bytes.set(body, HEADER_BYTES)
  return bytes
}

export type DatagramFault = 'length' | 'type' | 'version' | 'slot'

/**
 * What is wrong with the form of `length` bytes at `offset`, or undefined: known type, its exact length, version 1,
 * and slot and attempt 0 outside slots. Allocation-free: it runs before the tag check on hostile bytes.
 */
export function datagramFault(bytes: Uint8Array, offset: number, length: number): DatagramFault | undefined {
  if (length < HEADER_BYTES || offset + length > bytes.length) return 'length'
  const type = bytes[offset] ?? 0
  const expected = DATAGRAM_LENGTHS[type]
  if (expected === undefined || expected === 0) return 'type'
  if (length !== expected) return 'length'
  if (bytes[offset + 1] !== DATAGRAM_VERSION) return 'version'
  if (!belongsToSlot(type) && (bytes[offset + 2] !== 0 || bytes[offset + 3] !== 0)) return 'slot'
  return undefined
}

/** The header of bytes that {@link datagramFault} passed. @throws RangeError otherwise. */
export function readHeader(bytes: Uint8Array, offset = 0, length = bytes.length - offset): DatagramHeader {
  const fault = datagramFault(bytes, offset, length)
  if (fault !== undefined) throw new RangeError(`datagram: bad ${fault}`)
  return {
    type: bytes[offset] as DatagramTypeNumber,
    slot: bytes[offset + 2] ?? 0,
    attempt: bytes[offset + 3] ?? 0,
    sessionId: bytes.slice(offset + SESSION_ID_OFFSET, offset + SESSION_ID_OFFSET + SESSION_ID_BYTES),
    sequence: readU32(bytes, offset + SEQUENCE_OFFSET),
  }
}

export interface ConsentBody {
  /** 32 bytes, the member's. */
  readonly nonce: Uint8Array
  /** Seconds since the Unix epoch. */
  readonly expiresAt: number
  /** Layer-3 bytes the member may send. */
  readonly maxBytes: number
  /** 65 bytes. */
  readonly signature: Uint8Array
}

/** nonce (32) || expiresAt u64 || maxBytes u64 || signature (65). */
export function encodeConsentBody(body: ConsentBody): Uint8Array {
  if (body.nonce.length !== NONCE_BYTES || body.signature.length !== SIGNATURE_BYTES)
    throw new RangeError('consent: the nonce has 32 bytes, the signature 65')
  const bytes = new Uint8Array(NONCE_BYTES + 16 + SIGNATURE_BYTES)
  bytes.set(body.nonce)
  writeU64(bytes, NONCE_BYTES, body.expiresAt)
  writeU64(bytes, NONCE_BYTES + 8, body.maxBytes)
  bytes.set(body.signature, NONCE_BYTES + 16)
  return bytes
}

/** Of a whole consent datagram at `offset`. Numbers past 2^53 - 1 are clamped to it. */
export function decodeConsentBody(bytes: Uint8Array, offset: number): ConsentBody {
  const body = offset + HEADER_BYTES
  return {
    nonce: bytes.slice(body, body + NONCE_BYTES),
    expiresAt: readU64(bytes, body + NONCE_BYTES),
    maxBytes: readU64(bytes, body + NONCE_BYTES + 8),
    signature: bytes.slice(body + NONCE_BYTES + 16, body + NONCE_BYTES + 16 + SIGNATURE_BYTES),
  }
}

export function writeU32(out: Uint8Array, offset: number, value: number): void {
  out[offset] = value >>> 24
  out[offset + 1] = value >>> 16
  out[offset + 2] = value >>> 8
  out[offset + 3] = value
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] ?? 0) << 24) |
      ((bytes[offset + 1] ?? 0) << 16) |
      ((bytes[offset + 2] ?? 0) << 8) |
      (bytes[offset + 3] ?? 0)) >>>
    0
  )
}

const TWO_32 = 2 ** 32

function writeU64(out: Uint8Array, offset: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${value} is no unsigned 53-bit integer`)
  writeU32(out, offset, Math.floor(value / TWO_32))
  writeU32(out, offset + 4, value % TWO_32)
}

function readU64(bytes: Uint8Array, offset: number): number {
  return Math.min(readU32(bytes, offset) * TWO_32 + readU32(bytes, offset + 4), Number.MAX_SAFE_INTEGER)
}
