/** Arguments of the planes, checked in the caller's thread so that the stack names the caller. */
import { isIP } from 'node:net'
import { SEED_BYTES } from '../crypto/keystream.js'
import { UserError } from '../errors.js'
import { NONCE_BYTES, SESSION_ID_BYTES, SESSION_KEY_BYTES, SIGNATURE_BYTES } from '../pob/datagram.js'
import type { ConsentGrant, ProbeOptions } from './messages.js'
import type { Endpoint, MemberSession, PlaneOptions, ProverPath, SlotOrder, TrainOrder } from './types.js'

const MAX_U8 = 255
const MAX_U32 = 2 ** 32 - 1
const MAX_PORT = 65535
/** 100 Gbit/s, docs/protocol.md section 2. */
const MAX_RATE_KBPS = 100_000_000
/** docs/protocol.md section 5. */
const MAX_TAU_MICROS = 1_000_000
const MAX_TEAM = 64
/** 100 Gbit/s for 1 s, rounded up: bounds what a slot keeps of a member. */
const MAX_SLOT_PACKETS = 2 ** 24
const MAX_ARMED_MS = 600_000
const MAX_PROBES = 1000
const MAX_MILLIS = 600_000

function bad(what: string): UserError {
  return new UserError(`data plane: ${what}`, { code: 'BAD_ARGUMENT' })
}

function whole(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw bad(`${name} is ${value}, not a whole number from ${least} to ${most}`)
}

function bytes(name: string, value: Uint8Array, length: number): void {
  if (!(value instanceof Uint8Array) || value.length !== length) throw bad(`${name} has not ${length} bytes`)
}

function endpoint(name: string, value: Endpoint, leastPort: number): void {
  if (isIP(value.host) === 0) throw bad(`${name} "${value.host.slice(0, 64)}" is no IP address`)
  whole(`${name} port`, value.port, leastPort, MAX_PORT)
}

export function checkPlaneOptions(options: PlaneOptions): void {
  if (!['auto', 'native', 'dgram'].includes(options.backend)) throw bad(`no backend "${options.backend}"`)
  endpoint('address', options, 0)
}

export function checkMemberSession(session: MemberSession): void {
  bytes('sessionId', session.sessionId, SESSION_ID_BYTES)
  bytes('key', session.key, SESSION_KEY_BYTES)
  whole('maxBytes', session.maxBytes, 0, Number.MAX_SAFE_INTEGER)
  if (!Number.isFinite(session.expiresAtMs)) throw bad('expiresAtMs is no time')
}

export function checkTrainOrder(order: TrainOrder): void {
  bytes('sessionId', order.sessionId, SESSION_ID_BYTES)
  bytes('seed', order.seed, SEED_BYTES)
  whole('slot', order.slot, 0, MAX_U8)
  whole('attempt', order.attempt, 0, MAX_U8)
  whole('packetCount', order.packetCount, 1, MAX_U32)
  whole('rateKbps', order.rateKbps, 1, MAX_RATE_KBPS)
  whole('armedForMs', Math.floor(order.armedForMs), 1, MAX_ARMED_MS)
}

export function checkProverPath(path: ProverPath): void {
  bytes('sessionId', path.sessionId, SESSION_ID_BYTES)
  bytes('key', path.key, SESSION_KEY_BYTES)
  endpoint('remote', path.remote, 1)
}

export function checkConsent(consent: ConsentGrant): void {
  bytes('nonce', consent.nonce, NONCE_BYTES)
  bytes('signature', consent.signature, SIGNATURE_BYTES)
  whole('expiresAt', consent.expiresAt, 0, Number.MAX_SAFE_INTEGER)
  whole('maxBytes', consent.maxBytes, 0, Number.MAX_SAFE_INTEGER)
}

export function checkDeadline(deadlineMs: number): void {
  whole('deadlineMs', Math.floor(deadlineMs), 1, MAX_MILLIS)
}

export function checkProbeOptions(options: ProbeOptions): void {
  whole('count', options.count, 1, MAX_PROBES)
  whole('intervalMs', Math.floor(options.intervalMs), 0, MAX_MILLIS)
}

export function checkSlotOrder(order: SlotOrder): void {
  whole('slot', order.slot, 0, MAX_U8)
  whole('attempt', order.attempt, 0, MAX_U8)
  whole('tauMicros', order.tauMicros, 1, MAX_TAU_MICROS)
  whole('drainMicros', Math.floor(order.drainMicros), 0, MAX_MILLIS * 1000)
  whole('members', order.members.length, 1, MAX_TEAM)
  for (const member of order.members) {
    if (member.sessionId !== undefined) bytes('sessionId', member.sessionId, SESSION_ID_BYTES)
    whole('packetCount', member.packetCount, 1, MAX_SLOT_PACKETS)
    whole('rttMicros', Math.floor(member.rttMicros ?? 0), 0, MAX_MILLIS * 1000)
  }
}
