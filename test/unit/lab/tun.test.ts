import { describe, expect, it } from 'vitest'
import { segmentBytesAt, VNET_HEADER_BYTES, writeUdpGsoHeader } from '../../../src/lab/tun.js'

/** RFC 1071 over a byte range: 0xffff where the checksum inside is right. */
function onesSum(data: Buffer): number {
  let sum = 0
  for (let i = 0; i < data.length; i += 2) sum += data.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

describe.runIf(process.platform === 'linux')('the head of a UDP super-packet', () => {
  const payload = 1408
  const memory = new ArrayBuffer(256)
  const buffer = Buffer.from(memory)
  const offset = 6
  const ip = offset + VNET_HEADER_BYTES
  buffer[ip] = 0x45
  buffer[ip + 8] = 63
  buffer[ip + 9] = 17
  buffer.set([10, 100, 0, 2, 10, 90, 0, 2], ip + 12)
  buffer.writeUInt16BE(4701, ip + 20)
  buffer.writeUInt16BE(5001, ip + 22)
  writeUdpGsoHeader({ buffer, view: new DataView(memory), address: 0 }, offset, 3, payload)

  it('says how long the whole and each segment are', () => {
    expect(buffer.readUInt16BE(ip + 2)).toBe(28 + 3 * payload)
    expect(buffer.readUInt16BE(ip + 24)).toBe(8 + 3 * payload)
    expect(segmentBytesAt(new DataView(memory), offset)).toBe(28 + payload)
  })

  it('has a right IP checksum, and the pseudo header in place of the UDP one', () => {
    expect(onesSum(buffer.subarray(ip, ip + 20))).toBe(0xffff)
    const pseudo = Buffer.alloc(12)
    buffer.copy(pseudo, 0, ip + 12, ip + 20)
    pseudo.writeUInt16BE(17, 8)
    pseudo.writeUInt16BE(8 + 3 * payload, 10)
    expect(buffer.readUInt16BE(ip + 26)).toBe(onesSum(pseudo))
  })

  it('leaves a plain packet without segments', () => {
    expect(segmentBytesAt(new DataView(new ArrayBuffer(64)), 0)).toBe(0)
  })
})
