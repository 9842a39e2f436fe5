/** Challenges in lockstep: all or none, one round, common teams. */
import { describe, expect, it } from 'vitest'
import type { Committee } from '../../../src/pob/committee.js'
import { requireCommonTeams } from '../../../src/roles/coordinator/joint.js'
import { Lockstep } from '../../../src/roles/coordinator/lockstep.js'

describe('lockstep', () => {
  it('goes on once all have come, with what each brought', async () => {
    const lockstep = new Lockstep(3)
    const parties = [0, 1, 2].map((index) => lockstep.party(index))
    let passed = 0
    const meet = (index: number) =>
      parties[index]?.meet('slot 0', index * 10).then((values) => {
        passed++
        return values
      })
    const [first, second] = [meet(2), meet(0)]
    await new Promise(setImmediate)
    expect(passed).toBe(0)
    expect(await meet(1)).toEqual([0, 10, 20])
    expect([await first, await second]).toEqual([
      [0, 10, 20],
      [0, 10, 20],
    ])
    // The same place again is another meeting.
    const again = parties.map((party) => party.meet('slot 0', 'x'))
    expect(await Promise.all(again)).toEqual([0, 1, 2].map(() => ['x', 'x', 'x']))
  })

  it('lets nobody wait for one that failed, now or later', async () => {
    const lockstep = new Lockstep(2)
    const [a, b] = [lockstep.party(0), lockstep.party(1)]
    const waiting = a.meet('paths', 1)
    b.leave(new Error('no path'))
    a.leave(new Error('because of the other'))
    await expect(waiting).rejects.toThrow('prover 2 failed: no path')
    await expect(a.meet('slot 1', 1)).rejects.toThrow('prover 2 failed: no path')
  })
})

describe('the committees of provers that are measured together', () => {
  const committee = (change: Partial<Committee> = {}, order = [1, 2, 3, 4]): Committee => ({
    members: order.map((i) => ({
      publicKey: new Uint8Array(33).fill(i),
      operator: `o${i}`,
      host: `10.0.${i}.1`,
      udpPort: 1,
      addresses: [],
      uplinkKbps: 250_000,
    })),
    teamSize: 1,
    teams: 3,
    faulty: 1,
    cleanTeams: 2,
    allOn: false,
    memberRateKbps: 120_000,
    ...change,
  })

  it('have the same teams, with uplinks that carry all trains at once', () => {
    expect(() => requireCommonTeams([committee(), committee()])).not.toThrow()
    // Who only signs may differ.
    expect(() => requireCommonTeams([committee(), committee({}, [1, 2, 3, 5])])).not.toThrow()
    expect(() => requireCommonTeams([committee(), committee({}, [2, 1, 3, 4])])).toThrow('no common teams')
    expect(() => requireCommonTeams([committee(), committee({ teamSize: 2, teams: 1 })])).toThrow(
      'no common teams',
    )
    expect(() => requireCommonTeams([committee({ allOn: true }), committee({ allOn: true })])).toThrow(
      'no common teams',
    )
    expect(() => requireCommonTeams([committee(), committee(), committee()])).toThrow(
      'at most 250 Mbit/s, and all provers together take 360',
    )
  })
})
