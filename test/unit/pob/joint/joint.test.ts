/** Provers measured together: their sum obeys the lemma whatever they do, and the verdict follows from it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TeamMeasurement } from '../../../../src/pob/aggregate/team-value.js'
import { type JointTrain, jointTeam } from '../../../../src/pob/joint/team.js'
import {
  type JointSlot,
  jointRates,
  SHARED_BELOW_SHARE,
  sharedLink,
} from '../../../../src/pob/joint/verdict.js'
import { seededRandom } from '../../../simulator/random.js'

const TAU_SECONDS = 0.2
const MBPS = 1e6
const STEP_SECONDS = 0.005
const TEAMS = 5
const FAULTY = 2
/** Clocks of members need not agree. */
const CLOCKS = [7_000_000, 123]

interface Line {
  readonly bps: number
  /** When this prover's train begins, seconds after the slot's own beginning. */
  readonly startSeconds?: number
  readonly roundTripSeconds?: number
  /** An ack says so much more than it should, seconds early. */
  readonly earlySeconds?: number
  readonly noise?: () => number
}

/** A prover's acks of a team of two, both of which send to it from `startSeconds` on. */
function train({ bps, startSeconds = 0, roundTripSeconds = 0, noise = () => 0 }: Line): JointTrain {
  const acks = []
  for (let t = 0.75 * TAU_SECONDS; t <= TAU_SECONDS + 1e-9; t += STEP_SECONDS) {
    const own = t + roundTripSeconds + noise() * 1e-3
    acks.push({ bits: [(bps * t) / 2, (bps * t) / 2], ownSeconds: [own, own] })
  }
  const team: TeamMeasurement = { memberCount: 2, acks }
  return { team, firstSendMicros: CLOCKS.map((clock) => clock + Math.floor(startSeconds * 1e6)) }
}

const slot = (lines: readonly Line[]): JointSlot => ({
  trains: lines.map(train),
  roundTripMicros: [0, 0],
})
const parameters = { tauSeconds: TAU_SECONDS, capBps: 1e9, faulty: FAULTY, cleanTeams: TEAMS - FAULTY }
const rates = (lines: readonly Line[]) =>
  jointRates(
    Array.from({ length: TEAMS }, () => slot(lines)),
    parameters,
  )
/** Guarantees alone; together each gets half of it, unless told. */
const alone = (...mbps: number[]) => mbps.map((each) => ({ aloneKbps: each * 1000, besideKbps: each * 500 }))

