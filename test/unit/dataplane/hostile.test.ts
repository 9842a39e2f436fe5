/** What strangers and cheats can send to the two ports, and what it does. */
import { afterEach, describe, expect, test } from 'vitest'
import type { BackendName, ConsentClaim } from '../../../src/dataplane/index.js'
import { DatagramType, encodeConsentBody, HEADER_BYTES, writeU32 } from '../../../src/pob/datagram.js'
import {
  bytes,
  consent,
  DEADLINE_MS,
  grant,
  openTeam,
  RawPeer,
  runSlot,
  sleep,
  type TeamOptions,
  type TestMember,
  type TestTeam,
  until,
} from './harness.js'

const backends: readonly BackendName[] = process.platform === 'linux' ? ['native', 'dgram'] : ['dgram']
const HELLO_BODY = new Uint8Array(96)

let team: TestTeam | undefined
const peers: RawPeer[] = []
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close()
  await team?.close()
  team = undefined
})

async function one(options: TeamOptions): Promise<{ team: TestTeam; member: TestMember }> {
  const opened = await openTeam({ ...options, count: 1 })
  team = opened
  const [member] = opened.members
  if (member === undefined) throw new Error('no member')
  return { team: opened, member }
}

/** A peer of the member's plane; with its key unless another is given. */
async function peerOf(
  member: TestMember,
  key: Uint8Array = member.key,
  host = '127.0.0.1',
): Promise<RawPeer> {
  const to = { host: '127.0.0.1', port: member.plane.endpoint.port }
  const peer = await RawPeer.open(to, member.sessionId, key, host)
  peers.push(peer)
  return peer
}

const goBody = (delayMicros: number): Uint8Array => {
  const body = new Uint8Array(4)
  writeU32(body, 0, delayMicros)
  return body
}

