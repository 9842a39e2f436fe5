/** From evidence to numbers: what counts, what does not, and what is reported beside it. */
import { beforeAll, describe, expect, it } from 'vitest'
import { assess, isDirty, medianRoundTripMicros, type OutcomeCache } from '../../../src/pob/assess.js'
import type { Evidence } from '../../../src/pob/evidence.js'
import { capturedRoots, type SlotRecord, type Testimony } from '../../../src/pob/slot.js'
import { verifyTranscript } from '../../../src/pob/verify.js'
import {
  type BuiltChallenge,
  buildChallenge,
  sealed,
  signCapture,
  signTestimony,
  withSlot,
} from '../../support/challenge-builder.js'

let challenge: BuiltChallenge
beforeAll(() => {
  challenge = buildChallenge()
})

const nobodySaid = (record: SlotRecord): SlotRecord => ({
  ...record,
  testimonies: record.testimonies.map(() => null),
})

function retestify(
  built: BuiltChallenge,
  record: SlotRecord,
  position: number,
  change: (testimony: Testimony) => Partial<Testimony>,
): SlotRecord {
  const { evidence, signers } = built
  const member = signers.members[record.slot * evidence.plan.teamSize + position]
  const testimonies = record.testimonies.map((testimony, i) =>
    i === position && testimony !== null && member !== undefined
      ? signTestimony(evidence, record, member, { ...testimony, ...change(testimony) })
      : testimony,
  )
  return { ...record, testimonies }
}

const owedMembers = (owed: Uint8Array) =>
  Array.from({ length: 256 }, (_, i) => i).filter((i) => ((owed[31 - (i >> 3)] ?? 0) >> (i & 7)) & 1)

