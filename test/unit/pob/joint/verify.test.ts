/** Joint transcripts: credit and verdict follow from what was signed, and no change of one raises the credit or accuses. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { Evidence } from '../../../../src/pob/evidence.js'
import { decodeJointFile, encodeJointFile, type JointFile } from '../../../../src/pob/joint/file.js'
import { firstSendDigest } from '../../../../src/pob/joint/first-send.js'
import { verifyJoint } from '../../../../src/pob/joint/verify.js'
import { digestsOf } from '../../../../src/pob/request.js'
import { recomputedBytes } from '../../../../src/pob/workload.js'
import {
  type BuiltChallenge,
  buildChallenge,
  type ChallengeOptions,
  identityOf,
  sealed,
} from '../../../support/challenge-builder.js'

const RATE_KBPS = 1500
const PROVERS = ['joint prover a', 'joint prover b']
const CLOCK = new Uint8Array(32).fill(5)

/** Teams of one among three; uplinks carry two provers at once. */
const challengeOf = (prover: string, salt: string, change: ChallengeOptions = {}): BuiltChallenge =>
  buildChallenge({
    label: 'joint',
    prover,
    salt,
    claimKbps: RATE_KBPS,
    committeeSize: 3,
    faulty: 1,
    teamSize: 1,
    uplinkShare: 2,
    ...change,
  })

function firstSendsOf(
  { evidence, signers }: BuiltChallenge,
  { micros = 7_000_000, clock = CLOCK }: { readonly micros?: number; readonly clock?: Uint8Array } = {},
): JointFile['firstSends'][number] {
  const digests = digestsOf(evidence.request)
  return evidence.slots.map(({ slot, attempt }) => {
    const said = { clock, firstSendMicros: micros + slot }
    const member = signers.members[slot]
    if (member === undefined) throw new Error('no member')
    return [{ ...said, signature: member.sign(firstSendDigest(digests, { slot, attempt }, said)) }]
  })
}

interface Made {
  readonly alone: readonly BuiltChallenge[]
  readonly together: readonly BuiltChallenge[]
  readonly file: JointFile
}

/** @param shareTogether what each gets of its link while the other is measured */
function made(shareTogether: number): Made {
  const alone = PROVERS.map((prover) => challengeOf(prover, `${prover} alone`))
  const together = PROVERS.map((prover) =>
    challengeOf(prover, `${prover} together`, { thetaKbps: RATE_KBPS * shareTogether }),
  )
  return {
    alone,
    together,
    file: {
      version: 1,
      alone: alone.map((each) => sealed(each)),
      together: together.map((each) => sealed(each)),
      firstSends: together.map((each) => firstSendsOf(each)),
    },
  }
}

let separate: Made
let shared: Made
beforeAll(() => {
  separate = made(1)
  shared = made(0.5)
})

const anchorsOf = ({ alone: [first] }: Made) => {
  if (first === undefined) throw new Error('no challenge')
  return { registry: first.registry, beacon: first.beacon }
}
const verified = (each: Made, change: Partial<JointFile> = {}) =>
  verifyJoint(encodeJointFile({ ...each.file, ...change }), anchorsOf(each))
const codes = (each: Made, change: Partial<JointFile>) => {
  const { level, link, faults } = verified(each, change)
  expect([level, link]).toEqual([undefined, undefined])
  return [...new Set(faults.map(({ code }) => code))]
}

describe('a joint transcript', () => {
  it('shows that two links are separate, and credits both', () => {
    const { level, link, faults, rates } = verified(separate)
    expect([level, faults]).toEqual(['anchored', []])
    expect(link).toMatchObject({ verdict: 'separate', creditKbps: link?.sumKbps })
    expect(link?.sumKbps).toBeGreaterThan(1.9 * RATE_KBPS)
    expect(rates?.guaranteedKbps).toBeGreaterThan(1.9 * RATE_KBPS)
  })

  it('shows that two provers share one link, and credits it once', () => {
    const { level, link } = verified(shared)
    expect([level, link?.verdict]).toEqual(['anchored', 'shared'])
    // The builder's link lets a burst of 20,000 bits through for each.
    expect(link?.creditKbps).toBeLessThanOrEqual(RATE_KBPS + (2 * 20) / (0.8 * 0.2))
    expect(link?.creditKbps).toBeGreaterThan(RATE_KBPS * 0.9)
  })

  it('says how far it can be trusted', () => {
    const content = encodeJointFile(separate.file)
    expect(decodeJointFile(content)).toEqual(separate.file)
    expect(verifyJoint(content)).toMatchObject({
      level: 'consistent',
      missing: ['registry', 'beacon', 'chain'],
    })
    const other = challengeOf('somebody', 'else', { label: 'other' })
    const stranger = verifyJoint(content, { registry: other.registry, beacon: other.beacon })
    expect(stranger).toMatchObject({ level: 'consistent', link: { verdict: 'separate' } })
    expect(stranger.faults[0]?.message).toMatch(/^prover 0 alone: /)
  })

  it('is refused where it is none', () => {
    for (const content of [
      new Uint8Array(0),
      new Uint8Array(9),
      encodeJointFile(separate.file).subarray(0, -1),
    ])
      expect(verifyJoint(content)).toMatchObject({ level: undefined, faults: [{ code: 'malformed' }] })
    const [first = new Uint8Array(0)] = separate.file.alone
    expect(codes(separate, { alone: [first, first, first] })).toEqual(['joint_shape'])
  })

  it('is refused where a part of it is changed', () => {
    const alone = separate.file.alone.map((each, i) =>
      i === 1 ? each.map((byte, at) => (at === 900 ? byte ^ 1 : byte)) : each,
    )
    const { level, faults } = verified(separate, { alone })
    expect(level).toBeUndefined()
    expect(faults[0]?.message).toMatch(/^prover 1 alone: /)
  })
})

