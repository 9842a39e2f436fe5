/** Transcript verification: every kind of tampering has a name, and nothing makes it throw. */
import { beforeAll, describe, expect, it } from 'vitest'
import { signRound } from '../../../src/crypto/beacon.js'
import { type CborValue, decode, encode } from '../../../src/crypto/cbor.js'
import { decodeOrder, encodeOrder, orderLength } from '../../../src/pob/arrival-order.js'
import { assess } from '../../../src/pob/assess.js'
import {
  KEYSTREAM_BYTES,
  MAX_CLAIM_KBPS,
  MAX_TAU_MICROS,
  offeredKbps,
  packetCountOf,
} from '../../../src/pob/constants.js'
import type { Evidence } from '../../../src/pob/evidence.js'
import { encodeEvidence, evidenceHashOf } from '../../../src/pob/evidence.js'
import type { FaultCode } from '../../../src/pob/fault.js'
import { planDigest } from '../../../src/pob/plan.js'
import { buildRegistry } from '../../../src/pob/registry.js'
import { acceptanceDigest, digestsOf, type Request } from '../../../src/pob/request.js'
import { resultDigest, voteDigest } from '../../../src/pob/result.js'
import { ackListDigest, capturedRoots, commitmentDigest, type SlotRecord } from '../../../src/pob/slot.js'
import { encodeTranscript, type Transcript } from '../../../src/pob/transcript.js'
import { checkSettled, checkStanding, type Verdict, verifyTranscript } from '../../../src/pob/verify.js'
import { DEFAULT_MAX_RECOMPUTED_BYTES, recomputedBytes } from '../../../src/pob/workload.js'
import {
  type BuiltChallenge,
  buildChallenge,
  sealed,
  sealTranscript,
  signCapture,
  signTestimony,
  testBeacon,
  withSlot,
} from '../../support/challenge-builder.js'

let challenge: BuiltChallenge
let transcript: Transcript
beforeAll(() => {
  challenge = buildChallenge()
  transcript = sealTranscript(challenge)
})

const anchors = () => ({ registry: challenge.registry, beacon: challenge.beacon })

