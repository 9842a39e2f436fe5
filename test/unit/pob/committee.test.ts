/** The draw of docs/protocol.md section 4. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Committee,
  type CommitteeInput,
  drawCommittee,
  teamMembers,
} from '../../../src/pob/committee.js'
import { prefixOf } from '../../../src/pob/prefix.js'
import { candidate, candidates, requestFor } from '../../support/candidates.js'
import { identityOf } from '../../support/challenge-builder.js'

const randomness = sha256(utf8ToBytes('round'))
const registryHash = sha256(utf8ToBytes('registry'))

function draw(input: Partial<CommitteeInput> & Pick<CommitteeInput, 'request'>): Committee {
  const drawn = drawCommittee({ registryHash, entries: candidates(30), randomness, ...input })
  if (typeof drawn === 'string') throw new Error(drawn)
  return drawn
}
const refusal = (input: Partial<CommitteeInput> & Pick<CommitteeInput, 'request'>) =>
  drawCommittee({ registryHash, entries: candidates(30), randomness, ...input })
const keys = (committee: Committee) => committee.members.map(({ publicKey }) => bytesToHex(publicKey))

describe('the draw', () => {
  it('orders candidates by the hash of seed and key', () => {
    const entries = candidates(30)
    const unlisted = new Uint8Array(20)
    const seed = sha256(
      Uint8Array.from([...utf8ToBytes('plumbline/1/committee'), ...randomness, ...unlisted, ...registryHash]),
    )
    const expected = entries
      .map(({ publicKey }) => ({
        key: bytesToHex(publicKey),
        rank: bytesToHex(sha256(Uint8Array.from([...seed, ...publicKey]))),
      }))
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))
      .slice(0, 10)
      .map(({ key }) => key)
    expect(keys(draw({ request: requestFor('standard'), entries }))).toEqual(expected)
  })

  it('does not depend on what the prover and the payer may still choose', () => {
    const base = keys(draw({ request: requestFor('standard') }))
    for (const change of [
      { salt: new Uint8Array(32) },
      { expiresAt: 1 },
      { beaconRound: 9 },
      { claimKbps: 50_000 },
    ])
      expect(keys(draw({ request: requestFor('standard', change) }))).toEqual(base)
    const stranger = { payer: identityOf('another payer').publicKey }
    expect(keys(draw({ request: requestFor('standard', stranger) }))).toEqual(base)
  })

  it('gives a listed prover a draw of its own, by its address', () => {
    const prover = identityOf('prover')
    const entries = [...candidates(30), candidate(200, { publicKey: prover.publicKey })]
    const address = Buffer.from(prover.address.slice(2), 'hex')
    const seed = sha256(
      Uint8Array.from([...utf8ToBytes('plumbline/1/committee'), ...randomness, ...address, ...registryHash]),
    )
    const first = entries
      .filter((entry) => entry.publicKey !== prover.publicKey)
      .map(({ publicKey }) => ({
        key: bytesToHex(publicKey),
        rank: bytesToHex(sha256(Uint8Array.from([...seed, ...publicKey]))),
      }))
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))[0]
    expect(keys(draw({ request: requestFor('standard'), entries }))[0]).toBe(first?.key)
  })

  it('gives all provers outside the registry the same draw: new keys are no new tries', () => {
    const request = requestFor('standard')
    const base = keys(draw({ request }))
    for (let i = 0; i < 20; i++)
      expect(keys(draw({ request: { ...request, prover: identityOf(`fresh ${i}`).publicKey } }))).toEqual(
        base,
      )
  })

  it('depends on the round and the registry, and on no order of its entries', () => {
    const request = requestFor('standard')
    const base = keys(draw({ request }))
    expect(keys(draw({ request, entries: candidates(30).reverse() }))).toEqual(base)
    expect(keys(draw({ request, randomness: sha256(randomness) }))).not.toEqual(base)
    expect(keys(draw({ request, registryHash: sha256(registryHash) }))).not.toEqual(base)
  })

  it('draws a smaller committee as the beginning of a larger one', () => {
    const request = requestFor('quick', { faulty: 1 })
    const larger = keys(draw({ request }))
    expect(keys(draw({ request: { ...request, committeeSize: 5 } }))).toEqual(larger.slice(0, 5))
  })
})

describe('who is left out', () => {
  it('the prover, the payer and the coordinator', () => {
    const parties = ['prover', 'payer', 'coordinator'].map((name, i) =>
      candidate(200 + i, { publicKey: identityOf(name).publicKey }),
    )
    const entries = [...candidates(10), ...parties]
    const drawn = keys(draw({ request: requestFor('standard'), entries }))
    for (const { publicKey } of parties) expect(drawn).not.toContain(bytesToHex(publicKey))
  })

  it('all but the first of an operator', () => {
    const entries = candidates(30, (i) => ({ operator: `operator ${i % 12}` }))
    const { members } = draw({ request: requestFor('standard'), entries })
    expect(members.length).toBe(10)
    expect(new Set(members.map(({ operator }) => operator)).size).toBe(10)
    const few = candidates(30, (i) => ({ operator: `operator ${i % 2}` }))
    expect(refusal({ request: requestFor('standard'), entries: few })).toBe('too_few_members')
  })

  it('all but the first of a /24 or /48, also where IPv4 hides in IPv6', () => {
    const v4 = candidates(30, (i) => ({ host: `10.0.${i % 11}.${i + 1}` }))
    const { members } = draw({ request: requestFor('standard'), entries: v4 })
    expect(new Set(members.map(({ host }) => prefixOf(host))).size).toBe(10)
    const v6 = candidates(30, (i) => ({ host: `2001:db8:${i % 4}::${(i + 1).toString(16)}` }))
    expect(draw({ request: requestFor('quick', { faulty: 1 }), entries: v6 }).members.length).toBe(4)
    const mapped = [candidate(1, { host: '10.0.0.1' }), candidate(2, { host: '::ffff:10.0.0.2' })]
    expect(refusal({ request: requestFor('quick', { faulty: 1 }), entries: mapped })).toBe('too_few_members')
  })

  it("everybody in the prover's own prefix, where the registry has the prover", () => {
    const prover = candidate(500, { publicKey: identityOf('prover').publicKey, host: '10.0.3.77' })
    const entries = [...candidates(12), prover]
    const near = bytesToHex(candidate(3).publicKey)
    const request = requestFor('quick', { faulty: 1, committeeSize: 12 })
    expect(keys(draw({ request, entries: candidates(12) }))).toContain(near)
    expect(keys(draw({ request, entries }))).not.toContain(near)
    expect(draw({ request, entries }).members.length).toBe(11)
  })

  it('nobody for what it declares: false uplinks win no places', () => {
    // Ten liars of 200 declare that only they could carry the claim.
    const entries = candidates(200, (i) => ({ uplinkKbps: i < 10 ? 100_000_000 : 900_000 }))
    const liars = new Set(entries.slice(0, 10).map(({ publicKey }) => bytesToHex(publicKey)))
    const share = (claimKbps: number) => {
      let drawn = 0
      for (let i = 0; i < 20; i++) {
        const committee = refusal({
          request: requestFor('standard', { claimKbps }),
          entries,
          randomness: sha256(Uint8Array.of(i)),
        })
        if (typeof committee === 'string') continue
        drawn += keys(committee).filter((key) => liars.has(key)).length
      }
      return drawn
    }
    expect(share(800_000)).toBe(share(100_000))
    expect(share(800_000)).toBeLessThan(25)
  })

  it('nobody from strict: its senders are the first of the draw, or it is refused', () => {
    const entries = candidates(60, (i) => ({ uplinkKbps: i % 2 === 0 ? 100_000_000 : 60_000 }))
    const order = keys(
      draw({ request: requestFor('quick', { committeeSize: 10, faulty: 0 }), entries: candidates(60) }),
    )
    const committee = refusal({ request: requestFor('strict', { committeeSize: 10, teams: 5 }), entries })
    if (typeof committee !== 'string') expect(keys(committee)).toEqual(order)
  })
})

describe('teams', () => {
  const uplink = (uplinkKbps: number) => candidates(30, () => ({ uplinkKbps }))

  it.each([
    // offered = 120 Mbit/s
    { uplinkKbps: 120_000, teamSize: 1, teams: 5, cleanTeams: 3 },
    { uplinkKbps: 119_999, teamSize: 2, teams: 5, cleanTeams: 3 },
    { uplinkKbps: 60_000, teamSize: 2, teams: 5, cleanTeams: 3 },
    // 2 f + 1 teams of three do not fit ten members, f + 1 do.
    { uplinkKbps: 40_000, teamSize: 3, teams: 3, cleanTeams: 1 },
  ])('of the least size that carries the offer: $uplinkKbps kbit/s', ({ uplinkKbps, ...expected }) => {
    const drawn = draw({ request: requestFor('standard'), entries: uplink(uplinkKbps) })
    expect(drawn).toMatchObject({ ...expected, allOn: false, faulty: 2 })
    expect(drawn.members.length).toBe(10)
    expect(drawn.memberRateKbps).toBe(Math.ceil(120_000 / drawn.teamSize))
  })

  it('as many as fit where more than f + 1 do', () => {
    const drawn = draw({ request: requestFor('standard', { committeeSize: 8 }), entries: uplink(60_000) })
    expect(drawn).toMatchObject({ teamSize: 2, teams: 4, cleanTeams: 2, allOn: false })
  })

  it('become one of everybody where f + 1 do not fit', () => {
    const drawn = draw({ request: requestFor('standard'), entries: uplink(20_000) })
    expect(drawn).toMatchObject({ allOn: true, teams: 1, teamSize: 10, cleanTeams: 0 })
    expect(drawn.memberRateKbps).toBe(12_000)
    expect(refusal({ request: requestFor('standard'), entries: uplink(11_999) })).toBe('too_few_members')
  })

  it('are one in quick and published, of as many as can', () => {
    for (const profile of ['quick', 'published'] as const)
      expect(draw({ request: requestFor(profile) })).toMatchObject({ teams: 1, teamSize: 10, allOn: true })
    const entries = candidates(7, () => ({ uplinkKbps: 20_000 }))
    expect(draw({ request: requestFor('quick'), entries })).toMatchObject({
      teamSize: 7,
      memberRateKbps: 17_143,
    })
  })

  it('are never fewer than f + 1 members', () => {
    expect(refusal({ request: requestFor('quick'), entries: candidates(2) })).toBe('too_few_members')
    expect(draw({ request: requestFor('quick'), entries: candidates(3) }).teamSize).toBe(3)
  })

  it('hold consecutive members', () => {
    expect(teamMembers({ teamSize: 3 }, 2)).toEqual([6, 7, 8])
  })

  it('hold nobody twice, and let nobody send that is too slow, whatever the registry', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            operator: fc.nat(8),
            net: fc.nat(12),
            uplinkKbps: fc.integer({ min: 1, max: 200_000 }),
          }),
          {
            maxLength: 24,
          },
        ),
        fc.constantFrom('quick' as const, 'standard' as const, 'strict' as const),
        fc.integer({ min: 0, max: 2 }),
        (rows, profile, faulty) => {
          const entries = rows.map((row, i) =>
            candidate(i, {
              operator: `o${row.operator}`,
              host: `10.0.${row.net}.${i + 1}`,
              uplinkKbps: row.uplinkKbps,
            }),
          )
          const request = requestFor(profile, profile === 'strict' ? {} : { faulty })
          const drawn = refusal({ request, entries })
          if (typeof drawn === 'string') return
          const { members, teamSize, teams, memberRateKbps } = drawn
          expect(new Set(members.map(({ operator }) => operator)).size).toBe(members.length)
          expect(new Set(members.map(({ host }) => prefixOf(host))).size).toBe(members.length)
          const senders = members.slice(0, teamSize * teams)
          expect(senders.every(({ uplinkKbps }) => uplinkKbps >= memberRateKbps)).toBe(true)
          expect(members.length).toBeLessThanOrEqual(request.committeeSize)
          expect(teamSize * teams).toBeLessThanOrEqual(members.length)
          expect(memberRateKbps * teamSize).toBeGreaterThanOrEqual(120_000)
          if (profile !== 'strict') expect(members.length).toBeGreaterThan(faulty)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('strict', () => {
  it('derives f and j from beta and delta', () => {
    const request = requestFor('strict', { teams: 10, committeeSize: 10 })
    expect(draw({ request })).toMatchObject({
      teams: 10,
      teamSize: 1,
      cleanTeams: 7,
      faulty: 3,
      allOn: false,
    })
  })

  it('draws no operator and no prefix sooner for having many keys', () => {
    // Of fourteen, one has twenty keys under one operator, another as many in one prefix.
    const entries = candidates(52, (i) => {
      if (i < 20) return { operator: 'many keys' }
      if (i < 40) return { host: `10.200.0.${i}` }
      return {}
    })
    const rounds = 600
    const size = 5
    const counts = { keys: 0, prefix: 0, single: 0 }
    for (let round = 0; round < rounds; round++) {
      const request = requestFor('strict', { teams: size, committeeSize: size, betaMillionths: 50_000 })
      const { members } = draw({
        request,
        entries,
        randomness: sha256(Uint8Array.of(round >> 8, round & 255)),
      })
      counts.keys += members.filter(({ operator }) => operator === 'many keys').length
      counts.prefix += members.filter(({ host }) => host.startsWith('10.200.')).length
      counts.single += members.filter(({ publicKey }) => publicKey === entries[51]?.publicKey).length
    }
    // Five standard deviations.
    const expected = (rounds * size) / 14
    const deviation = Math.sqrt(expected * (1 - size / 14))
    for (const count of Object.values(counts)) expect(Math.abs(count - expected)).toBeLessThan(5 * deviation)
  })

  it('refuses where nothing can be promised', () => {
    const request = requestFor('strict', {
      teams: 2,
      committeeSize: 10,
      betaMillionths: 400_000,
      deltaMillionths: 1000,
    })
    expect(refusal({ request })).toBe('no_guarantee')
  })

  it('never runs fewer teams, nor all at once', () => {
    expect(refusal({ request: requestFor('strict'), entries: candidates(4) })).toBe('too_few_members')
    const slow = candidates(30, () => ({ uplinkKbps: 20_000 }))
    expect(refusal({ request: requestFor('strict'), entries: slow })).toBe('too_few_members')
  })
})
