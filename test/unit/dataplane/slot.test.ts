import { afterEach, describe, expect, test } from 'vitest'
import { arrivalDigests } from '../../../src/crypto/keystream.js'
import type { BackendName } from '../../../src/dataplane/index.js'
import { ackRoot } from '../../../src/pob/ack-tree.js'
import { decodeOrder, orderLength } from '../../../src/pob/arrival-order.js'
import {
  bytes,
  LAYER3_BITS,
  openTeam,
  runSlot,
  type SlotOptions,
  type SlotResult,
  type TestTeam,
} from './harness.js'

const NATIVE = process.platform === 'linux'
const pairs: readonly (readonly [BackendName, BackendName])[] = NATIVE
  ? [
      ['native', 'native'],
      ['dgram', 'dgram'],
      ['native', 'dgram'],
      ['dgram', 'native'],
    ]
  : [['dgram', 'dgram']]
const backend: BackendName = NATIVE ? 'native' : 'dgram'

let team: TestTeam | undefined
afterEach(async () => {
  await team?.close()
  team = undefined
})

/** What every honest slot must satisfy, whatever the machine was doing. */
function expectProof(result: SlotResult, seeds: readonly Uint8Array[]): void {
  const { capture, reports, packetCount } = result
  seeds.forEach((seed, i) => {
    const runs = decodeOrder(capture.orders[i] ?? bytes(1), packetCount)
    const counts = capture.acks.map((ack) => ack.counts[i] ?? -1)
    expect(orderLength(runs)).toBe(counts.at(-1))
    expect(arrivalDigests(seed, runs, counts)).toEqual(capture.acks.map((ack) => ack.digests[i]))
  })
  for (const { counts, digests, root } of capture.acks) expect(ackRoot(counts, digests)).toEqual(root)
  for (const report of reports) {
    if (report === undefined) continue
    for (const ack of report.acks) expect(ack.root).toEqual(capture.acks[ack.k]?.root)
    const ks = report.acks.map(({ k }) => k)
    expect(ks).toEqual([...ks].sort((a, b) => a - b))
    const times = report.acks.map(({ ownMicros }) => ownMicros)
    expect(times.every((micros) => Number.isInteger(micros) && micros >= 1)).toBe(true)
    expect(report.conflictingAcks).toBe(0)
  }
}

/** Above this a train is dirty (docs/protocol.md section 7): its times say nothing. */
const CLEAN_MICROS = 3000
const ATTEMPTS = 6

const isClean = ({ reports }: SlotResult): boolean =>
  reports.every((report) => (report?.latenessMicros ?? 0) <= CLEAN_MICROS)

/**
 * On a machine that is busy with other things a sender may be held up for longer than a slot waits: run it again, as
 * the protocol does, until it is whole and clean. Where none is both, a whole one has to be among them.
 */
async function wholeSlot(opened: TestTeam, options: SlotOptions): Promise<SlotResult> {
  let best: SlotResult | undefined
  for (let attempt = 0; ; attempt++) {
    const result = await runSlot(opened, { ...options, attempt })
    const isWhole = result.capture.statistics.packets === result.packetCount * opened.members.length
    if (isWhole && isClean(result)) return result
    if (isWhole) best ??= result
    if (attempt === ATTEMPTS) return best ?? result
  }
}

describe.each(pairs)('%s members, %s prover', (memberBackend, proverBackend) => {
  test('a slot of three members proves itself', async () => {
    team = await openTeam({ member: memberBackend, prover: proverBackend, count: 3 })
    expect(team.prover.backend.name).toBe(proverBackend)
    expect(team.prover.backend.timestamps).toBe(proverBackend === 'native' ? 'kernel' : 'user')
    const result = await wholeSlot(team, { rateKbps: 17_000 })
    expectProof(
      result,
      team.members.map(({ seed }) => seed),
    )
    const { capture, packetCount, reports } = result
    expect(capture.statistics.packets).toBe(3 * packetCount)
    expect(capture.acks.at(-1)?.counts).toEqual([packetCount, packetCount, packetCount])
    expect(capture.statistics).toMatchObject({ duplicates: 0, badTag: 0, reordered: 0 })
    expect(capture.statistics.deciles.reduce((sum, part) => sum + part, 0)).toBe(3 * packetCount)
    for (const report of reports) {
      expect(report).toMatchObject({ started: true, sentPackets: packetCount, stoppedBy: 'done' })
      if (!isClean(result)) continue
      // Nobody's last ack comes before the train is as long as it has to be.
      expect(report?.acks.at(-1)?.ownMicros).toBeGreaterThan(90_000)
      expect(report?.acks[0]?.ownMicros).toBeGreaterThan(70_000)
    }
  })

  test('probes give both sides a round-trip time', async () => {
    team = await openTeam({ member: memberBackend, prover: proverBackend, count: 1 })
    const [member] = team.members
    if (member === undefined) throw new Error('no member')
    const result = await team.prover.probe(member.sessionId, { count: 8, intervalMs: 4 })
    expect(result).toMatchObject({ sent: 8, received: 8 })
    expect(result.rttMinMicros).toBeGreaterThan(0)
    expect(result.rttMedianMicros).toBeGreaterThanOrEqual(result.rttMinMicros)
    const statistics = await member.plane.pathStatistics(member.sessionId)
    expect(statistics.consented).toBe(true)
    expect(statistics.samples).toBeGreaterThan(0)
    expect(statistics.remote?.port).toBe(team.prover.endpoint.port)
  })
})

test('IPv6', async () => {
  team = await openTeam({ member: backend, prover: backend, host: '::1', count: 2 })
  const result = await runSlot(team)
  expectProof(
    result,
    team.members.map(({ seed }) => seed),
  )
  expect(result.capture.statistics.packets).toBe(2 * result.packetCount)
})