function flipped(bytes: Uint8Array, at = 0): Uint8Array {
  const copy = bytes.slice()
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

/** The committee's seal over changed evidence: only the change itself can be at fault. */
const evidenceWith = (change: (evidence: Evidence) => Evidence) =>
  sealed(challenge, change(challenge.evidence))
const slotWith = (index: number, change: (record: SlotRecord) => SlotRecord) =>
  evidenceWith((evidence) => withSlot(evidence, index, change))
const transcriptWith = (change: Partial<Transcript>) => encodeTranscript({ ...transcript, ...change })

/** A request with other terms, accepted and planned anew, so that all signatures are right. */
function rerequested(change: Partial<Request>): Evidence {
  const { evidence, signers } = challenge
  const request = { ...evidence.request, ...change }
  const digests = digestsOf(request)
  const plan = { ...evidence.plan, challengeId: digests.challengeId }
  return {
    ...evidence,
    request,
    payerSignature: signers.payer.sign(digests.challengeId),
    acceptanceSignature: signers.prover.sign(acceptanceDigest(digests, evidence.acceptedAt)),
    plan,
    planSignature: signers.coordinator.sign(planDigest(digests, plan)),
  }
}

function replanned(change: Partial<Evidence['plan']>): Evidence {
  const { evidence, signers } = challenge
  const plan = { ...evidence.plan, ...change }
  return {
    ...evidence,
    plan,
    planSignature: signers.coordinator.sign(planDigest(digestsOf(evidence.request), plan)),
  }
}

function capture(record: SlotRecord) {
  if (record.capture === null) throw new Error('no capture')
  return record.capture
}

/** A slot whose capture is changed and signed by the prover again; the members testify to the new list. */
function recaptured(
  record: SlotRecord,
  change: (content: ReturnType<typeof capture>) => ReturnType<typeof capture>,
) {
  const { signers, evidence } = challenge
  return {
    ...record,
    capture: signCapture({ request: evidence.request, signers }, record, change(capture(record))),
  }
}

/** One member's testimony of a slot with other contents, signed by it. */
function retestified(
  record: SlotRecord,
  i: number,
  change: Partial<NonNullable<SlotRecord['testimonies'][number]>>,
) {
  const { signers, evidence } = challenge
  const member = signers.members[record.slot * evidence.plan.teamSize + i]
  const testimonies = record.testimonies.map((testimony, position) =>
    position === i && testimony !== null && member !== undefined
      ? signTestimony(evidence, record, member, { ...testimony, ...change })
      : testimony,
  )
  return { ...record, testimonies }
}

const dirty = (record: SlotRecord) => retestified(record, 0, { latenessMicros: 50_000 })

type Tampering = readonly [name: string, code: FaultCode, message: RegExp, make: () => Uint8Array]

const tamperings: readonly Tampering[] = [
  [
    'a byte after the end',
    'malformed',
    /1 bytes after its end/,
    () => {
      const bytes = encodeTranscript(transcript)
      return Uint8Array.from([...bytes, 0])
    },
  ],
  ['nothing at all', 'malformed', /cut short/, () => new Uint8Array(0)],
  [
    'text instead of a transcript',
    'malformed',
    /malformed/,
    () => new TextEncoder().encode('{"guaranteed": 900}'),
  ],
  [
    'evidence cut short',
    'malformed',
    /cut short/,
    () => transcriptWith({ evidence: transcript.evidence.subarray(0, -1) }),
  ],
  [
    'an unknown key',
    'malformed',
    /unknown key "note"/,
    () => encode({ ...transcript, note: 'fast!' } as unknown as CborValue),
  ],
  [
    'a missing key',
    'malformed',
    /transcript\.owed/,
    () => {
      const { owed: _, ...rest } = transcript
      return encode(rest as unknown as CborValue)
    },
  ],
  [
    'another version',
    'malformed',
    /transcript\.version: expected an integer 1\.\.1, got 2/,
    () => transcriptWith({ version: 2 }),
  ],
  [
    'a prover that is no point of the curve',
    'malformed',
    /evidence\.request\.prover: is no public key/,
    () =>
      transcriptWith({
        evidence: encode({
          ...challenge.evidence,
          request: { ...challenge.evidence.request, prover: new Uint8Array(33) },
        } as unknown as CborValue),
      }),
  ],
  [
    'a member that is no point of the curve',
    'malformed',
    /evidence\.plan\.committee\[0\]: is no public key/,
    () =>
      transcriptWith({
        evidence: encode({
          ...challenge.evidence,
          plan: { ...challenge.evidence.plan, committee: [new Uint8Array(33).fill(5)] },
        } as unknown as CborValue),
      }),
  ],
  [
    'terms that no profile has',
    'request_invalid',
    /runs 2 f \+ 1 = 3 teams at most, not 5/,
    () => sealed(challenge, rerequested({ teams: 5 })),
  ],
  [
    'a claim raised after the payer signed',
    'payer_signature',
    /the signature of its payer/,
    () => evidenceWith((evidence) => ({ ...evidence, request: { ...evidence.request, claimKbps: 9000 } })),
  ],
  [
    'a payer signature changed',
    'payer_signature',
    /the signature of its payer/,
    () => evidenceWith((evidence) => ({ ...evidence, payerSignature: flipped(evidence.payerSignature, 7) })),
  ],
  [
    'the acceptance moved in time',
    'acceptance_signature',
    /the signature of the prover/,
    () => evidenceWith((evidence) => ({ ...evidence, acceptedAt: evidence.acceptedAt - 60 })),
  ],
  [
    'a plan of another challenge',
    'plan_invalid',
    /of another challenge/,
    () => sealed(challenge, replanned({ challengeId: new Uint8Array(32) })),
  ],
  [
    'a member twice',
    'plan_invalid',
    /names a member twice/,
    () => {
      const [first, , ...rest] = challenge.evidence.plan.committee
      return sealed(challenge, replanned({ committee: [first, first, ...rest].flatMap((key) => key ?? []) }))
    },
  ],
  [
    'fewer faults than asked for',
    'plan_invalid',
    /faulty is not the request's/,
    () => sealed(challenge, replanned({ faulty: 0, cleanTeams: 3 })),
  ],
  [
    'more clean teams than there are',
    'plan_invalid',
    /cleanTeams/,
    () => sealed(challenge, replanned({ cleanTeams: 1 })),
  ],
  [
    'larger teams than members',
    'plan_invalid',
    /more members than were drawn/,
    () => sealed(challenge, replanned({ teamSize: 6 })),
  ],
  [
    'more packets than the claim asks for',
    'plan_invalid',
    /memberRateKbps is not the offered rate/,
    () => sealed(challenge, replanned({ memberRateKbps: 120_000_000 })),
  ],
  [
    'a shorter slot',
    'plan_invalid',
    /a slot of 150000 us does not fit/,
    () => sealed(challenge, replanned({ tauMicros: 150_000 })),
  ],
  [
    'a plan changed after the coordinator signed',
    'plan_signature',
    /signature of the coordinator/,
    () => evidenceWith((evidence) => ({ ...evidence, plan: { ...evidence.plan, tauMicros: 300_000 } })),
  ],
  [
    'slots in another order',
    'slot_sequence',
    /slot 1, attempt 0 stands where slot 0 was due/,
    () =>
      evidenceWith((evidence) => ({ ...evidence, slots: [1, 0, 2].flatMap((i) => evidence.slots[i] ?? []) })),
  ],
  [
    'a slot dropped',
    'slot_sequence',
    /slot 2, attempt 0 stands where slot 1 was due/,
    () =>
      evidenceWith((evidence) => ({ ...evidence, slots: evidence.slots.filter(({ slot }) => slot !== 1) })),
  ],
  [
    'a slot beyond the plan',
    'slot_sequence',
    /slot 3/,
    () =>
      evidenceWith((evidence) => ({
        ...evidence,
        slots: [...evidence.slots, ...evidence.slots.slice(0, 1).map((record) => ({ ...record, slot: 3 }))],
      })),
  ],
  [
    'an attempt left out',
    'slot_sequence',
    /slot 0, attempt 1 stands where slot 0 was due/,
    () => slotWith(0, (record) => ({ ...record, attempt: 1 })),
  ],
  [
    'a clean attempt repeated',
    'slot_sequence',
    /repeats an attempt that its profile does not/,
    () =>
      evidenceWith((evidence) => ({
        ...evidence,
        slots: evidence.slots.flatMap((record) =>
          record.slot === 1 ? [record, { ...record, attempt: 1 }] : [record],
        ),
      })),
  ],
  [
    'attempts in the wrong order',
    'slot_sequence',
    /slot 1, attempt 1 stands where/,
    () =>
      evidenceWith((evidence) => ({
        ...evidence,
        slots: evidence.slots.flatMap((record) =>
          record.slot === 1 ? [{ ...dirty(record), attempt: 1 }, record] : [record],
        ),
      })),
  ],
  [
    'a testimony place removed',
    'slot_shape',
    /one place for each of the 2 members/,
    () => slotWith(2, (record) => ({ ...record, testimonies: record.testimonies.slice(0, 1) })),
  ],
  [
    'stopped while it was worth going on',
    'stopped_early',
    /1 of 3 slots ran/,
    () => evidenceWith((evidence) => ({ ...evidence, slots: evidence.slots.slice(0, 1) })),
  ],
  [
    'a commitment changed',
    'commitment_signature',
    /slot 0, attempt 0: the commitment of member 1 is not signed by it/,
    () =>
      slotWith(0, (record) => ({
        ...record,
        commitments: record.commitments.map((each, i) =>
          i === 1 && each !== null ? { ...each, seedHash: flipped(each.seedHash) } : each,
        ),
      })),
  ],
  [
    'a commitment to another length',
    'commitment_terms',
    /member 0 committed to another rate or length/,
    () =>
      slotWith(0, (record) => ({
        ...record,
        commitments: record.commitments.map((each, i) => {
          const member = challenge.signers.members[0]
          if (i !== 0 || each === null || member === undefined) return each
          const terms = { ...each, packetCount: each.packetCount + 1 }
          return {
            ...terms,
            signature: member.sign(commitmentDigest(digestsOf(challenge.evidence.request), record, terms)),
          }
        }),
      })),
  ],
  [
    'a member left out of the capture',
    'capture_shape',
    /one entry for each member and ack/,
    () =>
      slotWith(1, (record) => ({
        ...record,
        capture: { ...capture(record), orders: capture(record).orders.slice(1) },
      })),
  ],
  [
    'counts that fall',
    'capture_counts',
    /covers fewer packets than the one before/,
    () =>
      slotWith(1, (record) =>
        recaptured(record, (content) => ({
          ...content,
          counts: [...content.counts].reverse(),
          digests: [...content.digests].reverse(),
        })),
      ),
  ],
  [
    'an order shorter than its counts',
    'capture_order',
    /member 2 is shorter than its last ack/,
    () =>
      slotWith(1, (record) => ({
        ...record,
        capture: { ...capture(record), orders: [encodeOrder([0, 1]), ...capture(record).orders.slice(1)] },
      })),
  ],
  [
    'an order with a packet twice',
    'capture_order',
    /member 3: the arrival order has sequence 0 twice/,
    () =>
      slotWith(1, (record) => ({
        ...record,
        capture: {
          ...capture(record),
          orders: [...capture(record).orders.slice(0, 1), encodeOrder([0, 1, 0])],
        },
      })),
  ],
  [
    'a digest changed',
    'ack_list_signature',
    /the acks do not carry the signature of the prover/,
    () =>
      slotWith(1, (record) => ({
        ...record,
        capture: {
          ...capture(record),
          digests: capture(record).digests.map((ack, k) =>
            k === 0 ? ack.map((each) => flipped(each)) : ack,
          ),
        },
      })),
  ],
  [
    'counts raised',
    'ack_list_signature',
    /slot 2, attempt 0: the acks/,
    () =>
      slotWith(2, (record) => ({
        ...record,
        capture: {
          ...capture(record),
          counts: capture(record).counts.map((ack) => ack.map((count) => count + 1)),
        },
      })),
  ],
  [
    'own times shortened',
    'testimony_signature',
    /the testimony of member 4 is not signed by it/,
    () =>
      slotWith(2, (record) => ({
        ...record,
        testimonies: record.testimonies.map((each, i) =>
          i === 0 && each !== null ? { ...each, ownMicros: each.ownMicros.map((own) => own >> 1) } : each,
        ),
      })),
  ],
  [
    'a testimony of another slot',
    'testimony_signature',
    /slot 2, attempt 0: the testimony/,
    () =>
      evidenceWith((evidence) =>
        withSlot(evidence, 2, (record) => ({ ...record, testimonies: evidence.slots[1]?.testimonies ?? [] })),
      ),
  ],
  [
    'more times than acks',
    'testimony_shape',
    /member 0 times more acks than there are/,
    () =>
      slotWith(0, (record) =>
        retestified(record, 0, { ownMicros: [...(record.testimonies[0]?.ownMicros ?? []), 1, 2] }),
      ),
  ],
  [
    'a vote over other evidence',
    'vote_signature',
    /the vote signature of member 2 is not its own/,
    () =>
      transcriptWith({
        votes: transcript.votes.map((vote, i) => (i === 2 ? (transcript.votes[3] ?? null) : vote)),
      }),
  ],
  [
    'votes of too few',
    'votes_missing',
    /4 valid vote signatures, 5 of 6 are needed/,
    () => transcriptWith({ votes: transcript.votes.map((vote, i) => (i < 2 ? null : vote)) }),
  ],
  [
    'places for votes removed',
    'votes_missing',
    /5 places for vote signatures/,
    () => transcriptWith({ votes: transcript.votes.slice(1) }),
  ],
  [
    'a higher guarantee, signed by all',
    'result_value',
    /its evidence gives/,
    () => {
      const value = { ...transcript, guaranteedKbps: transcript.guaranteedKbps + 1000 }
      const evidenceHash = evidenceHashOf(transcript.evidence)
      const digest = resultDigest(digestsOf(challenge.evidence.request), { ...value, evidenceHash })
      return encodeTranscript({
        ...value,
        signatures: challenge.signers.members.map((member) => member.sign(digest)),
      })
    },
  ],
  [
    'a higher estimate',
    'result_value',
    /the transcript says/,
    () => transcriptWith({ estimateKbps: transcript.estimateKbps + 1 }),
  ],
  [
    'a member paid that is not owed',
    'result_owed',
    /owed are not those/,
    () => transcriptWith({ owed: new Uint8Array(32).fill(255) }),
  ],
  [
    'a result signature changed',
    'result_signature',
    /the result signature of member 0 is not its own/,
    () =>
      transcriptWith({
        signatures: transcript.signatures.map((each, i) =>
          i === 0 && each !== null ? flipped(each, 40) : each,
        ),
      }),
  ],
  [
    'result signatures of too few',
    'signatures_missing',
    /3 valid result signatures, 5 of 6 are needed/,
    () => transcriptWith({ signatures: transcript.signatures.map((each, i) => (i < 3 ? null : each)) }),
  ],
]

const codesOf = (verdict: Verdict) => verdict.faults.map(({ code }) => code)

describe('verifyTranscript', () => {
  it('takes a genuine transcript as anchored', () => {
    const content = encodeTranscript(transcript)
    const verdict = verifyTranscript(content, anchors())
    expect(verdict.faults).toEqual([])
    expect(verdict.level).toBe('anchored')
    expect(verdict.missing).toEqual(['chain'])
  })

  it('names each way in which a chain holds something else', () => {
    const { guaranteedKbps, estimateKbps, owed } = transcript
    const evidenceHash = evidenceHashOf(transcript.evidence)
    const settled = { evidenceHash, guaranteedKbps, estimateKbps, owed }
    const codes = (result: Parameters<typeof checkSettled>[2]) =>
      checkSettled(transcript, evidenceHash, result).map(({ code }) => code)
    expect(codes(settled)).toEqual([])
    expect(codes('fixed')).toEqual(['not_settled'])
    expect(codes({ ...settled, evidenceHash: new Uint8Array(32) })).toEqual(['settled_hash'])
    expect(codes({ ...settled, guaranteedKbps: 1, estimateKbps: 2 })).toEqual([
      'settled_value',
      'settled_value',
    ])
    expect(codes({ ...settled, owed: new Uint8Array(32) })).toEqual(['settled_value'])
    // A challenge without a chain is settled on none.
    const chain = {
      chainId: 31337,
      verifyingContract: new Uint8Array(20).fill(1),
      acceptedAt: 1,
      draw: () => 'too_few_members' as const,
      result: settled,
      standing: { signers: 5, quorum: 5, proverFaulty: false },
    }
    const verdict = verifyTranscript(encodeTranscript(transcript), { ...anchors(), chain })
    expect([verdict.level, ...codesOf(verdict)]).toEqual(['consistent', 'chain_unknown'])
    const tampered = encodeTranscript({ ...transcript, guaranteedKbps: guaranteedKbps + 1 })
    expect(codesOf(verifyTranscript(tampered, { ...anchors(), chain }))).toContain('settled_value')
  })

  it('says what proven faults leave of a settled result', () => {
    const codes = (standing: Parameters<typeof checkStanding>[0]) =>
      checkStanding(standing).map(({ code }) => code)
    expect(codes({ signers: 6, quorum: 5, proverFaulty: false })).toEqual([])
    expect(codes({ signers: 5, quorum: 5, proverFaulty: false })).toEqual([])
    expect(codes({ signers: 4, quorum: 5, proverFaulty: false })).toEqual(['quorum_faulty'])
    expect(codes({ signers: 4, quorum: 5, proverFaulty: true })).toEqual(['quorum_faulty', 'prover_faulty'])
  })

  it('needs both registry and beacon to go beyond consistent', () => {
    const content = encodeTranscript(transcript)
    expect(verifyTranscript(content)).toMatchObject({
      level: 'consistent',
      missing: ['registry', 'beacon', 'chain'],
    })
    const { registry, beacon } = challenge
    expect(verifyTranscript(content, { registry }).missing).toEqual(['beacon', 'chain'])
    expect(verifyTranscript(content, { beacon }).missing).toEqual(['registry', 'chain'])
  })

  it('does not mind up to f members that neither vote nor sign', () => {
    const one = (list: Transcript['votes']) => list.map((each, i) => (i === 5 ? null : each))
    const content = transcriptWith({ votes: one(transcript.votes), signatures: one(transcript.signatures) })
    expect(verifyTranscript(content, anchors()).level).toBe('anchored')
  })

  it.each(tamperings.map(([name, code, message, make]) => ({ name, code, message, make })))(
    'names $name: $code',
    ({ code, message, make }) => {
      const verdict = verifyTranscript(make(), anchors())
      expect(verdict.level).toBeUndefined()
      expect(codesOf(verdict)).toContain(code)
      const named = verdict.faults.find((fault) => fault.code === code && message.test(fault.message))
      expect(named, verdict.faults.map((fault) => fault.message).join('\n')).toBeDefined()
      // The root cause comes first; what follows from it may come after.
      expect(codesOf(verdict)[0]).toBe(code)
    },
  )

  it('refuses every truncation', () => {
    const content = encodeTranscript(transcript)
    const lengths = [1, 2, 17, 100, content.length >> 1, content.length - 66, content.length - 1]
    for (const length of lengths)
      expect(codesOf(verifyTranscript(content.subarray(0, length), anchors()))).toEqual(['malformed'])
  })

  it('refuses another encoding of the same content', () => {
    const content = encodeTranscript(transcript)
    // The map of seven keys with its head in two bytes.
    const longer = Uint8Array.from([0xb8, 7, ...content.subarray(1)])
    expect(codesOf(verifyTranscript(longer, anchors()))).toEqual(['malformed'])
    expect(decode(content)).toBeTypeOf('object')
  })

  it('lists every fault, not only the first', () => {
    const verdict = verifyTranscript(
      transcriptWith({ guaranteedKbps: 1, owed: new Uint8Array(32) }),
      anchors(),
    )
    expect(codesOf(verdict)).toEqual([
      'result_value',
      'result_owed',
      'result_signature',
      'signatures_missing',
    ])
  })
})

describe('anchoring', () => {
  it('stops a wholly fabricated transcript at consistent', () => {
    const fabricated = buildChallenge({ label: 'fabricated', claimKbps: 9000 })
    const content = sealed(fabricated)
    expect(verifyTranscript(content).level).toBe('consistent')
    expect(
      verifyTranscript(content, { registry: fabricated.registry, beacon: fabricated.beacon }).level,
    ).toBe('anchored')
    const verdict = verifyTranscript(content, anchors())
    expect(verdict.level).toBe('consistent')
    expect(codesOf(verdict)).toEqual(['registry_unknown', 'beacon_unknown'])
  })

  it('names a registry or beacon other than the trusted one', () => {
    const content = encodeTranscript(transcript)
    const registry = buildRegistry(challenge.registry.entries.slice(1))
    const otherRegistry = verifyTranscript(content, { ...anchors(), registry })
    expect([otherRegistry.level, ...codesOf(otherRegistry)]).toEqual(['consistent', 'registry_unknown'])
    const otherBeacon = verifyTranscript(content, { ...anchors(), beacon: testBeacon('other').info })
    expect([otherBeacon.level, ...codesOf(otherBeacon)]).toEqual(['consistent', 'beacon_unknown'])
  })

  it('names a round that the prover could know when it accepted', () => {
    const { evidence, signers } = challenge
    const acceptedAt = evidence.acceptedAt + 60
    const acceptanceSignature = signers.prover.sign(acceptanceDigest(digestsOf(evidence.request), acceptedAt))
    const verdict = verifyTranscript(
      sealed(challenge, { ...evidence, acceptedAt, acceptanceSignature }),
      anchors(),
    )
    expect([verdict.level, ...codesOf(verdict)]).toEqual(['consistent', 'round_known_before'])
  })

  it('names a round value that the beacon did not sign', () => {
    const other = signRound(challenge.beaconSecret, challenge.evidence.request.beaconRound + 1)
    const verdict = verifyTranscript(sealed(challenge, replanned({ beaconSignature: other })), anchors())
    expect([verdict.level, ...codesOf(verdict)]).toEqual(['consistent', 'beacon_signature'])
  })

  it('names a committee that the beacon does not draw', () => {
    const { evidence } = challenge
    // The same members in another order: they would make other teams.
    const committee = [...evidence.plan.committee].reverse()
    const signers = { ...challenge.signers, members: [...challenge.signers.members].reverse() }
    const swapped = { ...challenge, signers }
    const reordered = { ...replanned({ committee }), slots: evidence.slots.map(silent) }
    const verdict = verifyTranscript(sealed(swapped, reordered), anchors())
    expect([verdict.level, ...codesOf(verdict)]).toEqual(['consistent', 'committee_differs'])
    expect(verdict.faults[0]?.message).toMatch(/not the one that the beacon draws/)
  })

  it('names a committee of friends chosen by the prover', () => {
    const friends = buildChallenge({ label: 'friends' })
    const { evidence, signers } = friends
    // Right registry and beacon by name, the round's true value, but members of its own.
    const request = {
      ...evidence.request,
      registryHash: challenge.registry.hash,
      beaconChain: challenge.beacon.chainHash,
    }
    const digests = digestsOf(request)
    const plan = {
      ...evidence.plan,
      challengeId: digests.challengeId,
      beaconSignature: signRound(challenge.beaconSecret, request.beaconRound),
    }
    const forged = {
      ...evidence,
      request,
      payerSignature: signers.payer.sign(digests.challengeId),
      acceptanceSignature: signers.prover.sign(acceptanceDigest(digests, evidence.acceptedAt)),
      plan,
      planSignature: signers.coordinator.sign(planDigest(digests, plan)),
      slots: evidence.slots.map(silent),
    }
    const verdict = verifyTranscript(sealed(friends, forged), anchors())
    expect([verdict.level, ...codesOf(verdict)]).toEqual(['consistent', 'committee_differs'])
  })
})

describe('the limit on what is recomputed', () => {
  /**
   * Everything signed as it should be, by keys of one's own, and a claim of 100 Gbit/s: every order is a run of all
   * packets in five bytes, every ack covers them, and its digests are whatever one likes.
   */
  function hostile() {
    const huge = buildChallenge({
      label: 'hostile',
      claimKbps: MAX_CLAIM_KBPS,
      committeeSize: 2 * HOSTILE_TEAMS,
      faulty: (HOSTILE_TEAMS - 1) / 2,
      rttMicros: () => MAX_TAU_MICROS / 10,
      record: () => ({ orders: [[0], [0]], counts: [[1, 1]], ownMicros: [[200_000], [200_000]] }),
    })
    const { evidence, signers } = huge
    const { memberRateKbps, tauMicros } = evidence.plan
    const packets = packetCountOf(memberRateKbps, tauMicros)
    const order = Uint8Array.from([0, ...leb128(packets - 1)])
    expect(decodeOrder(order, packets)).toEqual([{ first: 0, length: packets }])
    const slots = evidence.slots.map((record) => {
      const content = { ...capture(record), orders: [order, order], counts: [[packets, packets]] }
      const signed = signCapture({ request: evidence.request, signers }, record, content)
      const ackListHash = ackListDigest(digestsOf(evidence.request), record, capturedRoots(signed))
      const testimonies = record.testimonies.map((testimony, i) => {
        const member = signers.members[record.slot * evidence.plan.teamSize + i]
        if (testimony === null || member === undefined) return null
        return signTestimony(evidence, record, member, { ...testimony, ackListHash })
      })
      return { ...record, capture: signed, testimonies }
    })
    return { huge, bytes: HOSTILE_TEAMS * 2 * packets * KEYSTREAM_BYTES, evidence: { ...evidence, slots } }
  }

  /** Sealed without recomputing what it claims: the value is made up. */
  function sealedUnseen({ signers }: BuiltChallenge, evidence: Evidence): Uint8Array {
    const content = encodeEvidence(evidence)
    const evidenceHash = evidenceHashOf(content)
    const digests = digestsOf(evidence.request)
    const value = { evidenceHash, guaranteedKbps: 90_000_000, estimateKbps: 95_000_000, owed: owedByAll }
    const sign = (digest: Uint8Array) => signers.members.map((member) => member.sign(digest))
    const { guaranteedKbps, estimateKbps, owed } = value
    return encodeTranscript({
      version: 1,
      evidence: content,
      votes: sign(voteDigest(digests, evidenceHash)),
      guaranteedKbps,
      estimateKbps,
      owed,
      signatures: sign(resultDigest(digests, value)),
    })
  }
  const HOSTILE_TEAMS = 9
  const owedByAll = new Uint8Array(32).fill(255, 29)

  it('refuses a claim of 100 Gbit/s with real signatures before it recomputes a byte of it', () => {
    const { huge, bytes, evidence } = hostile()
    // About a second of a core for each of them: minutes, which the default limit saves.
    expect(bytes).toBeGreaterThan(120 * 2 ** 30)
    const content = sealedUnseen(huge, evidence)
    expect(content.length).toBeLessThan(32_000)
    const verdict = verifyTranscript(content)
    expect([verdict.level, ...codesOf(verdict)]).toEqual([undefined, 'too_much_traffic'])
    expect(verdict.faults[0]?.message).toMatch(
      /^12\d\.\d+ GiB of traffic are to be recomputed, more than the 16 GiB allowed$/,
    )
    expect(codesOf(verifyTranscript(content, {}, { maxRecomputedBytes: bytes - 1 }))).toEqual([
      'too_much_traffic',
    ])
    // Whom the verifier trusts is looked at all the same.
    expect(codesOf(verifyTranscript(content, anchors()))).toEqual([
      'registry_unknown',
      'beacon_unknown',
      'too_much_traffic',
    ])
  })

  it('names signatures that are wrong in what it does not recompute', () => {
    const { huge, evidence } = hostile()
    const forged = withSlot(evidence, 1, (record) => ({
      ...record,
      testimonies: record.testimonies.map((each) => each && { ...each, rttMicros: each.rttMicros + 1 }),
    }))
    const verdict = verifyTranscript(sealedUnseen(huge, forged))
    expect(codesOf(verdict)).toEqual(['testimony_signature', 'testimony_signature', 'too_much_traffic'])
  })

  it('goes by the orders, and allows exactly what they hold', () => {
    const content = encodeTranscript(transcript)
    const { evidence } = challenge
    const { memberRateKbps, tauMicros } = evidence.plan
    const packets = packetCountOf(memberRateKbps, tauMicros)
    const held = evidence.slots.flatMap((record) =>
      capture(record).orders.map((order) => orderLength(decodeOrder(order, packets))),
    )
    const bytes = held.reduce((sum, each) => sum + each, 0) * KEYSTREAM_BYTES
    expect(recomputedBytes(evidence)).toBe(bytes)
    expect(verifyTranscript(content, anchors(), { maxRecomputedBytes: bytes }).level).toBe('anchored')
    expect(codesOf(verifyTranscript(content, anchors(), { maxRecomputedBytes: bytes - 1 }))).toEqual([
      'too_much_traffic',
    ])
  })

  it('counts, checks and recomputes an attempt once, however often the evidence holds it', () => {
    const { evidence } = challenge
    const copies = Array.from({ length: 60 }, () => evidence.slots).flat()
    const repeated = { ...evidence, slots: copies }
    expect(recomputedBytes(repeated)).toBe(recomputedBytes(evidence))
    const { faults, repeats } = assess(repeated)
    expect(new Set(faults.map(({ code }) => code))).toEqual(new Set(['slot_sequence']))
    expect(repeats).toBe(0)
  })

  it('takes a strict challenge of 2.5 Gbit/s, 40 slots of the longest kind', () => {
    const packets = packetCountOf(offeredKbps(2_500_000), MAX_TAU_MICROS)
    expect(40 * packets * KEYSTREAM_BYTES).toBeLessThan(DEFAULT_MAX_RECOMPUTED_BYTES)
  })
})

function leb128(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...leb128(Math.floor(value / 128))]
}

/** A slot in which nobody did anything, three times over would be in order. */
function silent(record: SlotRecord): SlotRecord {
  return {
    ...record,
    commitments: record.commitments.map(() => null),
    capture: null,
    testimonies: record.testimonies.map(() => null),
  }
}