describe.each(backends)('%s', (backend) => {
  const both = { member: backend, prover: backend } as const

  test('before consent: one nonce a hello, never more than three times the bytes; nothing for strangers', async () => {
    const { member } = await one({ ...both, unconsented: true })
    const peer = await peerOf(member)
    const stranger = await peerOf(member, bytes(16))
    await stranger.send(stranger.seal(DatagramType.hello, 0, HELLO_BODY))
    await peer.send(peer.seal(DatagramType.probe, 0, bytes(8)))
    await peer.send(peer.seal(DatagramType.go, 0, goBody(0), 1, 0))
    for (let i = 0; i < 5; i++) await peer.send(peer.seal(DatagramType.hello, 0, HELLO_BODY))
    await until(async () => peer.received.length >= 5)
    await sleep(20)
    expect(stranger.received).toHaveLength(0)
    expect(new Set(peer.received.map((datagram) => datagram[0]))).toEqual(new Set([DatagramType.nonce]))
    const got = peer.received.reduce((sum, { length }) => sum + length, 0)
    expect(got).toBeLessThanOrEqual(3 * (5 * 128 + 40 + 36))
    const counters = await member.plane.counters()
    expect(counters.badTag).toBe(1)
  })

  test("consent needs the nonce, the tag and the handler's yes; then it is bound to its 5-tuple", async () => {
    const claims: ConsentClaim[] = []
    let answer = false
    const { member } = await one({
      ...both,
      unconsented: true,
      onConsent: async (claim) => {
        claims.push(claim)
        return answer
      },
    })
    const peer = await peerOf(member)
    const consentOf = (nonce: Uint8Array): Uint8Array =>
      peer.seal(DatagramType.consent, 0, encodeConsentBody(grant(nonce)))
    await peer.send(consentOf(bytes(32)))
    await peer.send(peer.seal(DatagramType.hello, 0, HELLO_BODY))
    const nonce = (await peer.next(DatagramType.nonce)).slice(HEADER_BYTES)
    await peer.send(consentOf(bytes(32)))
    // From a 5-tuple that never got the nonce.
    const other = await peerOf(member)
    await other.send(consentOf(nonce))
    await sleep(30)
    expect(claims).toHaveLength(0)
    await peer.send(consentOf(nonce))
    await until(async () => claims.length === 1)
    expect(claims[0]).toMatchObject({ nonce, sessionId: member.sessionId })
    expect(claims[0]?.remote.port).toBe(peer.socket.address().port)
    await sleep(30)
    expect((await member.plane.pathStatistics(member.sessionId)).consented).toBe(false)
    answer = true
    await peer.send(consentOf(nonce))
    await peer.next(DatagramType.ready)
    expect((await member.plane.pathStatistics(member.sessionId)).consented).toBe(true)
    // Right key, another port.
    const before = (await member.plane.counters()).unknownSession
    await other.send(other.seal(DatagramType.probe, 1, bytes(8)))
    await until(async () => (await member.plane.counters()).unknownSession > before)
    expect(other.received).toHaveLength(0)
  })

  // The victim is another address, or the same one with another port; what it receives, the attacker never sees.
  const victims = process.platform === 'linux' ? ['127.0.0.2', '127.0.0.1'] : ['127.0.0.1']
  test.each(victims)('a nonce is worth nothing from %s, to which it was not sent', async (host) => {
    const claims: ConsentClaim[] = []
    const { member } = await one({
      ...both,
      unconsented: true,
      onConsent: async (claim) => {
        claims.push(claim)
        return true
      },
    })
    const { sessionId, seed, plane } = member
    const attacker = await peerOf(member)
    const victim = await peerOf(member, member.key, host)
    const hello = attacker.seal(DatagramType.hello, 0, HELLO_BODY)
    await attacker.send(hello)
    const nonce = (await attacker.next(DatagramType.nonce)).slice(HEADER_BYTES)
    const consent = attacker.seal(DatagramType.consent, 0, encodeConsentBody(grant(nonce)))
    const train = { sessionId, slot: 0, attempt: 0 }
    await plane.prepareTrain({ ...train, seed, packetCount: 50, rateKbps: 50_000, armedForMs: DEADLINE_MS })
    const spoofed = [hello, consent, attacker.seal(DatagramType.go, 0, goBody(0), 0, 0), hello, consent]
    for (const datagram of spoofed) await victim.send(datagram)
    await until(async () => (await plane.counters()).received > spoofed.length)
    await sleep(50)
    expect(claims).toHaveLength(0)
    expect(victim.received.map((datagram) => datagram[0])).toEqual([DatagramType.nonce, DatagramType.nonce])
    const layer3 = (datagrams: readonly Uint8Array[]): number =>
      datagrams.reduce((sum, { length }) => sum + length + 28, 0)
    expect(layer3(victim.received)).toBeLessThanOrEqual(3 * layer3(spoofed))
    // Its own nonce, the same every time, and in another datagram than the attacker's: one GMAC nonce, one text.
    const [first, second] = victim.received
    expect(first).toEqual(second)
    expect(first?.slice(HEADER_BYTES)).not.toEqual(nonce)
    expect(first?.slice(28, 32)).not.toEqual(attacker.received[0]?.slice(28, 32))
    // Hellos from elsewhere cost the one who was sent the nonce nothing.
    await attacker.send(consent)
    await attacker.next(DatagramType.ready)
    expect(claims[0]?.remote).toEqual({ host: '127.0.0.1', port: attacker.socket.address().port })
    expect((await plane.pathStatistics(sessionId)).remote).toEqual(claims[0]?.remote)
    await attacker.send(hello)
    await attacker.send(consent)
    await until(async () => attacker.received.length === 4)
    const again = attacker.received.filter(([type]) => type === DatagramType.nonce).at(-1)
    expect(again?.slice(HEADER_BYTES)).toEqual(nonce)
    await attacker.send(attacker.seal(DatagramType.go, 0, goBody(0), 0, 0))
    expect(await plane.collectTrain(train)).toMatchObject({ sentPackets: 50, stoppedBy: 'done' })
    expect(victim.received).toHaveLength(2)
  })

  test('a new port of a NAT before consent says hello again, and consents', async () => {
    const { member } = await one({ ...both, unconsented: true })
    const before = await peerOf(member)
    const after = await peerOf(member)
    await before.send(before.seal(DatagramType.hello, 0, HELLO_BODY))
    await after.send(after.seal(DatagramType.hello, 0, HELLO_BODY))
    const nonce = (await after.next(DatagramType.nonce)).slice(HEADER_BYTES)
    const consent = after.seal(DatagramType.consent, 0, encodeConsentBody(grant(nonce)))
    await before.send(consent)
    await after.send(consent)
    await after.send(consent)
    await after.next(DatagramType.ready)
    const { remote } = await member.plane.pathStatistics(member.sessionId)
    expect(remote?.port).toBe(after.socket.address().port)
    expect(before.received.some(([type]) => type === DatagramType.ready)).toBe(false)
  })

  test('go: ignored unarmed, with a wrong tag, from elsewhere, and when it comes again', async () => {
    const { member } = await one({ ...both, unconsented: true })
    const peer = await peerOf(member)
    await peer.send(peer.seal(DatagramType.hello, 0, HELLO_BODY))
    const nonce = (await peer.next(DatagramType.nonce)).slice(HEADER_BYTES)
    await peer.send(peer.seal(DatagramType.consent, 0, encodeConsentBody(grant(nonce))))
    await peer.next(DatagramType.ready)
    const data = (): number => peer.received.filter(([type]) => type === DatagramType.data).length
    const go = (slot: number, attempt: number): Uint8Array =>
      peer.seal(DatagramType.go, 0, goBody(1000), slot, attempt)
    await peer.send(go(1, 0))
    const order = { sessionId: member.sessionId, seed: member.seed, packetCount: 20, rateKbps: 20_000 }
    await member.plane.prepareTrain({ ...order, slot: 1, attempt: 0, armedForMs: DEADLINE_MS })
    const forged = go(1, 0)
    forged[20] = (forged[20] ?? 0) ^ 1
    await peer.send(forged)
    await peer.send(go(1, 1))
    const elsewhere = await peerOf(member)
    await elsewhere.send(go(1, 0))
    await sleep(50)
    expect(data()).toBe(0)
    await peer.send(go(1, 0))
    await peer.send(go(1, 0))
    await until(async () => data() >= 20)
    await peer.send(go(1, 0))
    await sleep(50)
    expect(data()).toBe(20)
    // The same slot and attempt would seal other bytes under the same nonces.
    const again = member.plane.prepareTrain({ ...order, slot: 1, attempt: 0, armedForMs: 100 })
    await expect(again).rejects.toMatchObject({ code: 'EXISTS' })
  })

  test('stop ends a train; a train without go ends by itself', async () => {
    const { team, member } = await one(both)
    const { sessionId, seed } = member
    const order = { sessionId, seed, packetCount: 800, rateKbps: 10_000, armedForMs: 50 }
    await member.plane.prepareTrain({ ...order, slot: 5, attempt: 0 })
    const idle = await member.plane.collectTrain({ sessionId, slot: 5, attempt: 0 })
    expect(idle).toMatchObject({ started: false, sentPackets: 0, stoppedBy: 'never_started', acks: [] })

    await member.plane.prepareTrain({ ...order, slot: 6, attempt: 0, armedForMs: DEADLINE_MS })
    const slot = team.prover.runSlot({
      slot: 6,
      attempt: 0,
      tauMicros: 900_000,
      drainMicros: 1000,
      members: [{ sessionId, packetCount: 800, rttMicros: 0 }],
    })
    slot.catch(() => undefined)
    await until(async () => (await team.prover.counters()).received > 20)
    // A prover that closes says stop.
    await team.prover.close()
    const report = await member.plane.collectTrain({ sessionId, slot: 6, attempt: 0 })
    expect(report).toMatchObject({ started: true, stoppedBy: 'stop' })
    expect(report.sentPackets).toBeLessThan(800)
    await expect(slot).rejects.toThrow()
  })

  test('a prover drops forged, replayed, foreign and out-of-range packets', async () => {
    const { team, member } = await one(both)
    const to = { host: '127.0.0.1', port: team.prover.endpoint.port }
    const forger = await RawPeer.open(to, member.sessionId, bytes(16))
    const insider = await RawPeer.open(to, member.sessionId, member.key)
    const stranger = await RawPeer.open(to, bytes(8), member.key)
    peers.push(forger, insider, stranger)
    const payload = bytes(1376)
    const result = await runSlot(team, {
      tauMicros: 200_000,
      meanwhile: async () => {
        await until(async () => (await team.prover.counters()).received > 60)
        await forger.send(forger.seal(DatagramType.data, 300, payload, 0, 0))
        await stranger.send(stranger.seal(DatagramType.data, 300, payload, 0, 0))
        // Right key: a packet number that is there (a replay would be the same), one past the end, another slot.
        await insider.send(insider.seal(DatagramType.data, 0, payload, 0, 0))
        await insider.send(insider.seal(DatagramType.data, 100_000, payload, 0, 0))
        await insider.send(insider.seal(DatagramType.data, 300, payload, 0, 1))
        await insider.send(insider.seal(DatagramType.data, 1, payload, 0, 0).subarray(0, 1000))
      },
    })
    expect(result.capture.statistics).toMatchObject({
      packets: result.packetCount,
      badTag: 1,
      duplicates: 1,
    })
    const counters = await team.prover.counters()
    expect(counters).toMatchObject({ badTag: 1, unknownSession: 1, badFormat: 2 })
  })

  test('a flood of acks costs the train nothing', async () => {
    const { team, member } = await one(both)
    const { capture, reports, packetCount } = await runSlot(team, {
      rateKbps: 10_000,
      tauMicros: 300_000,
      meanwhile: async () => {
        const flood = await peerOf(member)
        const forged = await peerOf(member, bytes(16))
        const good = flood.seal(DatagramType.ack, 7, bytes(32), 0, 0)
        const bad = forged.seal(DatagramType.ack, 7, bytes(32), 0, 0)
        for (let i = 0; i < 1500; i++) await (i % 2 === 0 ? flood.send(good) : forged.send(bad))
      },
    })
    expect(reports[0]).toMatchObject({ sentPackets: packetCount, stoppedBy: 'done', conflictingAcks: 0 })
    expect(capture.statistics.packets).toBe(packetCount)
  })
})