describe('a team that drives several provers at once', () => {
  it('gets the sum of what each gets', () => {
    const { guaranteedKbps, estimateKbps, failedSlots } = rates([{ bps: 60 * MBPS }, { bps: 40 * MBPS }])
    expect([guaranteedKbps, estimateKbps, failedSlots]).toEqual([100_000, 100_000, 0])
    expect(rates([{ bps: 60 * MBPS }]).guaranteedKbps).toBe(60_000)
  })

  it('gets no more by having the link one after the other', () => {
    // Each has the whole 100 Mbit/s, the second when the first is done.
    const { guaranteedKbps } = rates([{ bps: 100 * MBPS }, { bps: 100 * MBPS, startSeconds: TAU_SECONDS }])
    expect(guaranteedKbps).toBeLessThanOrEqual(100_000)
    expect(guaranteedKbps).toBeGreaterThan(99_000)
  })

  it('accuses nobody by slots that are left out, together with members that lie low', () => {
    const good = slot([{ bps: 100 * MBPS }, { bps: 100 * MBPS }])
    const low = slot([{ bps: 50 * MBPS }, { bps: 50 * MBPS }])
    const silent = {
      ...good,
      trains: good.trains.map((each) => ({ ...each, firstSendMicros: [null, null] })),
    }
    for (let i = 0; i < TEAMS; i++)
      for (let j = 0; j < i; j++)
        for (let liar = 0; liar < TEAMS; liar++) {
          const at = (k: number) => (k === i || k === j ? silent : k === liar ? low : good)
          const left = jointRates(
            Array.from({ length: TEAMS }, (_, k) => at(k)),
            parameters,
          )
          expect(left.failedSlots).toBe(2)
          expect(left.upperKbps).toBeGreaterThanOrEqual(200_000)
          expect(sharedLink(alone(100, 100), left, FAULTY).verdict).not.toBe('shared')
        }
  })

  it('accuses nobody whose trains did not run at the same time', () => {
    // Two separate lines of 100 Mbit/s, on a machine that held one prover up in all slots but one.
    const late = slot([{ bps: 100 * MBPS }, { bps: 100 * MBPS, startSeconds: 0.19 }])
    const good = slot([{ bps: 100 * MBPS }, { bps: 100 * MBPS, startSeconds: 0.001 }])
    const held = jointRates([late, late, good, late, late], parameters)
    expect([held.failedSlots, Math.round(held.estimateKbps / 10_000)]).toEqual([4, 20])
    expect(held.upperKbps).toBeGreaterThanOrEqual(200_000)
    expect(sharedLink(alone(100, 100), held, FAULTY).verdict).toBe('unclear')
    const spoiled = jointRates([late, good, good, good, late], parameters)
    expect([spoiled.failedSlots, sharedLink(alone(100, 100), spoiled, FAULTY).verdict]).toEqual([
      2,
      'separate',
    ])
  })

  it('counts no prover whose first packet a member does not tell', () => {
    const known = train({ bps: 50 * MBPS })
    const unknown = { ...train({ bps: 50 * MBPS }), firstSendMicros: [null, 5] }
    const { acks } = jointTeam([known, unknown])
    expect(acks.length).toBeGreaterThan(0)
    for (const { ownSeconds } of acks) expect(ownSeconds[0]).toBeNull()
    const hidden = jointRates([{ trains: [known, unknown], roundTripMicros: [0, 0] }], {
      ...parameters,
      faulty: 0,
      cleanTeams: 1,
    })
    expect(hidden.guaranteedKbps).toBe(0)
  })

  it('counts what one prover got where the other never answered', () => {
    const silent = { team: { memberCount: 2, acks: [] }, firstSendMicros: [null, null] }
    const { acks } = jointTeam([train({ bps: 50 * MBPS }), silent])
    const last = acks.at(-1)
    expect(last?.bits.reduce((sum, bits) => sum + bits, 0)).toBeCloseTo(50 * MBPS * TAU_SECONDS, 0)
    expect(jointTeam([silent, silent])).toEqual({ memberCount: 2, acks: [] })
    expect(jointTeam([])).toEqual({ memberCount: 0, acks: [] })
  })

  it('credits a late start to the estimate, never to the guarantee', () => {
    const { guaranteedKbps, estimateKbps } = rates([
      { bps: 50 * MBPS },
      { bps: 50 * MBPS, startSeconds: 0.02 },
    ])
    expect(guaranteedKbps).toBeLessThan(96_000)
    expect(estimateKbps).toBeGreaterThan(98_000)
  })

  /**
   * Any prover behind one bottleneck of rate theta: at each moment the link's bits go to one or the other as they please, acks may
   * be held back for any time, none can tell of bits that have not crossed.
   */
  it('is guaranteed at most what the bottleneck carries, however its provers share and delay it', () => {
    const theta = 100 * MBPS
    const strategy = fc.record({
      seed: fc.integer(),
      starts: fc.tuple(fc.integer({ max: 250, min: 0 }), fc.integer({ max: 250, min: 0 })),
      changes: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 12 }),
      holdMs: fc.tuple(fc.nat(100), fc.nat(100)),
    })
    fc.assert(
      fc.property(strategy, ({ seed, starts, changes, holdMs }) => {
        const { next: random } = seededRandom(seed)
        const begin = Math.min(...starts) / 1000
        const stepMs = 5
        const counts = [0, 0]
        const acks: { at: number; bits: number }[][] = [[], []]
        for (let ms = 0; ms <= 500; ms += stepMs) {
          const share = changes[Math.floor((ms / 500) * (changes.length - 1))] ?? 0.5
          const shares = [share, 1 - share]
          for (const prover of [0, 1]) {
            const startMs = starts[prover] ?? 0
            const free = ms >= startMs
            const other = starts[1 - prover] ?? 0
            // Alone on the link it has all of it.
            const part = ms < other ? 1 : (shares[prover] ?? 0)
            if (free) counts[prover] = (counts[prover] ?? 0) + (theta * part * stepMs) / 1000
            const hold = random() * (holdMs[prover] ?? 0)
            if (free) acks[prover]?.push({ at: (ms + stepMs + hold) / 1000, bits: counts[prover] ?? 0 })
          }
        }
        const trains = acks.map((list, prover): JointTrain => {
          const startSeconds = (starts[prover] ?? 0) / 1000
          return {
            team: {
              memberCount: 1,
              acks: list.map(({ at, bits }) => ({ bits: [bits], ownSeconds: [at - startSeconds] })),
            },
            firstSendMicros: [Math.floor(startSeconds * 1e6) + 55],
          }
        })
        const { guaranteedKbps } = jointRates(
          Array.from({ length: TEAMS }, () => ({ trains, roundTripMicros: [0] })),
          parameters,
        )
        expect(begin).toBeGreaterThanOrEqual(0)
        expect(guaranteedKbps).toBeLessThanOrEqual(theta / 1000)
      }),
      { numRuns: 60 },
    )
  })
})