describe('assess', () => {
  it('guarantees an honest prover most of its rate, and estimates it', () => {
    const result = assess(challenge.evidence)
    expect(result.faults).toEqual([])
    expect(result.guaranteedKbps / 3000).toBeGreaterThan(0.9)
    expect(result.guaranteedKbps / 3000).toBeLessThan(1.02)
    expect(Math.abs(result.estimateKbps / 3000 - 1)).toBeLessThan(0.04)
    expect(result.interval.lowKbps).toBe(result.guaranteedKbps)
    expect(result.interval.highKbps).toBeGreaterThanOrEqual(result.estimateKbps)
    expect(result.slots.map(({ slot }) => slot)).toEqual([0, 1, 2])
    expect(owedMembers(result.owed)).toEqual([0, 1, 2, 3, 4, 5])
    expect(result.flags).toEqual([])
    expect(result.slots.flatMap(({ members }) => members).every(({ proven }) => proven)).toBe(true)
    expect(medianRoundTripMicros(result)).toBe(3500)
  })

  it('assesses a record once for a coordinator whose list grows, unless it has a fault', () => {
    const outcomes: OutcomeCache = new WeakMap()
    const [first] = challenge.evidence.slots
    if (first === undefined) throw new Error('no slot')
    assess({ ...challenge.evidence, slots: [first] }, { partial: true, outcomes })
    const known = outcomes.get(first)
    expect(known).toBeDefined()
    const whole = assess(challenge.evidence, { outcomes })
    expect(whole.slots[0]?.members).toBe(known?.members)
    expect(whole).toEqual(assess(challenge.evidence))
    const forged = withSlot(challenge.evidence, 0, (record) => ({
      ...record,
      commitments: record.commitments.map((each) => each && { ...each, signature: new Uint8Array(65) }),
    }))
    const fresh: OutcomeCache = new WeakMap()
    const faults = assess(forged, { outcomes: fresh }).faults
    expect(faults.length).toBeGreaterThan(0)
    expect(assess(forged, { outcomes: fresh }).faults).toEqual(faults)
  })

  it('never pays for less than was claimed with more than was offered', () => {
    const low = buildChallenge({ label: 'low claim', claimKbps: 1000, thetaKbps: 3000 })
    const result = assess(low.evidence)
    expect(result.guaranteedKbps).toBeLessThanOrEqual(1200)
    expect(result.estimateKbps).toBeLessThanOrEqual(1200)
    expect(result.flags).toContain('offered_limited')
    const high = assess(buildChallenge({ label: 'high claim', claimKbps: 6000, thetaKbps: 3000 }).evidence)
    expect(high.guaranteedKbps).toBeLessThan(3100)
    expect(high.flags).toContain('overclaimed')
  })

  it('counts nothing for a seed that does not open its commitment, and owes its member nothing', () => {
    const evidence = withSlot(challenge.evidence, 1, (record) =>
      retestify(challenge, record, 0, () => ({ seed: new Uint8Array(32) })),
    )
    const result = assess(evidence)
    expect(result.faults).toEqual([])
    expect(result.slots[1]?.members.map(({ opened, proven }) => [opened, proven])).toEqual([
      [false, false],
      [true, true],
    ])
    expect(result.slots[1]?.team.acks.every(({ bits }) => bits[0] === 0)).toBe(true)
    expect(owedMembers(result.owed)).toEqual([0, 1, 3, 4, 5])
    // One of three teams is spoilt: f = 1 allows for that.
    expect(result.guaranteedKbps / 3000).toBeGreaterThan(0.9)
    expect(result.flags).toContain('teams_disagree')
  })

  it('counts nothing for digests that the keystream does not give', () => {
    const evidence = withSlot(challenge.evidence, 0, (record) => {
      if (record.capture === null) return record
      const digests = record.capture.digests.map((ack) => ack.map(() => new Uint8Array(32)))
      const capture = signCapture(
        { request: challenge.evidence.request, signers: challenge.signers },
        record,
        { ...record.capture, digests },
      )
      return { ...record, capture }
    })
    const result = assess(evidence)
    expect(result.faults).toEqual([])
    expect(result.slots[0]?.valueKbps).toBe(0)
    expect(result.slots[0]?.team.acks.flatMap(({ bits }) => bits).every((bits) => bits === 0)).toBe(true)
    // The members testified to the other list: to them the prover equivocated.
    expect(result.flags).toContain('equivocation')
    expect(
      result.slots[0]?.team.acks.flatMap(({ ownSeconds }) => ownSeconds).every((own) => own === null),
    ).toBe(true)
  })

  it('gives a team no value without testimonies, and names the seeds as withheld', () => {
    const result = assess(withSlot(challenge.evidence, 2, nobodySaid))
    expect(result.slots[2]?.valueKbps).toBe(0)
    expect(result.flags).toContain('seed_withheld')
    expect(owedMembers(result.owed)).toEqual([0, 1, 2, 3])
  })

  it('never rises by dropping testimonies', () => {
    const whole = assess(challenge.evidence).guaranteedKbps
    for (const index of [0, 1, 2])
      for (const position of [0, 1]) {
        const dropped = withSlot(challenge.evidence, index, (record) => ({
          ...record,
          testimonies: record.testimonies.map((each, i) => (i === position ? null : each)),
        }))
        expect(assess(dropped).guaranteedKbps).toBeLessThanOrEqual(whole)
      }
  })

  it('takes 0 as no ack, and the longest time as it is', () => {
    const never = withSlot(challenge.evidence, 0, (record) =>
      retestify(challenge, record, 0, ({ ownMicros }) => ({ ownMicros: ownMicros.map(() => 0) })),
    )
    expect(assess(never).slots[0]?.valueKbps).toBe(0)
    const forever = withSlot(challenge.evidence, 0, (record) =>
      retestify(challenge, record, 0, ({ ownMicros }) => ({ ownMicros: ownMicros.map(() => 0xffff_ffff) })),
    )
    expect(assess(forever).slots[0]?.valueKbps).toBe(0)
    const atOnce = withSlot(challenge.evidence, 0, (record) =>
      [0, 1].reduce(
        (done, position) =>
          retestify(challenge, done, position, ({ ownMicros }) => ({ ownMicros: ownMicros.map(() => 1) })),
        record,
      ),
    )
    expect(assess(atOnce).slots[0]?.valueKbps).toBe(0)
  })

  it('counts the last attempt of a dirty slot', () => {
    const dirty = (record: SlotRecord) => retestify(challenge, record, 1, () => ({ latenessMicros: 6001 }))
    const { evidence } = challenge
    expect(evidence.slots.map((record) => isDirty(record, evidence.plan.tauMicros))).toEqual([
      false,
      false,
      false,
    ])
    const first = evidence.slots[0]
    if (first === undefined) throw new Error('no slot')
    expect(isDirty(dirty(first), evidence.plan.tauMicros)).toBe(true)
    expect(
      isDirty(
        retestify(challenge, first, 1, () => ({ latenessMicros: 6000 })),
        evidence.plan.tauMicros,
      ),
    ).toBe(false)
    const failed: SlotRecord = { ...nobodySaid(first), attempt: 0, capture: null }
    const repeated: Evidence = { ...evidence, slots: [failed, ...evidence.slots.slice(1)] }
    expect(assess(repeated).faults).toEqual([])
    expect(assess(repeated).slots[0]?.failed).toBe(true)
    const still = assess({ ...evidence, slots: [dirty(first), ...evidence.slots.slice(1)] })
    expect(still.flags).toContain('dirty_sender')
    expect(still.faults).toEqual([])
  })

  it('stops early only where the guarantee is enough', () => {
    const { evidence } = challenge
    expect(assess({ ...evidence, slots: evidence.slots.slice(0, 2) }).faults).toEqual([])
    const short = { ...evidence, slots: evidence.slots.slice(0, 1) }
    expect(assess(short).faults.map(({ code }) => code)).toEqual(['stopped_early'])
    expect(assess(short).guaranteedKbps).toBe(0)
    expect(assess(short, { partial: true }).faults).toEqual([])
    const slow = buildChallenge({ label: 'slow', claimKbps: 3000, thetaKbps: 1500, slotsRun: 2 })
    expect(assess(slow.evidence).faults.map(({ code }) => code)).toEqual(['stopped_early'])
  })
})