describe('caps', () => {
  const backend: BackendName = process.platform === 'linux' ? 'native' : 'dgram'

  test('memory, bytes, sessions', async () => {
    const { member } = await one({ member: backend, prover: backend, maxBytes: 1_000_000 })
    const { sessionId, seed, plane } = member
    const order = { sessionId, seed, slot: 0, attempt: 0, rateKbps: 1_000_000, armedForMs: 1000 }
    await expect(plane.prepareTrain({ ...order, packetCount: 10 ** 6 })).rejects.toMatchObject({
      code: 'BUSY',
    })
    await expect(plane.prepareTrain({ ...order, packetCount: 1000 })).rejects.toMatchObject({
      code: 'DENIED',
    })
    await plane.prepareTrain({ ...order, packetCount: 100 })
    const twice = { sessionId, key: bytes(16), maxBytes: 1, expiresAtMs: Date.now() + 1000 }
    await expect(plane.addSession(twice)).rejects.toMatchObject({ code: 'EXISTS' })
    const many = Array.from({ length: 300 }, () =>
      plane.addSession({ ...twice, sessionId: bytes(8) }).catch((error: unknown) => error),
    )
    const refused = (await Promise.all(many)).filter((result) => result !== undefined)
    expect(refused.length).toBe(300 - 255)
    expect(refused[0]).toMatchObject({ code: 'BUSY' })
  })

  test('a member that sends more than it was granted is stopped', async () => {
    // Enough for 50 packets after the handshake.
    const { team } = await one({ member: backend, prover: backend, maxBytes: 50 * 1436 + 500 })
    const { reports } = await runSlot(team, { behaviours: [{ copies: 2 }], rateKbps: 5_000 }).catch(() => ({
      reports: [],
    }))
    expect(reports[0]).toMatchObject({ stoppedBy: 'cap' })
    expect(reports[0]?.sentPackets).toBeLessThanOrEqual(50)
  })

  test('consent ends at its time', async () => {
    const { team, member } = await one({ member: backend, prover: backend, unconsented: true })
    const nonce = await team.prover.hello(member.sessionId, DEADLINE_MS)
    const expiresAt = Math.floor(Date.now() / 1000) + 1
    await team.prover.consent(member.sessionId, { ...grant(nonce), expiresAt }, DEADLINE_MS)
    const { sessionId, plane } = member
    await until(
      async () => !(await plane.pathStatistics(sessionId).catch(() => ({ consented: false }))).consented,
    )
  })
})

test('an exchange that nobody answers ends with the remedy', async () => {
  const { team, member } = await one({ unconsented: true, member: 'dgram', prover: backends[0] ?? 'dgram' })
  await member.plane.close()
  const answer = team.prover.hello(member.sessionId, 300)
  await expect(answer).rejects.toMatchObject({ code: 'UNREACHABLE' })
  await expect(consent(team.prover, { ...member, sessionId: bytes(8) })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  })
})