test('super-packets: 400 Mbit/s a member', async () => {
  team = await openTeam({ member: backend, prover: backend, count: 1 })
  const result = await runSlot(team, { rateKbps: 400_000, tauMicros: 50_000 })
  expectProof(
    result,
    team.members.map(({ seed }) => seed),
  )
  expect(result.reports[0]?.sentPackets).toBe(result.packetCount)
})

test('slots follow one another; a slot and attempt run once', async () => {
  team = await openTeam({ member: backend, prover: backend, count: 2 })
  for (const attempt of [0, 1]) {
    const { capture, packetCount } = await runSlot(team, { slot: 3, attempt, tauMicros: 40_000 })
    expect(capture.statistics.packets).toBe(2 * packetCount)
  }
  await expect(runSlot(team, { slot: 3, attempt: 1 })).rejects.toMatchObject({ code: 'EXISTS' })
})

test('silent and absent members do not hold a slot up', async () => {
  team = await openTeam({ member: backend, prover: backend, count: 2 })
  const { capture, packetCount, reports } = await runSlot(team, { silent: [1], tauMicros: 60_000 })
  expect(capture.acks.at(-1)?.counts).toEqual([packetCount, 0])
  expect(capture.orders[1]).toHaveLength(0)
  expect(reports[0]?.acks.length).toBeGreaterThan(0)

  const absent = await team.prover.runSlot({
    slot: 9,
    attempt: 0,
    tauMicros: 20_000,
    drainMicros: 30_000,
    members: [{ packetCount: 10 }, { packetCount: 10 }],
  })
  expect(absent.acks).toEqual([])
  expect(absent.orders.map(({ length }) => length)).toEqual([0, 0])
})

test("first send and own time are the member's: at least the time its packets take", async () => {
  team = await openTeam({ member: backend, prover: backend, count: 2 })
  const result = await wholeSlot(team, { rateKbps: 30_000 })
  const { capture, reports, packetCount } = result
  const sending = ((packetCount - 1) * LAYER3_BITS) / 30
  for (const report of reports) {
    const last = report?.acks.at(-1)
    expect(last?.k).toBe(capture.acks.length - 1)
    if (isClean(result)) expect(last?.ownMicros).toBeGreaterThanOrEqual(sending * 0.95)
  }
})

// A prover that turned in a circle from the first ack on, outranking every thread on its core, kept a sender there from
// sending for a quarter of the slot: three slots of ten lost packets on two cores.
test.runIf(NATIVE)('past the moment of an ack the next packet is waited for asleep', async () => {
  team = await openTeam({ member: backend, prover: backend, count: 1 })
  // Five packets, 20 ms apart; acks are due from 75 ms on.
  const busyShares: number[] = []
  for (let slot = 0; slot < 3; slot++) {
    const { capture, packetCount } = await wholeSlot(team, { slot, rateKbps: 500 })
    expect(capture.statistics.packets).toBe(packetCount)
    expect(capture.acks.length).toBeGreaterThan(0)
    busyShares.push(capture.statistics.busyShare)
  }
  expect(Math.min(...busyShares)).toBeLessThan(0.12)
})

describe('laboratory behaviours', () => {
  test('a share of the packets, late, and copies', async () => {
    team = await openTeam({ member: backend, prover: backend, count: 3 })
    const behaviours = [{ sendShare: 0.5 }, { copies: 3 }, { startDelayMs: 30 }]
    const result = await runSlot(team, { behaviours })
    const { capture, packetCount } = result
    expect(capture.acks.at(-1)?.counts).toEqual([Math.round(packetCount / 2), packetCount, packetCount])
    expect(capture.statistics.duplicates).toBe(2 * packetCount)
    expectProof(
      result,
      team.members.map(({ seed }) => seed),
    )
  })

  test('garbage has right tags and wrong digests', async () => {
    team = await openTeam({ member: backend, prover: backend, count: 1 })
    const { capture, packetCount } = await runSlot(team, { behaviours: [{ garbage: true }] })
    expect(capture.statistics).toMatchObject({ packets: packetCount, badTag: 0 })
    const runs = decodeOrder(capture.orders[0] ?? bytes(1), packetCount)
    const [member] = team.members
    const [digest] = arrivalDigests(member?.seed ?? bytes(32), runs, [packetCount])
    expect(digest).not.toEqual(capture.acks.at(-1)?.digests[0])
  })

  test('phantoms count without having been received', async () => {
    team = await openTeam({ member: backend, prover: backend, count: 2 })
    const packetCount = Math.ceil((20_000 * 100_000) / (LAYER3_BITS * 1000))
    const seed = team.members[1]?.seed ?? bytes(32)
    const phantoms = [{ position: 1, seed, packetCount, afterMs: 20 }]
    const result = await runSlot(team, { silent: [1], capture: { phantoms } })
    expect(result.capture.acks.at(-1)?.counts).toEqual([packetCount, packetCount])
    expectProof(
      result,
      team.members.map((member) => member.seed),
    )
  })

  test('another root is told to one member, dropped packets are not counted', async () => {
    team = await openTeam({ member: backend, prover: backend, count: 2 })
    const { capture, reports, packetCount } = await runSlot(team, {
      capture: { equivocateTo: [1], dropShare: 0.25 },
    })
    const last = capture.acks.at(-1)
    expect(last?.counts[0]).toBe(packetCount - Math.floor(packetCount / 4))
    expect(reports[0]?.acks.at(-1)?.root).toEqual(last?.root)
    expect(reports[1]?.acks.at(-1)?.root).not.toEqual(last?.root)
  })
})
