import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { type Committee, drawCommittee } from '../../../src/pob/committee.js'
import { dirtyLimitMicros, packetCountOf } from '../../../src/pob/constants.js'
import { cleanTeams, faultyMembers, millionths } from '../../../src/pob/parameters.js'
import {
  advisedTauMicros,
  isAllOn,
  makePlan,
  type Plan,
  planDiffers,
  planFault,
} from '../../../src/pob/plan.js'
import { challengeIdOf, Profile, type ProfileName, type Request } from '../../../src/pob/request.js'
import { candidates, requestFor } from '../../support/candidates.js'

function planned(profile: ProfileName, change: Partial<Request> = {}, uplinkKbps = 60_000) {
  const request = requestFor(profile, change)
  const committee = drawCommittee({
    request,
    registryHash: request.registryHash,
    entries: candidates(30, () => ({ uplinkKbps })),
    randomness: sha256(Uint8Array.of(1)),
  })
  if (typeof committee === 'string') throw new Error(committee)
  const tauMicros = advisedTauMicros(request.profile, [])
  const plan = makePlan(challengeIdOf(request), new Uint8Array(48), committee, tauMicros)
  const fault = (edit: Partial<Plan>) => planFault(request, challengeIdOf(request), { ...plan, ...edit })
  return { request, committee, plan, fault }
}

describe('planFault', () => {
  it.each([
    ['standard', {}, 60_000],
    ['standard', {}, 40_000],
    ['standard', {}, 20_000],
    ['standard', { faulty: 0 }, 200_000],
    ['quick', {}, 60_000],
    ['quick', { faulty: 0 }, 60_000],
    ['published', {}, 60_000],
    ['strict', {}, 60_000],
  ] as const)('finds none in what the draw gives: %s %o at %i', (profile, change, uplink) => {
    expect(planned(profile, change, uplink).fault({})).toBeUndefined()
  })

  const { plan, fault } = planned('standard')
  it.each<[RegExp, Partial<Plan>]>([
    [/of another challenge/, { challengeId: new Uint8Array(32) }],
    [/names a member twice/, { committee: [...plan.committee.slice(1), ...plan.committee.slice(1, 2)] }],
    [/larger than asked for/, { committee: [...plan.committee, new Uint8Array(33)] }],
    [/more members than were drawn/, { teamSize: 3 }],
    [/more members than were drawn/, { committee: plan.committee.slice(0, 9) }],
    [/more teams than asked for/, { teamSize: 1, teams: 7 }],
    [/not larger than the faults/, { committee: plan.committee.slice(0, 2), teamSize: 1, teams: 1 }],
    [/faulty is not the request's/, { faulty: 1 }],
    [/2 teams prove nothing with 2 faults/, { teams: 2, cleanTeams: 1 }],
    [/cleanTeams is not teams less faulty/, { cleanTeams: 2 }],
    [/cleanTeams is not teams less faulty/, { teams: 4 }],
    [/memberRateKbps is not the offered rate/, { memberRateKbps: plan.memberRateKbps + 1 }],
    [/does not fit the profile/, { tauMicros: 199_999 }],
    [/does not fit the profile/, { tauMicros: 100_000 }],
  ])('finds %s', (message, edit) => {
    expect(fault(edit)).toMatch(message)
  })

  it('holds quick to its short slot and strict to its parameters', () => {
    for (const tauMicros of [100_000, 200_000])
      expect(planned('quick').fault({ tauMicros })).toMatch(/does not fit the profile/)
    for (const edit of [{ teams: 4 }, { cleanTeams: 0 }, { cleanTeams: 6 }])
      expect(planned('strict').fault(edit)).toMatch(/strict runs the teams asked for/)
    // By a registry file they follow from its pool as well, so from the draw; a chain's are checked without it.
    const chain = { chainId: 1, verifyingContract: new Uint8Array(20).fill(1) }
    const { teams, teamSize } = planned('strict').plan
    const [beta, delta] = [millionths(100_000), millionths(50_000)]
    const right = {
      cleanTeams: cleanTeams(beta, delta, teams, teamSize),
      faulty: faultyMembers(beta, delta, teams * teamSize),
    }
    const { fault } = planned('strict', chain)
    expect(fault(right)).toBeUndefined()
    for (const edit of [{ faulty: right.faulty - 1 }, { cleanTeams: right.cleanTeams + 1 }])
      expect(fault({ ...right, ...edit })).toMatch(/do not follow from beta and delta/)
  })
})

describe('planDiffers', () => {
  it('names the field', () => {
    const { plan, committee } = planned('standard')
    expect(planDiffers(plan, committee)).toBeUndefined()
    expect(planDiffers({ ...plan, committee: [...plan.committee].reverse() }, committee)).toMatch(
      /the beacon draws/,
    )
    for (const field of ['teamSize', 'teams', 'faulty', 'cleanTeams', 'memberRateKbps'] as const) {
      const other: Committee = { ...committee, [field]: committee[field] + 1 }
      expect(planDiffers(plan, other)).toMatch(new RegExp(`^${field} is ${plan[field]}`))
    }
  })
})

describe('numbers of a slot', () => {
  it('all-on is one team of everybody, but not one team without faults', () => {
    expect(isAllOn(requestFor('quick', { faulty: 0 }), { teams: 1, faulty: 0 })).toBe(true)
    expect(isAllOn(requestFor('standard', { faulty: 0 }), { teams: 1, faulty: 0 })).toBe(false)
    expect(isAllOn(requestFor('standard'), { teams: 1, faulty: 2 })).toBe(true)
    expect(isAllOn(requestFor('standard'), { teams: 3, faulty: 2 })).toBe(false)
    expect(isAllOn(requestFor('strict'), { teams: 1, faulty: 1 })).toBe(false)
  })

  it('tau is 11.5 times the 90th percentile of the round trips, within limits', () => {
    const { standard, quick, published, strict } = Profile
    expect(advisedTauMicros(standard, [])).toBe(200_000)
    expect(advisedTauMicros(standard, [1000, 2000])).toBe(200_000)
    expect(
      advisedTauMicros(
        standard,
        Array.from({ length: 10 }, (_, i) => (i + 1) * 5000),
      ),
    ).toBe(517_500)
    expect(advisedTauMicros(strict, [500_000])).toBe(1_000_000)
    expect(advisedTauMicros(quick, [500_000])).toBe(90_000)
    expect(advisedTauMicros(published, [500_000])).toBe(100_000)
  })

  it('packets are enough for tau at the rate', () => {
    expect(packetCountOf(600_000, 200_000)).toBe(10_446)
    expect(packetCountOf(1, 100_000)).toBe(1)
    // 11488 bits each, exactly: 11488 kbit/s for a second are 1000 packets.
    expect(packetCountOf(11_488, 1_000_000)).toBe(1000)
    expect(packetCountOf(11_489, 1_000_000)).toBe(1001)
  })

  it('lateness may be 3 % of tau, and always 3 ms', () => {
    expect(dirtyLimitMicros(100_000)).toBe(3000)
    expect(dirtyLimitMicros(200_000)).toBe(6000)
    // Whole limits are met exactly for every whole percent.
    for (let tau = 200_000; tau <= 1_000_000; tau += 100) expect(dirtyLimitMicros(tau)).toBe((tau / 100) * 3)
  })
})
