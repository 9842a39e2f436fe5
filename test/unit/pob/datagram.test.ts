import { describe, expect, test } from 'vitest'
import {
  ARRIVAL_BYTES,
  buildDatagram,
  DATAGRAM_LENGTHS,
  DatagramType,
  datagramFault,
  decodeConsentBody,
  directionOf,
  encodeConsentBody,
  gmacNonce,
  MAX_DATAGRAM_BYTES,
  PACKET_LAYER3_BYTES,
  readHeader,
  SEQUENCE_OFFSET,
} from '../../../src/pob/datagram.js'

const sessionId = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('datagrams of protocol section 6', () => {
  test('sizes', () => {
    expect(MAX_DATAGRAM_BYTES).toBe(1408)
    expect(PACKET_LAYER3_BYTES).toBe(1436)
    expect(SEQUENCE_OFFSET + ARRIVAL_BYTES).toBe(MAX_DATAGRAM_BYTES)
    // data, ack, hello, nonce, consent, ready, probes, go, stop, keepalive, echo: 32 and the body of the table.
    expect(DATAGRAM_LENGTHS.slice(1)).toEqual([1408, 64, 128, 64, 145, 32, 40, 40, 40, 36, 32, 32, 1408])
  })

  test('a header byte by byte', () => {
    const header = { type: DatagramType.go, slot: 2, attempt: 1, sessionId, sequence: 0x01020304 }
    const bytes = buildDatagram(header, Uint8Array.of(0, 0, 0x0f, 0xa0))
    expect(hex(bytes)).toBe(`0a010201${'0102030405060708'}${'00'.repeat(16)}01020304${'00000fa0'}`)
    expect(readHeader(bytes)).toEqual(header)
  })

  test('a nonce names type, slot, attempt, direction and sequence', () => {
    expect(hex(gmacNonce(DatagramType.data, 3, 1, 258))).toBe('010301010000010200000000')
    expect(hex(gmacNonce(DatagramType.ack, 3, 1, 258))).toBe('020301000000010200000000')
    const fromMember = Object.values(DatagramType).filter((type) => directionOf(type) === 1)
    expect(fromMember).toEqual([
      DatagramType.data,
      DatagramType.nonce,
      DatagramType.ready,
      DatagramType.probeReply,
    ])
  })

  test('consent', () => {
    const body = {
      nonce: new Uint8Array(32).fill(1),
      expiresAt: 2 ** 33,
      maxBytes: 123_456_789_012,
      signature: new Uint8Array(65).fill(2),
    }
    const header = { type: DatagramType.consent, slot: 0, attempt: 0, sessionId, sequence: 0 }
    expect(decodeConsentBody(buildDatagram(header, encodeConsentBody(body)), 0)).toEqual(body)
    expect(() => encodeConsentBody({ ...body, expiresAt: -1 })).toThrow(RangeError)
    expect(() => encodeConsentBody({ ...body, nonce: new Uint8Array(31) })).toThrow(RangeError)
  })

  test('what is refused', () => {
    const header = { type: DatagramType.probe, slot: 0, attempt: 0, sessionId, sequence: 7 }
    const good = buildDatagram(header, new Uint8Array(8))
    expect(datagramFault(good, 0, good.length)).toBeUndefined()
    expect(datagramFault(good, 0, 39)).toBe('length')
    expect(datagramFault(good, 1, 40)).toBe('length')
    for (const [at, value, fault] of [
      [0, 0, 'type'],
      [0, 14, 'type'],
      [1, 0, 'version'],
      [1, 2, 'version'],
      [2, 1, 'slot'],
      [3, 1, 'slot'],
    ] as const) {
      const bad = good.slice()
      bad[at] = value
      expect(datagramFault(bad, 0, bad.length)).toBe(fault)
    }
    expect(() => buildDatagram(header)).toThrow(RangeError)
    expect(() => readHeader(good.subarray(1))).toThrow(RangeError)
  })
})
