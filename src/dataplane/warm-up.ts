/**
 * A rehearsal without a socket: one small train computed, paced and received, so that the first slot does not run in
 * the interpreter (which cannot keep up with a gigabit: the first slot would be lost).
 */
import { randomBytes } from 'node:crypto'
import type { FastCrypto, Region } from '../crypto/fast/index.js'
import { MAX_DATAGRAM_BYTES, SESSION_ID_BYTES, SESSION_KEY_BYTES } from '../pob/datagram.js'
import { nowMicros } from './clock.js'
import type { Collector } from './collector.js'
import { RegionPool } from './member/region-pool.js'
import { Train } from './member/train.js'
import { ProverEngine } from './prover/engine.js'
import type { Outbox, Remote, Source, Transport } from './transport.js'

/** Enough for the optimising compiler to have seen the loops: about 20 ms. */
const PACKETS = 4000
/** A train that is due at once. */
const RATE_KBPS = 100_000_000
const ENDPOINT = { host: '127.0.0.1', port: 9 }
const SILENT_OUTBOX: Outbox = { reply: () => undefined, fail: () => undefined, event: () => undefined }

/** Takes everything and sends nothing. */
class NullTransport implements Transport {
  readonly info = { name: 'native', reason: 'rehearsal', timestamps: 'kernel' } as const
  readonly endpoint = ENDPOINT
  readonly overflow = 0
  readonly granularityMicros = 1
  readonly #crypto: FastCrypto

  constructor(crypto: FastCrypto) {
    this.#crypto = crypto
  }

  allocate(length: number): Region {
    return this.#crypto.allocate(length)
  }

  resolve(): Remote {
    return { endpoint: ENDPOINT }
  }

  sendTrain(_remote: Remote, _region: Region, _first: number, count: number): number {
    return count
  }

  queue(): void {}

  flush(): void {}
}

/** Kept for the thread's life: see the slot before in prover/engine.ts. */
let rehearsed: ProverEngine | undefined

export function warmUp(crypto: FastCrypto, collector: Collector): void {
  const transport = new NullTransport(crypto)
  const sessionId = new Uint8Array(randomBytes(SESSION_ID_BYTES))
  const key = new Uint8Array(randomBytes(SESSION_KEY_BYTES))
  const source: Source = { matches: () => true, toRemote: () => transport.resolve() }

  let region: Region | undefined
  const pool = new RegionPool((length) => {
    region = transport.allocate(length)
    return region
  })
  const gmac = crypto.createGmac(key)
  const seed = new Uint8Array(randomBytes(32))
  const name = { sessionId, slot: 0, attempt: 0 }
  const train = new Train(
    { ...name, seed, packetCount: PACKETS, rateKbps: RATE_KBPS, armedForMs: 1 },
    crypto,
    pool,
  )
  train.prepare(gmac, Number.POSITIVE_INFINITY)
  train.arm(0)
  train.go(nowMicros())
  while (train.state === 'running') train.pump(nowMicros(), transport.resolve(), transport, PACKETS)
  gmac.free()

  rehearsed = new ProverEngine({
    transport,
    crypto,
    collector,
    outbox: SILENT_OUTBOX,
    meter: { waitedMicros: () => 0 },
  })
  rehearsed.onRequest(1, { op: 'addPath', path: { sessionId, key, remote: ENDPOINT } })
  const members = [{ sessionId, packetCount: PACKETS, rttMicros: 0 }]
  // So short a slot is past its first ack at once: acks and their digests are rehearsed too.
  const order = { slot: 0, attempt: 0, tauMicros: 1, drainMicros: 0, members }
  rehearsed.onRequest(2, { op: 'runSlot', order })
  if (region !== undefined) {
    for (let i = 0; i < PACKETS; i++) {
      rehearsed.onDatagram(region, i * MAX_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES, nowMicros(), source)
      if (i % 64 === 63) rehearsed.afterReceive(false)
    }
  }
  rehearsed.close()
}
