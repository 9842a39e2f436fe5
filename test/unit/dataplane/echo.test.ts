/** Slots of an uplink over real sockets: everything comes back once, and nothing that was not sent counts. */
import { afterEach, expect, test } from 'vitest'
import { keystreamPackets } from '../../../src/crypto/keystream.js'
import type { BackendName } from '../../../src/dataplane/index.js'
import { DatagramType } from '../../../src/pob/datagram.js'
import { bytes, openTeam, RawPeer, runSlot, type TestTeam } from './harness.js'

let team: TestTeam | undefined
afterEach(async () => {
  await team?.close()
  team = undefined
})
const backends: readonly BackendName[] = process.platform === 'linux' ? ['native', 'dgram'] : ['dgram']

test.each(backends)('%s: what comes back is what was sent, and nobody acknowledges', async (backend) => {
  team = await openTeam({ member: backend, prover: backend, count: 1 })
  const { capture, reports, packetCount } = await runSlot(team, { echo: true, drainMicros: 2_000_000 })
  const [report] = reports
  const { counts = [], ownMicros = [] } = report?.echoes ?? {}
  expect(capture.acks).toEqual([])
  expect(report?.acks).toEqual([])
  expect(capture.statistics.packets).toBe(packetCount)
  expect(counts.at(-1)).toBe(packetCount)
  expect(counts).toHaveLength(ownMicros.length)
  expect(ownMicros.every((micros, k) => Number.isInteger(micros) && micros >= (ownMicros[k - 1] ?? 1))).toBe(
    true,
  )
  const sent = await team.members[0]?.plane.counters()
  // Hello, consent, go and probes aside the member gets its own packets, and no more bytes than it sent.
  expect(sent?.receivedBytes).toBeLessThan((sent?.sentBytes ?? 0) + 5000)
})

test('a second slot of the session echoes too, and a downlink does not', async () => {
  team = await openTeam({ count: 1 })
  for (const slot of [0, 1]) {
    const { reports, packetCount } = await runSlot(team, { slot, echo: true, drainMicros: 2_000_000 })
    expect(reports[0]?.echoes?.counts.at(-1)).toBe(packetCount)
  }
  const { reports } = await runSlot(team, { slot: 2, drainMicros: 2_000_000 })
  expect(reports[0]?.echoes).toBeUndefined()
})

test('echoes of bytes that were not sent do not count, whatever their tag', async () => {
  team = await openTeam({ member: 'dgram', prover: 'dgram', count: 1, unconsented: true })
  const [member] = team.members
  if (member === undefined) throw new Error('no member')
  const { plane, sessionId, key, seed } = member
  const peer = await RawPeer.open({ host: '127.0.0.1', port: plane.endpoint.port }, sessionId, key)
  try {
    await peer.send(peer.seal(DatagramType.hello, 0, new Uint8Array(96)))
    const nonce = (await peer.next(DatagramType.nonce)).slice(32)
    const { encodeConsentBody } = await import('../../../src/pob/datagram.js')
    const body = { nonce, expiresAt: Math.floor(Date.now() / 1000) + 60, maxBytes: 1e8, signature: bytes(65) }
    await peer.send(peer.seal(DatagramType.consent, 0, encodeConsentBody(body)))
    await peer.next(DatagramType.ready)
    const order = { sessionId, slot: 0, attempt: 0, seed, packetCount: 40, rateKbps: 20_000, echo: true }
    await plane.prepareTrain({ ...order, armedForMs: 10_000 })
    await peer.send(peer.seal(DatagramType.go, 0, new Uint8Array(4), 0, 0))
    await peer.next(DatagramType.data)
    const report = plane.collectTrain({ sessionId, slot: 0, attempt: 0 })
    const honest = keystreamPackets(seed, 0, 1)
    const garbage = honest.slice()
    garbage[1375] = (garbage[1375] ?? 0) ^ 1
    await peer.send(peer.seal(DatagramType.echo, 0, garbage, 0, 0))
    await peer.send(peer.seal(DatagramType.echo, 0, keystreamPackets(seed, 1, 1), 0, 0))
    await peer.send(peer.seal(DatagramType.echo, 0, honest, 0, 1))
    await peer.send(peer.seal(DatagramType.echo, 0, honest, 0, 0))
    await peer.send(peer.seal(DatagramType.echo, 0, honest, 0, 0))
    expect((await report).echoes?.counts).toEqual([1])
  } finally {
    peer.close()
  }
})
