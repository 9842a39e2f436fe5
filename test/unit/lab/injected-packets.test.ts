/** Packets with other people's addresses, and the schedules of a hostile network. */
import { describe, expect, it } from 'vitest'
import { fastCrypto } from '../../../src/crypto/fast/index.js'
import { decoyAcks, mirrorsOf } from '../../../src/dataplane/behaviour.js'
import { openInPlace, sealedDatagram } from '../../../src/dataplane/seal.js'
import { NETWORK_ATTACKS, type NetworkAttack } from '../../../src/lab/adversary/attack.js'
import {
  decodeCaptured,
  encodeCaptured,
  headerOf,
  parseCaptured,
} from '../../../src/lab/adversary/capture.js'
import { forgedDatagram } from '../../../src/lab/adversary/injector.js'
import { NetworkAdversary, phasesOf } from '../../../src/lab/adversary/network.js'
import { INJECTED_MARK, writeUdpPacket } from '../../../src/lab/adversary/raw-socket.js'
import { pinned } from '../../../src/lab/libc.js'
import type { HostName } from '../../../src/lab/network.js'
import { type RelayRule, RelaySchedule } from '../../../src/lab/relay-schedule.js'
import { DatagramType, datagramFault, MAX_ACKS } from '../../../src/pob/datagram.js'

const CHALLENGERS = 10
const member = { host: '10.100.0.2', port: 4701 }
const prover = { host: '10.90.0.2', port: 50_000 }
const { crypto } = fastCrypto()
const gmac = crypto.createGmac(new Uint8Array(16).fill(7))
const scratch = crypto.allocate(2048)
const sessionId = new Uint8Array(8).fill(5)
const ack = sealedDatagram(
  gmac,
  scratch,
  { type: DatagramType.ack, slot: 2, attempt: 1, sessionId, sequence: 9 },
  new Uint8Array(32),
)

describe('a raw packet', () => {
  it('carries the address that it is given, and is told apart from a captured one', () => {
    const memory = pinned(2048)
    const length = writeUdpPacket(memory, { from: prover, to: member, payload: ack })
    expect(length).toBe(28 + ack.length)
    expect(parseCaptured(memory.buffer, length)).toBeUndefined()
    expect(memory.buffer[1]).toBe(INJECTED_MARK)
    memory.buffer[1] = 0
    const captured = parseCaptured(memory.buffer, length)
    expect(captured).toEqual({ from: prover, to: member, payload: ack })
    if (captured === undefined) throw new Error('not captured')
    expect(decodeCaptured(encodeCaptured(captured))).toEqual(captured)
  })

  it.each([
    ['TCP', 9, 6],
    ['an IPv6 packet', 0, 0x60],
    ['another version of ours', 29, 9],
  ])('is not taken for a datagram of ours where it is %s', (_, at, value) => {
    const memory = pinned(2048)
    const length = writeUdpPacket(memory, { from: prover, to: member, payload: ack })
    memory.buffer[1] = 0
    memory.buffer[at] = value
    expect(parseCaptured(memory.buffer, length)).toBeUndefined()
  })
})

describe('a forged datagram', () => {
  it.each([DatagramType.data, DatagramType.ack, DatagramType.go, DatagramType.stop, DatagramType.consent])(
    'of type %i is well-formed and of the true session, and has no right tag',
    (type) => {
      const forged = forgedDatagram(type, ack)
      expect(datagramFault(forged, 0, forged.length)).toBeUndefined()
      expect(forged.slice(4, 12)).toEqual(sessionId)
      const inSlot = type === DatagramType.data || type === DatagramType.ack || type === DatagramType.go
      expect(headerOf(forged)).toMatchObject({ type, slot: inSlot ? 2 : 0, attempt: inSlot ? 1 : 0 })
      scratch.bytes.set(forged)
      expect(openInPlace(gmac, scratch, 0, forged.length)).toBe(false)
    },
  )

  it('is refused for its tag alone: the captured one opens', () => {
    scratch.bytes.set(ack)
    expect(openInPlace(gmac, scratch, 0, ack.length)).toBe(true)
  })
})

describe("a corrupt prover's capture", () => {
  it('counts a mirrored packet in the other place too, and none of that place’s own', () => {
    const behaviour = { mirrors: [{ from: 1, to: 0 }] }
    expect(mirrorsOf(behaviour, 1)).toEqual({ isTarget: false, targets: [0] })
    expect(mirrorsOf(behaviour, 0)).toEqual({ isTarget: true, targets: [] })
    expect(mirrorsOf(undefined, 0)).toEqual({ isTarget: false, targets: [] })
  })

  it('floods with acks of numbers still to come', () => {
    const decoys = decoyAcks({ ackFlood: 100 }, 3)
    expect(decoys).toHaveLength(100)
    expect(decoys.every(({ k }) => k > 3 && k < MAX_ACKS)).toBe(true)
    expect(decoyAcks({ ackFlood: 100 }, MAX_ACKS - 3)).toHaveLength(2)
    expect(decoyAcks(undefined, 3)).toEqual([])
  })
})

