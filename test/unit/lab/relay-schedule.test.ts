import { describe, expect, it } from 'vitest'
import { DROP, type RelayHost, RelaySchedule } from '../../../src/lab/relay-schedule.js'

const hosts: RelayHost[] = [
  { name: 'prover-0', address: '10.90.0.2', outMs: 0, inMs: 0 },
  { name: 'challenger-0', address: '10.100.0.2', outMs: 15, inMs: 5 },
  { name: 'payer', address: '10.91.0.2', outMs: 3, inMs: 2 },
]
const schedule = (lossPct = 0): RelaySchedule => new RelaySchedule({ hosts, lossPct, seed: 1 })

function packet(from: string, to: string, options: { protocol?: number; bytes?: number } = {}): Buffer {
  const data = Buffer.alloc(64)
  data[0] = 0x45
  data.writeUInt16BE(options.bytes ?? 64, 2)
  data[9] = options.protocol ?? 17
  for (const [at, address] of [
    [12, from],
    [16, to],
  ] as const)
    for (const [i, part] of address.split('.').entries()) data[at + i] = Number(part)
  return data
}

const toProver = packet('10.100.0.2', '10.90.0.2')
const toChallenger = packet('10.90.0.2', '10.100.0.2')

describe('the relay decides', () => {
  it('delays by the ways of sender and receiver, forward and return apart', () => {
    expect(schedule().delayUs(toProver, 0, 0)).toBe(15_000)
    expect(schedule().delayUs(toChallenger, 0, 0)).toBe(5_000)
    expect(schedule().delayUs(packet('10.100.0.2', '10.91.0.2'), 0, 0)).toBe(17_000)
    expect(schedule().delayUs(packet('10.1.2.3', '10.90.0.2'), 0, 0)).toBe(0)
  })

  it('reads the packet where it lies', () => {
    expect(schedule().delayUs(Buffer.concat([Buffer.alloc(10), toProver]), 10, 0)).toBe(15_000)
  })

  it('drops what is not IPv4', () => {
    expect(schedule().delayUs(Buffer.alloc(64, 0x60), 0, 0)).toBe(DROP)
  })

  it('loses the share asked for, the same packets for the same seed', () => {
    const losses = (): boolean[] => {
      const lossy = schedule(10)
      return Array.from({ length: 5000 }, () => lossy.delayUs(toProver, 0, 0) === DROP)
    }
    const first = losses()
    expect(losses()).toEqual(first)
    // 5 standard deviations of Bin(5000, 0.1) are 106.
    expect(Math.abs(first.filter(Boolean).length - 500)).toBeLessThan(106)
    expect(schedule(10).dropsSinglePackets).toBe(true)
    expect(schedule().dropsSinglePackets).toBe(false)
  })

  it('adds up the rules that match, by direction, protocol and length', () => {
    const ruled = schedule()
    ruled.setRules([
      { to: ['prover-0'], addDelayMs: 1 },
      { from: ['challenger-0'], protocol: 'udp', maxBytes: 100, addDelayMs: 2 },
      { protocol: 'tcp', addDelayMs: 4 },
      { minBytes: 1000, addDelayMs: 8 },
    ])
    expect(ruled.delayUs(toProver, 0, 0)).toBe(18_000)
    expect(ruled.delayUs(toChallenger, 0, 0)).toBe(5_000)
    expect(ruled.delayUs(packet('10.100.0.2', '10.90.0.2', { protocol: 6 }), 0, 0)).toBe(20_000)
    const large = packet('10.100.0.2', '10.90.0.2', { bytes: 5000 })
    expect(ruled.delayUs(large, 0, 0)).toBe(24_000)
    // Of a super-packet the length of one segment counts.
    expect(ruled.delayUs(large, 0, 90)).toBe(18_000)
    ruled.setRules([])
    expect(ruled.delayUs(toProver, 0, 0)).toBe(15_000)
  })

  it('drops by rule', () => {
    const ruled = schedule()
    ruled.setRules([{ from: ['payer'], dropPct: 100 }])
    expect(ruled.dropsSinglePackets).toBe(true)
    expect(ruled.delayUs(packet('10.91.0.2', '10.90.0.2'), 0, 0)).toBe(DROP)
    expect(ruled.delayUs(toProver, 0, 0)).toBe(15_000)
  })

  it('refuses a rule for a host that is not there', () => {
    expect(() => schedule().setRules([{ from: ['challenger-7'] }])).toThrow('challenger-7')
  })
})