describe('the verdict on a shared link', () => {
  const together = (guaranteedMbps: number, estimateMbps = guaranteedMbps, failedSlots = 0) => ({
    guaranteedKbps: guaranteedMbps * 1000,
    estimateKbps: estimateMbps * 1000,
    upperKbps: estimateMbps * 1000,
    failedSlots,
  })

  it('is shared where together they get what one gets, and credits that alone', () => {
    expect(sharedLink(alone(100, 98), together(99), FAULTY)).toEqual({
      verdict: 'shared',
      sumKbps: 198_000,
      creditKbps: 99_000,
    })
  })

  it('is separate where they get the sum, and credits it, in the noise of honest measurements', () => {
    expect(sharedLink(alone(100, 98), together(190), FAULTY)).toEqual({
      verdict: 'separate',
      sumKbps: 198_000,
      creditKbps: 198_000,
    })
    const { next: random } = seededRandom(4)
    for (let i = 0; i < 2000; i++) {
      // What guarantees of honest lines scatter by: 0.86 to 1 of the truth.
      const scatter = () => 0.86 + 0.14 * random()
      const lines = Array.from({ length: 2 + Math.floor(3 * random()) }, () => 10 + 500 * random())
      const sum = lines.reduce((total, each) => total + each, 0)
      const limits = alone(...lines.map((each) => each * scatter()))
      expect(sharedLink(limits, together(sum * scatter(), sum), FAULTY).verdict).toBe('separate')
      const theta = Math.max(...lines)
      const same = alone(...lines.map(() => theta * scatter()))
      expect(sharedLink(same, together(theta * scatter(), theta), FAULTY).verdict).toBe('shared')
    }
  })

  it('cannot be cleared by an estimate that provers raise, and accuses nobody of bad luck', () => {
    const raised = sharedLink(alone(100, 100), together(100, 200), FAULTY)
    expect(raised).toEqual({ verdict: 'unclear', sumKbps: 200_000, creditKbps: 100_000 })
    const unlucky = sharedLink(alone(100, 100), together(150, 195), FAULTY)
    expect([unlucky.verdict, unlucky.creditKbps]).toEqual(['unclear', 150_000])
    // One of them alone fell: it may hold back, or be held up, on a line of its own.
    const [first, second] = alone(100, 100)
    if (first === undefined || second === undefined) throw new Error('no prover')
    const framed = [{ ...first, besideKbps: 100_000 }, second]
    expect(sharedLink(framed, together(150), FAULTY)).toMatchObject({
      verdict: 'unclear',
      creditKbps: 150_000,
    })
    // More slots failed than f members can spoil: no measurement of the link.
    expect(sharedLink(alone(100, 100), together(0, 0, FAULTY + 1), FAULTY).verdict).toBe('unclear')
  })

  it('never credits more than 1.25 times what the provers show together', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1000), { minLength: 2, maxLength: 8 }),
        fc.nat(4000),
        fc.nat(4000),
        fc.nat(5),
        (limits, guaranteed, estimate, failed) => {
          const { creditKbps, sumKbps } = sharedLink(
            alone(...limits),
            together(guaranteed, estimate, failed),
            FAULTY,
          )
          expect(creditKbps).toBeLessThanOrEqual((guaranteed * 1000) / SHARED_BELOW_SHARE + 1e-6)
          expect(creditKbps).toBeLessThanOrEqual(sumKbps)
        },
      ),
    )
  })
})