describe('who makes one for its own ends', () => {
  it('cannot exchange provers, name one twice, or use a challenge for both', () => {
    const { alone, together, firstSends } = separate.file
    expect(codes(separate, { alone: [...alone].reverse() })).toEqual(['joint_provers'])
    expect(codes(separate, { alone: together })).toEqual(['joint_provers'])
    const twice = (list: readonly Uint8Array[]) => [
      list[0] ?? new Uint8Array(0),
      list[0] ?? new Uint8Array(0),
    ]
    const named = {
      alone: twice(alone),
      together: twice(together),
      firstSends: firstSends.map(() => firstSends[0] ?? []),
    }
    expect(codes(separate, named)).toEqual(['joint_provers'])
  })

  it('cannot put challenges together that were not', () => {
    const [first, second] = separate.together
    if (first === undefined || second === undefined) throw new Error('no challenge')
    const other = challengeOf(PROVERS[1] ?? '', 'another claim', { claimKbps: RATE_KBPS - 1 })
    const unlike = {
      together: [sealed(first), sealed(other)],
      firstSends: [firstSendsOf(first), firstSendsOf(other)],
    }
    expect(codes(separate, unlike)).toContain('joint_teams')
    // Of the same terms, and yet one after the other: the members' clock tells.
    const later = { firstSends: [firstSendsOf(first), firstSendsOf(second, { micros: 9_000_000 })] }
    expect(verified(separate, later).link).toMatchObject({ verdict: 'unclear' })
    expect(verified(separate, later).link?.creditKbps).toBeLessThan(RATE_KBPS)
  })

  it('cannot accuse by a claim that those together cannot reach, nor by what is long ago', () => {
    const greater = PROVERS.map((prover) =>
      challengeOf(prover, `${prover} greater`, { claimKbps: RATE_KBPS * 2, thetaKbps: RATE_KBPS * 2 }),
    )
    expect(codes(separate, { alone: greater.map((each) => sealed(each)) })).toContain('joint_teams')
    const before = PROVERS.map((prover) => challengeOf(prover, `${prover} before`, { laterSeconds: -7200 }))
    expect(codes(separate, { alone: before.map((each) => sealed(each)) })).toEqual(['joint_times'])
  })

  it('makes nobody recompute more than one budget for all of it', () => {
    const content = encodeJointFile(separate.file)
    const needed = recomputedBytes(separate.alone[0]?.evidence as Evidence)
    const verdict = verifyJoint(content, {}, { maxRecomputedBytes: 2 * needed })
    expect(verdict.faults.map(({ code }) => code)).toEqual(['too_much_traffic', 'too_much_traffic'])
  })

  it('cannot sign for a member, nor use the words of another train', () => {
    const [first, second] = separate.together
    if (first === undefined || second === undefined) throw new Error('no challenge')
    expect(codes(separate, { firstSends: [firstSendsOf(first), firstSendsOf(first)] })).toEqual([
      'first_send_signature',
    ])
    const members = second.signers.members.map(() => identityOf('a stranger'))
    const forged = firstSendsOf({ ...second, signers: { ...second.signers, members } })
    expect(codes(separate, { firstSends: [firstSendsOf(first), forged] })).toEqual(['first_send_signature'])
    expect(codes(separate, { firstSends: [firstSendsOf(first), firstSendsOf(second).slice(1)] })).toEqual([
      'first_send_shape',
    ])
  })

  it('accuses nobody by what it leaves out, and gains nothing by it', () => {
    const [first, second] = separate.together
    if (first === undefined || second === undefined) throw new Error('no challenge')
    const silent = firstSendsOf(second).map((slot) => slot.map(() => null))
    const { link } = verified(separate, { firstSends: [firstSendsOf(first), silent] })
    expect(link?.verdict).toBe('unclear')
    expect(link?.creditKbps).toBe(0)
  })

  it('cannot compare the clocks of a member before and after it began anew', () => {
    const [first, second] = separate.together
    if (first === undefined || second === undefined) throw new Error('no challenge')
    const anew = firstSendsOf(second, { clock: new Uint8Array(32).fill(6) })
    expect(verified(separate, { firstSends: [firstSendsOf(first), anew] }).link).toMatchObject({
      verdict: 'unclear',
      creditKbps: 0,
    })
  })

  it('cannot accuse by members whose uplinks do not carry it', () => {
    const weak = (prover: string, salt: string) => challengeOf(prover, salt, { uplinkShare: 1 })
    const alone = PROVERS.map((prover) => weak(prover, `${prover} alone`))
    const together = PROVERS.map((prover) => weak(prover, `${prover} together`))
    const file: JointFile = {
      version: 1,
      alone: alone.map((each) => sealed(each)),
      together: together.map((each) => sealed(each)),
      firstSends: together.map((each) => firstSendsOf(each)),
    }
    expect(codes({ alone, together, file }, {})).toEqual(['joint_uplinks'])
  })
})
