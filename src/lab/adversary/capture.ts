/** Datagrams of our protocol as somebody on the path sees them: addresses, and the bytes that went by. */
import { datagramFault, MAX_DATAGRAM_BYTES, readU32, SEQUENCE_OFFSET } from '../../pob/datagram.js'
import { INJECTED_MARK, IP_HEADER_BYTES, UDP_HEADER_BYTES } from './raw-socket.js'

const PROTOCOL_UDP = 17

export interface CapturedDatagram {
  readonly from: { readonly host: string; readonly port: number }
  readonly to: { readonly host: string; readonly port: number }
  readonly payload: Uint8Array
}

/**
 * The datagram in an IPv4 packet, the first of it where the kernel hands over a super-packet; undefined for what is none of
 * ours, and for what an attacker injected.
 */
export function parseCaptured(packet: Buffer, length: number): CapturedDatagram | undefined {
  if (length < IP_HEADER_BYTES + UDP_HEADER_BYTES || packet[0] !== 0x45) return undefined
  if (packet[9] !== PROTOCOL_UDP || packet[1] === INJECTED_MARK) return undefined
  const begin = IP_HEADER_BYTES + UDP_HEADER_BYTES
  const size = Math.min(length - begin, MAX_DATAGRAM_BYTES)
  if (datagramFault(packet, begin, size) !== undefined) return undefined
  return {
    from: { host: packet.subarray(12, 16).join('.'), port: packet.readUInt16BE(IP_HEADER_BYTES) },
    to: { host: packet.subarray(16, 20).join('.'), port: packet.readUInt16BE(IP_HEADER_BYTES + 2) },
    payload: new Uint8Array(packet.subarray(begin, begin + size)),
  }
}

/** Type, slot, attempt and number of a datagram. */
export function headerOf(payload: Uint8Array) {
  return {
    type: payload[0] ?? 0,
    slot: payload[2] ?? 0,
    attempt: payload[3] ?? 0,
    sequence: readU32(payload, SEQUENCE_OFFSET),
  }
}

/** As the side channel carries it. */
export function encodeCaptured({ from, to, payload }: CapturedDatagram): string {
  return JSON.stringify([from.host, from.port, to.host, to.port, Buffer.from(payload).toString('base64')])
}

export function decodeCaptured(text: string): CapturedDatagram {
  const [fromHost, fromPort, toHost, toPort, payload] = JSON.parse(text) as [
    string,
    number,
    string,
    number,
    string,
  ]
  return {
    from: { host: fromHost, port: fromPort },
    to: { host: toHost, port: toPort },
    payload: new Uint8Array(Buffer.from(payload, 'base64')),
  }
}
