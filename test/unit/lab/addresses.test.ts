import { describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import { planNetwork } from '../../../src/lab/addresses.js'
import type { LabNetworkOptions } from '../../../src/lab/network.js'

const base: LabNetworkOptions = { challengers: 10, rateMbps: 100 }
const prefix = (address: string): string => address.split('.').slice(0, 3).join('.')

describe('the address plan', () => {
  it('gives every host a /24 of its own, in namespaces and on loopback', () => {
    for (const first of [10, 127] as const) {
      const plan = planNetwork({ ...base, challengers: 150, provers: 3, crossTraffic: true }, first)
      const hosts = [...plan.provers, ...plan.challengers, ...plan.others]
      expect(new Set(hosts.map(({ address }) => prefix(address))).size).toBe(hosts.length)
      for (const { address, gateway, device } of hosts) {
        expect(prefix(gateway)).toBe(prefix(address))
        expect(
          address
            .split('.')
            .map(Number)
            .every((part) => part <= 255),
        ).toBe(true)
        expect(device.length).toBeLessThan(16)
      }
    }
  })

  it('gives the payer the middle of the range unless told otherwise, the prover nothing', () => {
    const rtt = { minMs: 5, maxMs: 40 }
    const rttOf = (options: LabNetworkOptions): (number | undefined)[] => {
      const { others, provers } = planNetwork(options, 10)
      return [others.find(({ name }) => name === 'payer')?.rttMs, provers[0]?.rttMs]
    }
    expect(rttOf({ ...base, rtt })).toEqual([22.5, 0])
    expect(rttOf({ ...base, rtt, payerRttMs: 7 })).toEqual([7, 0])
  })

  it.each([
    { challengers: 0 },
    { challengers: 151 },
    { provers: 0 },
    { rateMbps: 0 },
    { rateMbps: Number.NaN },
    { lossPct: -1 },
    { lossPct: 101 },
    { forwardShare: 1.1 },
  ])('refuses %j with a remedy', (wrong) => {
    expect(() => planNetwork({ ...base, ...wrong }, 10)).toThrow(UserError)
  })
})
