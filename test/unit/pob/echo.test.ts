/** Uplinks by echo: marks, evidence, and what makes it wrong. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assess } from '../../../src/pob/assess.js'
import { echoMarks, marksFault } from '../../../src/pob/echo.js'
import { decodeEvidence, encodeEvidence } from '../../../src/pob/evidence.js'
import { planFault } from '../../../src/pob/plan.js'
import { challengeIdOf, requestFault } from '../../../src/pob/request.js'
import { verifyTranscript } from '../../../src/pob/verify.js'
import { buildChallenge, sealed, signTestimony, withSlot } from '../../support/challenge-builder.js'

const TAU = 200_000
const arrivals = fc
  .array(fc.double({ min: 1, max: 400_000, noNaN: true }), { maxLength: 400 })
  .map((all) => all.sort((a, b) => a - b))

describe('marks', () => {
  it('count exactly what came by their time, rise, and end with the last echo', () => {
    fc.assert(
      fc.property(arrivals, (micros) => {
        const { counts, ownMicros } = echoMarks(micros, TAU)
        expect(marksFault({ counts, ownMicros }, { packetCount: 400, sentPackets: 400 })).toBeUndefined()
        counts.forEach((count, k) => {
          expect(Math.max(1, Math.ceil(micros[count - 1] ?? 0))).toBe(ownMicros[k])
        })
        expect(counts.at(-1) ?? 0).toBe(micros.length)
      }),
    )
  })

  it('never credit more than the link passed in the time they name', () => {
    fc.assert(
      fc.property(arrivals, (micros) => {
        const { counts, ownMicros } = echoMarks(micros, TAU)
        counts.forEach((count, k) => {
          const passed = micros.filter((arrival) => arrival <= (ownMicros[k] ?? 0)).length
          expect(count).toBeLessThanOrEqual(passed)
        })
      }),
    )
  })
})

describe('evidence of an uplink', () => {
  const built = buildChallenge({ label: 'echo', direction: 'up', teamSize: 1, thetaKbps: 2400 })
  const { evidence, signers } = built
  const change = (record: (typeof evidence.slots)[number], more: object) => {
    const [testimony] = record.testimonies
    const [member] = [signers.members[record.slot]]
    if (testimony == null || member === undefined) throw new Error('no testimony')
    const { signature: _, ...content } = { ...testimony, ...more }
    return {
      ...record,
      testimonies: [signTestimony(evidence, { slot: record.slot, attempt: 0 }, member, content)],
    }
  }

  it('gives the rate that came back, is anchored, and says whose word it is', () => {
    const assessment = assess(evidence)
    expect(assessment.faults).toEqual([])
    expect(assessment.guaranteedKbps).toBeGreaterThan(0.9 * 2400)
    expect(assessment.guaranteedKbps).toBeLessThanOrEqual(2400)
    expect(Math.abs(assessment.estimateKbps - 2400)).toBeLessThan(0.03 * 2400)
    expect(assessment.flags).toContain('echo_testimony')
    expect(verifyTranscript(sealed(built), { registry: built.registry, beacon: built.beacon })).toMatchObject(
      {
        level: 'anchored',
        faults: [],
      },
    )
    expect(decodeEvidence(encodeEvidence(evidence))).toEqual(evidence)
  })

  it.each([
    ['a count above what was sent', { sentPackets: 3 }],
    ['a count that falls', { echoCounts: [9, 8], ownMicros: [1, 2] }],
    ['a time that falls', { echoCounts: [1, 2], ownMicros: [2, 1] }],
    ['no time for a count', { echoCounts: [1, 2], ownMicros: [2] }],
    ['the acks of a downlink', { ackListHash: new Uint8Array(32).fill(1) }],
  ])('is not in order with %s', (_, more) => {
    const { faults } = assess(withSlot(evidence, 1, (record) => change(record, more)))
    expect(faults.map(({ code }) => code)).toEqual(['testimony_shape'])
  })

  it('is not in order where a mark was changed after it was signed, or a capture stands beside it', () => {
    const changed = withSlot(evidence, 0, (record) => ({
      ...record,
      testimonies: record.testimonies.map((each) => each && { ...each, rttMicros: each.rttMicros + 1 }),
    }))
    expect(assess(changed).faults.map(({ code }) => code)).toEqual(['testimony_signature'])
    const down = buildChallenge({ label: 'echo', teamSize: 1 })
    const captured = withSlot(evidence, 0, (record) => ({
      ...record,
      capture: down.evidence.slots[0]?.capture ?? null,
    }))
    expect(assess(captured).faults.map(({ code }) => code)).toEqual(['capture_shape'])
  })

  it('is worth nothing of a member whose seed is off its commitment', () => {
    const off = withSlot(evidence, 0, (record) => change(record, { seed: new Uint8Array(32) }))
    expect(assess(off).slots[0]?.valueKbps).toBe(0)
  })

  it('does not pass for a downlink', () => {
    const down = buildChallenge({ label: 'echo down', teamSize: 1 })
    const [echoed] = evidence.slots
    if (echoed === undefined) throw new Error('no slot')
    const mixed = withSlot(down.evidence, 0, (record) => ({ ...record, testimonies: echoed.testimonies }))
    expect(assess(mixed).faults.map(({ code }) => code)).toContain('testimony_shape')
  })

  it('has teams of one: two clocks in a team would let a prover have them take turns', () => {
    const { request, plan } = evidence
    const two = { ...plan, teamSize: 2, teams: 3, memberRateKbps: Math.ceil(plan.memberRateKbps / 2) }
    expect(planFault(request, challengeIdOf(request), two)).toBe('an uplink is measured by teams of one')
    expect(requestFault({ ...request, profile: 0, teams: 1 })).toMatch(/teams of one/)
    expect(requestFault({ ...request, chainId: 5 })).toMatch(/never settled/)
    expect(() => buildChallenge({ label: 'echo', direction: 'up', teamSize: 2 })).toThrow(/too_few_members/)
  })
})
