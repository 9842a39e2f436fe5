/** Bytes from anybody: the parser, and both engines behind it (in the test's own thread, without a socket). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FastCrypto, fastCrypto, type Region } from '../../src/crypto/fast/index.js'
import { MemberEngine } from '../../src/dataplane/member/engine.js'
import { ProverEngine } from '../../src/dataplane/prover/engine.js'
import { sealInPlace } from '../../src/dataplane/seal.js'
import type { Engine, Remote, Source, Transport } from '../../src/dataplane/transport.js'
import {
  DATAGRAM_LENGTHS,
  datagramFault,
  HEADER_BYTES,
  MAX_DATAGRAM_BYTES,
  readHeader,
} from '../../src/pob/datagram.js'

const NUM_RUNS = Number(process.env.FUZZ_RUNS ?? 2500)
const { crypto } = fastCrypto()
const sessionId = Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 2)
const key = new Uint8Array(16).fill(5)
const ENDPOINT = { host: '192.0.2.7', port: 4000 }
const source: Source = { matches: () => true, toRemote: () => ({ endpoint: ENDPOINT }) }

class Recorder implements Transport {
  readonly info = { name: 'dgram', reason: 'test', timestamps: 'user' } as const
  readonly endpoint = ENDPOINT
  readonly overflow = 0
  readonly granularityMicros = 1
  sentBytes = 0
  readonly #crypto: FastCrypto = crypto

  allocate(length: number): Region {
    return this.#crypto.allocate(length)
  }

  resolve(): Remote {
    return { endpoint: ENDPOINT }
  }

  sendTrain(_remote: Remote, _region: Region, _first: number, count: number): number {
    this.sentBytes += count * MAX_DATAGRAM_BYTES
    return count
  }

  queue(_remote: Remote, bytes: Uint8Array): void {
    this.sentBytes += bytes.length
  }

  flush(): void {}
}

const collector = { minor: () => undefined, full: () => undefined }
const outbox = { reply: () => undefined, fail: () => undefined, event: () => undefined }

/** Raw bytes, or bytes with the right length, version and session that may carry a right tag. */
const datagrams = fc.oneof(
  fc.record({ bytes: fc.uint8Array({ maxLength: 1500 }), sealed: fc.constant(false) }),
  fc.record({
    bytes: fc
      .tuple(fc.integer({ min: 1, max: 12 }), fc.uint8Array({ minLength: 1408, maxLength: 1408 }), fc.nat(1))
      .map(([type, body, slot]) => {
        const bytes = body.slice(0, DATAGRAM_LENGTHS[type])
        bytes.set([type, 1, slot, 0])
        bytes.set(sessionId, 4)
        // Small sequences, so that they hit what there is.
        bytes.fill(0, 28, 31)
        return bytes
      }),
    sealed: fc.boolean(),
  }),
)

test('what the parser passes has one of twelve lengths and can be read', () => {
  let passed = 0
  fc.assert(
    fc.property(datagrams, fc.nat(40), ({ bytes }, offset) => {
      const padded = new Uint8Array(offset + bytes.length)
      padded.set(bytes, offset)
      if (datagramFault(padded, offset, bytes.length) !== undefined) {
        expect(() => readHeader(padded, offset, bytes.length)).toThrow(RangeError)
        return
      }
      passed++
      const header = readHeader(padded, offset, bytes.length)
      expect(DATAGRAM_LENGTHS[header.type]).toBe(bytes.length)
      expect(bytes.length).toBeGreaterThanOrEqual(HEADER_BYTES)
      expect(header.sequence).toBeGreaterThanOrEqual(0)
    }),
    { numRuns: NUM_RUNS },
  )
  expect(passed).toBeGreaterThan(NUM_RUNS / 10)
})

describe('engines', () => {
  const gmac = crypto.createGmac(key)
  const region = crypto.allocate(2048)

  /** Feeds it; never more than three times the bytes come back. */
  function feed(engine: Engine, transport: Recorder): void {
    let received = 0
    fc.assert(
      fc.property(datagrams, ({ bytes, sealed }) => {
        region.bytes.set(bytes)
        if (sealed) sealInPlace(gmac, region, 0, bytes.length)
        received += bytes.length
        engine.onDatagram(region, 0, bytes.length, performance.now() * 1000, source)
        engine.afterReceive(true)
        engine.tick(performance.now() * 1000)
        expect(engine.nextDueMicros()).not.toBeNaN()
      }),
      { numRuns: NUM_RUNS },
    )
    expect(transport.sentBytes).toBeLessThanOrEqual(3 * received)
  }

  test('a member before consent', () => {
    const transport = new Recorder()
    const engine = new MemberEngine({ transport, crypto, outbox, collector })
    const session = { sessionId, key, maxBytes: 2 ** 40, expiresAtMs: Date.now() + 60_000 }
    engine.onRequest(1, { op: 'addSession', session })
    feed(engine, transport)
    engine.close()
  })

  test('a prover in a slot', () => {
    const transport = new Recorder()
    const engine = new ProverEngine({
      transport,
      crypto,
      outbox,
      collector,
      meter: { waitedMicros: () => 0 },
    })
    engine.onRequest(1, { op: 'addPath', path: { sessionId, key, remote: ENDPOINT } })
    const members = [{ sessionId, packetCount: 200 }]
    engine.onRequest(2, {
      op: 'runSlot',
      order: { slot: 1, attempt: 0, tauMicros: 1_000_000, drainMicros: 60e6, members },
    })
    feed(engine, transport)
    engine.close()
  })
})
