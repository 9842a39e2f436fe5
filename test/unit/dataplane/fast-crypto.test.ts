import { createCipheriv, createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { fastCrypto, loadFastCrypto } from '../../../src/crypto/fast/index.js'
import { arrivalDigests, keystreamKey, keystreamPackets } from '../../../src/crypto/keystream.js'
import { openInPlace, sealedDatagram } from '../../../src/dataplane/seal.js'
import { DatagramType, gmacNonce } from '../../../src/pob/datagram.js'
import { bytes } from './harness.js'

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest())

/** The whole keystream of a seed from its definition. */
function reference(seed: Uint8Array, packets: number): Uint8Array {
  const key = sha256(new TextEncoder().encode('plumbline/1/keystream'), seed).subarray(0, 16)
  const cipher = createCipheriv('aes-128-ctr', key, new Uint8Array(16))
  return new Uint8Array(cipher.update(new Uint8Array(packets * 1376)))
}

const u32 = (value: number): Uint8Array => {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return new Uint8Array(buffer)
}

test('the fastest backend that passes is taken, and says why', () => {
  const { crypto, reason } = fastCrypto()
  expect(['evp', 'node', 'noble']).toContain(crypto.name)
  expect(reason.length).toBeGreaterThan(0)
})

describe.each(['evp', 'node', 'noble'] as const)('%s', (name) => {
  const crypto = loadFastCrypto(name)

  test('keystream of packet ranges', () => {
    const seed = bytes(32)
    const whole = reference(seed, 120)
    expect(keystreamKey(seed)).toHaveLength(16)
    for (const [first, packets] of [
      [0, 1],
      [0, 120],
      [7, 3],
      [60, 60],
    ] as const)
      expect(keystreamPackets(seed, first, packets, crypto)).toEqual(
        whole.subarray(first * 1376, (first + packets) * 1376),
      )
  })

  test('digests of arrivals in any order, at any counts', () => {
    const seed = bytes(32)
    const whole = reference(seed, 300)
    const runs = [
      { first: 200, length: 90 },
      { first: 0, length: 3 },
      { first: 5, length: 1 },
    ]
    const records = runs
      .flatMap(({ first, length }) => Array.from({ length }, (_, i) => first + i))
      .flatMap((sequence) => [u32(sequence), whole.subarray(sequence * 1376, (sequence + 1) * 1376)])
    const expected = (count: number): Uint8Array => sha256(...records.slice(0, 2 * count))
    const counts = [94, 0, 70, 70, 91, 95]
    const digests = arrivalDigests(seed, runs, counts, crypto)
    expect(digests).toEqual([expected(94), expected(0), expected(70), expected(70), expected(91), undefined])
  })

  test("a datagram's tag is AES-128-GMAC over bytes 0..11 and 28..", () => {
    const key = bytes(16)
    const gmac = crypto.createGmac(key)
    const scratch = crypto.allocate(2048)
    const header = {
      type: DatagramType.data,
      slot: 4,
      attempt: 2,
      sessionId: bytes(8),
      sequence: 3_000_000_001,
    }
    const datagram = sealedDatagram(gmac, scratch, header, bytes(1376))
    const cipher = createCipheriv('aes-128-gcm', key, gmacNonce(DatagramType.data, 4, 2, 3_000_000_001))
    cipher.setAAD(Buffer.concat([datagram.subarray(0, 12), datagram.subarray(28)]))
    cipher.final()
    expect(datagram.subarray(12, 28)).toEqual(new Uint8Array(cipher.getAuthTag()))
    // One bit anywhere is noticed.
    for (let at = 0; at < datagram.length; at += 1 + (at % 97)) {
      scratch.bytes.set(datagram)
      scratch.bytes[at] = (scratch.bytes[at] ?? 0) ^ (1 << (at % 8))
      expect(openInPlace(gmac, scratch, 0, datagram.length)).toBe(false)
    }
    scratch.bytes.set(datagram)
    expect(openInPlace(gmac, scratch, 0, datagram.length)).toBe(true)
    gmac.free()
  })
})
