import { describe, expect, it } from 'vitest'
import type { MemberOutcome, SlotOutcome } from '../../../src/pob/assess.js'
import { type FlagInput, QUALITY_FLAGS, type QualityFlag, qualityFlags } from '../../../src/pob/flags.js'

const member = (change: Partial<MemberOutcome> = {}): MemberOutcome => ({
  member: 0,
  committed: true,
  testified: true,
  opened: true,
  proven: true,
  equivocal: false,
  sentPackets: 100,
  receivedPackets: 90,
  rttMicros: 5000,
  latenessMicros: 100,
  ...change,
})

/** Ten acks at 100 Mbit/s; the first one has `head` times its bits. */
const slot = (members: MemberOutcome[], change: Partial<SlotOutcome> = {}, head = 1): SlotOutcome => ({
  slot: 0,
  attempt: 0,
  dirty: false,
  failed: false,
  team: {
    memberCount: 1,
    acks: Array.from({ length: 10 }, (_, k) => ({
      bits: [(0.15 + k * 0.01) * 100e6 + (head - 1) * 15e6],
      ownSeconds: [0.15 + k * 0.01],
    })),
  },
  members,
  ...change,
})

const input = (change: Partial<FlagInput> = {}): FlagInput => ({
  claimKbps: 100_000,
  estimateKbps: 100_000,
  slots: [slot([member(), member()])],
  values: [95e6, 96e6],
  isUplink: false,
  allOn: false,
  bounded: false,
  roundTripMicros: [5000],
  packetCount: 100,
  ...change,
})

describe('quality flags', () => {
  it('are none where all is well', () => {
    expect(qualityFlags(input())).toEqual([])
  })

  it.each<[QualityFlag, Partial<FlagInput>, Partial<FlagInput>]>([
    ['offered_limited', { estimateKbps: 116_400 }, { estimateKbps: 116_000 }],
    ['overclaimed', { estimateKbps: 89_999 }, { estimateKbps: 90_000 }],
    ['rtt_high', { roundTripMicros: [30_001, 40_000, 1] }, { roundTripMicros: [30_000] }],
    ['teams_disagree', { values: [100e6, 89e6] }, { values: [100e6, 91e6] }],
    [
      'starved_member',
      { slots: [slot([member(), member(), member({ receivedPackets: 40 })])] },
      { slots: [slot([member(), member(), member({ receivedPackets: 50 })])] },
    ],
    ['burst_suspect', { slots: [slot([member()], {}, 1.2)] }, { slots: [slot([member()], {}, 1.1)] }],
    ['equivocation', { slots: [slot([member({ equivocal: true })])] }, {}],
    [
      'seed_withheld',
      { slots: [slot([member({ testified: false })])] },
      { slots: [slot([member({ testified: false, committed: false })])] },
    ],
    [
      'dirty_sender',
      { slots: [slot([member()], { dirty: true })] },
      { slots: [slot([member()], { dirty: true, failed: true })] },
    ],
    ['all_on', { allOn: true }, {}],
    ['subset_bound', { bounded: true }, {}],
  ])('%s: raised when due, and only then', (flag, due, notDue) => {
    expect(qualityFlags(input(due))).toEqual([flag])
    expect(qualityFlags(input(notDue))).not.toContain(flag)
  })

  it('each come with a sentence', () => {
    for (const sentence of Object.values(QUALITY_FLAGS)) expect(sentence.length).toBeGreaterThan(10)
  })

  it('survive a challenge in which nothing happened', () => {
    expect(qualityFlags(input({ slots: [], values: [], roundTripMicros: [], estimateKbps: 0 }))).toEqual([])
    const failed = slot([], { failed: true, team: { memberCount: 1, acks: [] } })
    expect(qualityFlags(input({ slots: [failed], values: [0], estimateKbps: 0 }))).toEqual(['overclaimed'])
  })
})