describe('a hostile network', () => {
  const hosts = [
    { name: 'prover-0' as HostName, address: prover.host, outMs: 0, inMs: 0 },
    ...Array.from({ length: CHALLENGERS }, (_, i) => ({
      name: `challenger-${i}` as HostName,
      address: `10.${100 + i}.0.2`,
      outMs: 0,
      inMs: 0,
    })),
  ]
  /** What happens to each of many packets under a rule set: the longest delay, and the share that is lost. */
  const effect = (rules: readonly RelayRule[], from: string, to: string, payloadBytes: number) => {
    const schedule = new RelaySchedule({ hosts, lossPct: 0, seed: 1 })
    schedule.setRules(rules)
    const packet = pinned(2048)
    writeUdpPacket(packet, {
      from: { host: from, port: 1 },
      to: { host: to, port: 2 },
      payload: new Uint8Array(payloadBytes),
    })
    const delays = Array.from({ length: 500 }, () => schedule.delayUs(packet.buffer, 0, 0))
    return {
      delayMs: Math.max(...delays) / 1000,
      lost: delays.filter((delay) => delay < 0).length / delays.length,
    }
  }
  const [even, odd] = ['10.100.0.2', '10.101.0.2']

  it('holds acks and not probes, or probes and not acks', () => {
    const [acks] = phasesOf('hold-acks', CHALLENGERS)
    expect(effect(acks?.rules ?? [], prover.host, even, 64).delayMs).toBe(20)
    expect(effect(acks?.rules ?? [], prover.host, even, 40).delayMs).toBe(0)
    const [probes] = phasesOf('rtt-inflate', CHALLENGERS)
    expect(effect(probes?.rules ?? [], prover.host, even, 40).delayMs).toBe(50)
    expect(effect(probes?.rules ?? [], prover.host, even, 64).delayMs).toBe(0)
  })

  it('drops data, then acks', () => {
    const [data, acks] = phasesOf('drop', CHALLENGERS)
    expect(effect(data?.rules ?? [], even, prover.host, 1408).lost).toBeGreaterThan(0.05)
    expect(effect(data?.rules ?? [], prover.host, even, 64).lost).toBe(0)
    expect(effect(acks?.rules ?? [], even, prover.host, 1408).lost).toBe(0)
    expect(effect(acks?.rules ?? [], prover.host, even, 64).lost).toBeGreaterThan(0.2)
  })

  it('staggers one half', () => {
    const [half] = phasesOf('stagger', CHALLENGERS)
    expect(effect(half?.rules ?? [], even, prover.host, 1408).delayMs).toBe(40)
    expect(effect(half?.rules ?? [], odd, prover.host, 1408).delayMs).toBe(0)
  })

  it('cuts one or two off at a time, by a schedule of the seed: the same again, and another of another seed', () => {
    const shapes = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const phases = phasesOf('partition', CHALLENGERS, seed)
      expect(phasesOf('partition', CHALLENGERS, seed)).toEqual(phases)
      expect(phasesOf('partition', CHALLENGERS, seed + 1)).not.toEqual(phases)
      const cuts = phases.filter(({ rules }) => rules.length > 0)
      const whom = cuts.map(({ rules }) => [
        ...new Set(rules.flatMap(({ from = [], to = [] }) => [...from, ...to])),
      ])
      expect(whom.every(({ length }) => length === 1 || length === 2)).toBe(true)
      // Nobody is spared.
      expect(new Set(whom.flat()).size).toBeGreaterThanOrEqual(CHALLENGERS - 1)
      expect(phases.every(({ ms }) => ms >= 1000 && ms <= 6000)).toBe(true)
      expect(phases.some(({ rules }) => rules.length === 0)).toBe(true)
      for (const { rules } of cuts)
        shapes.add(rules.map((rule) => (rule.from === undefined ? 'to' : 'from')).join())
    }
    expect([...shapes].sort()).toEqual(['from', 'from,to', 'to'])
  })

  it('keeps the schedules of several attacks together, phase after phase, until it is stopped', async () => {
    const seen: (readonly RelayRule[])[] = []
    let stopped: (() => void) | undefined
    const enough = new Promise<void>((resolve) => {
      stopped = resolve
    })
    const network = {
      setRelayRules: async (rules: readonly RelayRule[]) => {
        seen.push(rules)
        if (seen.length >= 4) stopped?.()
      },
    }
    const attacks: NetworkAttack[] = ['hold-acks', 'delay']
    const adversary = new NetworkAdversary(network, attacks, CHALLENGERS)
    adversary.start()
    await enough
    adversary.stop()
    const [hold] = phasesOf('hold-acks', CHALLENGERS)
    const [one, next] = phasesOf('delay', CHALLENGERS)
    expect(seen[1]).toEqual([...(hold?.rules ?? []), ...(one?.rules ?? [])])
    expect(seen[2]).toEqual([...(hold?.rules ?? []), ...(next?.rules ?? [])])
  })

  it.each(Object.keys(NETWORK_ATTACKS) as NetworkAttack[])('%s names hosts that are there', (attack) => {
    const schedule = new RelaySchedule({ hosts, lossPct: 0, seed: 1 })
    for (const { rules, ms } of phasesOf(attack, CHALLENGERS)) {
      schedule.setRules(rules)
      expect(ms).toBeGreaterThan(0)
    }
  })
})
