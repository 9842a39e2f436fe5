/**
 * What this box can take in: a real member and a real prover over loopback, offered more than they carry. The rate that
 * arrives tagged, checked and hashed tells the box from the link. Both ends share the machine, so it is a lower bound.
 */
import { randomBytes } from 'node:crypto'
import { PACKET_BITS, packetCountOf } from '../pob/constants.js'
import { type BackendChoice, type BackendInfo, openMemberPlane, openProverPlane } from './index.js'

export interface BoxCapacity {
  readonly backend: BackendInfo
  readonly receiveMbps: number
  /** All that was offered was taken in: the box may well carry more. */
  readonly atLeast: boolean
}

const TAU_MICROS = 200_000
/** More than loopback carries on small boxes, little enough to compute in a blink: 125 MB. */
const OFFERED_KBPS = 5_000_000
/** Of the offer; above it the sender was what ran out. */
const ALL_TAKEN_SHARE = 0.95
const DEADLINE_MS = 2_000
const SESSION_MS = 30_000
const LOOPBACK = '127.0.0.1'

export async function measureBox(backend: BackendChoice): Promise<BoxCapacity> {
  const member = await openMemberPlane({ backend, host: LOOPBACK, port: 0 })
  const prover = await openProverPlane({ backend, host: LOOPBACK, port: 0 })
  try {
    const sessionId = new Uint8Array(randomBytes(8))
    const key = new Uint8Array(randomBytes(16))
    const expiresAtMs = Date.now() + SESSION_MS
    const packetCount = packetCountOf(OFFERED_KBPS, TAU_MICROS)
    const maxBytes = packetCount * 2000
    await member.addSession({ sessionId, key, maxBytes, expiresAtMs })
    member.onConsent(async () => true)
    await prover.addPath({ sessionId, key, remote: { host: LOOPBACK, port: member.endpoint.port } })
    const nonce = await prover.hello(sessionId, DEADLINE_MS)
    const expiresAt = Math.floor(expiresAtMs / 1000)
    await prover.consent(
      sessionId,
      { nonce, expiresAt, maxBytes, signature: new Uint8Array(65) },
      DEADLINE_MS,
    )
    await member.prepareTrain({
      sessionId,
      slot: 0,
      attempt: 0,
      seed: new Uint8Array(randomBytes(32)),
      packetCount,
      rateKbps: OFFERED_KBPS,
      armedForMs: DEADLINE_MS,
    })
    const { acks, statistics } = await prover.runSlot({
      slot: 0,
      attempt: 0,
      tauMicros: TAU_MICROS,
      members: [{ sessionId, packetCount, rttMicros: 100 }],
      drainMicros: TAU_MICROS,
    })
    // Until the last ack, not the last arrival: packets still waiting to be hashed are not handled yet.
    const micros = Math.max(1, acks.at(-1)?.sentMicros ?? 0)
    const receiveMbps = acks.length === 0 ? 0 : (statistics.packets * PACKET_BITS) / micros
    const atLeast = receiveMbps * 1000 >= ALL_TAKEN_SHARE * OFFERED_KBPS
    return { backend: prover.backend, receiveMbps, atLeast }
  } finally {
    await Promise.all([member.close(), prover.close()])
  }
}