describe('profiles', () => {
  it('quick: all at once, any f deleted', () => {
    const quick = buildChallenge({
      label: 'quick',
      profile: 'quick',
      committeeSize: 8,
      faulty: 1,
      claimKbps: 6000,
    })
    const result = assess(quick.evidence)
    expect(quick.evidence.plan).toMatchObject({ teams: 1, teamSize: 8, cleanTeams: 0, tauMicros: 90_000 })
    expect(result.faults).toEqual([])
    expect(result.flags).toContain('all_on')
    expect(result.guaranteedKbps / 6000).toBeGreaterThan(0.75)
    expect(result.guaranteedKbps / 6000).toBeLessThan(0.95)
    // The estimate deletes nobody: with the share of f left out it would read as low as the guarantee.
    expect(result.estimateKbps / 6000).toBeGreaterThan(0.95)
    expect(result.estimateKbps / 6000).toBeLessThan(1.05)
    expect(verifyTranscript(sealed(quick), quick).level).toBe('anchored')
    const [record] = quick.evidence.slots
    if (record === undefined) throw new Error('no slot')
    const twice = (first: SlotRecord) =>
      assess({ ...quick.evidence, slots: [first, { ...record, attempt: 1 }] }).faults.map(({ code }) => code)
    const late = retestify(quick, record, 1, () => ({ latenessMicros: 50_000 }))
    expect(assess({ ...quick.evidence, slots: [late] })).toMatchObject({ faults: [], repeats: 0 })
    expect(twice(late)).toContain('slot_sequence')
    expect(twice({ ...nobodySaid(record), capture: null })).not.toContain('slot_sequence')
  })

  it('quick: a member that says nothing costs its share', () => {
    const quick = buildChallenge({
      label: 'quick',
      profile: 'quick',
      committeeSize: 8,
      faulty: 1,
      claimKbps: 6000,
    })
    const slots = quick.evidence.slots.map((record) => ({
      ...record,
      testimonies: record.testimonies.map((testimony, i) => (i === 3 ? null : testimony)),
    }))
    const result = assess({ ...quick.evidence, slots })
    expect(result.faults).toEqual([])
    expect(result.guaranteedKbps / 6000).toBeGreaterThan(0.65)
    expect(result.guaranteedKbps).toBeLessThan(assess(quick.evidence).guaranteedKbps)
  })

  it('strict: G slots, none repeated, none left out', () => {
    const strict = buildChallenge({
      label: 'strict',
      profile: 'strict',
      committeeSize: 10,
      teams: 10,
      teamSize: 1,
      betaMillionths: 100_000,
      deltaMillionths: 50_000,
    })
    const result = assess(strict.evidence)
    // Its registry is little larger than the committee: a tenth of it is one.
    expect(strict.evidence.plan).toMatchObject({ teams: 10, cleanTeams: 9, faulty: 1 })
    expect(result.faults).toEqual([])
    expect(result.guaranteedKbps / 3000).toBeGreaterThan(0.9)
    expect(verifyTranscript(sealed(strict), strict).level).toBe('anchored')
    const short = { ...strict.evidence, slots: strict.evidence.slots.slice(0, 9) }
    expect(assess(short).faults.map(({ code }) => code)).toEqual(['stopped_early'])
    const [first] = strict.evidence.slots
    if (first === undefined) throw new Error('no slot')
    const failed = { ...nobodySaid(first), capture: null }
    const again = {
      ...strict.evidence,
      slots: [failed, { ...first, attempt: 1 }, ...strict.evidence.slots.slice(1)],
    }
    expect(assess(again).faults.map(({ message }) => message)).toContain(
      'slot 0, attempt 1: strict repeats no slot',
    )
  })

  it('published: its own rule, never with a chain', () => {
    const options = { profile: 'published', committeeSize: 5, faulty: 1, claimKbps: 6000 } as const
    const published = buildChallenge({ label: 'published', ...options })
    const result = assess(published.evidence)
    expect(result.faults).toEqual([])
    // (n - 2f) / (n - f) of the estimate.
    expect(result.guaranteedKbps / result.estimateKbps).toBeCloseTo(3 / 4, 2)
    const contract = new Uint8Array(20).fill(1)
    const settling = buildChallenge({
      label: 'published',
      ...options,
      chainId: 1,
      verifyingContract: contract,
    })
    expect(assess(settling.evidence).faults.map(({ code }) => code)).toContain('request_invalid')
  })

  it('signs another structure on a chain than without one', () => {
    const contract = new Uint8Array(20).fill(7)
    const settling = buildChallenge({ label: 'default', chainId: 31_337, verifyingContract: contract })
    expect(verifyTranscript(sealed(settling), settling)).toMatchObject({
      level: 'consistent',
      faults: [],
      missing: ['chain'],
    })
    const ackLists = [challenge, settling].map(({ evidence }) => {
      const [record] = evidence.slots
      return record?.capture === null || record === undefined ? [] : capturedRoots(record.capture)
    })
    // The same traffic: seeds do not depend on the chain here, signatures do.
    expect(ackLists[0]).toEqual(ackLists[1])
    expect(settling.evidence.slots[0]?.capture?.signature).not.toEqual(
      challenge.evidence.slots[0]?.capture?.signature,
    )
  })
})
