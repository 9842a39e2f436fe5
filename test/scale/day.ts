/**
 * A day of challenges among many nodes, event by event: each is a process of its own (challenge.ts) with a committee of the chain's
 * draw, parties that are down, silent or slow, members that are busy elsewhere, and slots that are sent again; and what the
 * aggregation makes of committees with corrupt members in them.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { guaranteed } from '../../src/pob/aggregate/guaranteed.js'
import { drawSeats } from '../../src/pob/seat-draw.js'
import type { Random } from '../simulator/random.js'
import { bestForTheCorrupt, CAP_BPS, TAU_SECONDS, THETA_BPS } from '../simulator/strict.js'
import { challenge, type Ending } from './challenge.js'
import { Outages, type Rates } from './conduct.js'
import { type Counted, nothingCounted } from './exchange.js'
import type { Population } from './population.js'
import { Timeline } from './processes.js'
import { faultyFor, messageSizes } from './sizes.js'

export const COMMITTEE = 10
export const FAULTY = faultyFor(COMMITTEE)
export const TEAM_SIZE = 2
const CLAIM_KBPS = 100_000
const DAY_SECONDS = 86_400
const SLOTS = COMMITTEE / TEAM_SIZE

export interface DayOptions {
  readonly challenges: number
  readonly members: number
  /** Corrupt share of the nodes. */
  readonly beta: number
  readonly rates: Rates
}

export interface Day {
  readonly challenges: number
  readonly endings: Readonly<Record<Ending, number>>
  /** Events of simulated time that were handled. */
  readonly events: number
  readonly counted: Counted
  /** Of each challenge that had a committee. */
  readonly messages: Uint32Array
  readonly slotsMean: number
  readonly attemptsMean: number
  readonly guaranteedMean: number
  readonly peakAtOnce: number
  /** Of all armings, those that found the member in another challenge's slot, and those refused for it. */
  readonly waitedShare: number
  readonly refusedShare: number
  /** Challenges during which another prover of the same prefix was measured. */
  readonly sharedPrefixShare: number
  /** Armings by record. */
  readonly served: Uint32Array
  /** Of the committees, those in which a cheating prover gets its false claim certified. */
  readonly fooledShare: number
}

export function simulateDay(population: Population, options: DayOptions, random: Random): Day {
  const { records, seats, indexOf } = population
  const { challenges, members, beta, rates } = options
  const isCorrupt = records.map(() => random.chance(beta))
  const modules = {
    random,
    rates,
    sizes: messageSizes(members),
    outages: new Outages(records.length, DAY_SECONDS, rates, random),
  }
  const timeline = new Timeline()
  const served = new Uint32Array(records.length)
  const lineFreeAt = new Float64Array(records.length)
  const measuredOf = new Map<bigint, number>()
  const endings: Record<Ending, number> = {
    settled: 0,
    'no committee': 0,
    'prover away': 0,
    'nothing captured': 0,
    'no quorum': 0,
  }
  const counted = nothingCounted()
  const messages: number[] = []
  let [waited, refused, armings, shared, fooled, committees] = [0, 0, 0, 0, 0, 0]
  let [atOnce, peakAtOnce, slots, attempts, guaranteedSum] = [0, 0, 0, 0, 0]
  const seedBytes = new Uint8Array(8)

  function* run(number: number): Generator<number, void, void> {
    const prover = random.integer(0, records.length - 1)
    const record = records[prover]
    if (record === undefined) return
    peakAtOnce = Math.max(peakAtOnce, ++atOnce)
    const before = measuredOf.get(record.prefix) ?? 0
    if (before > 0) shared++
    measuredOf.set(record.prefix, before + 1)
    yield* challenge({
      prover,
      teamSize: TEAM_SIZE,
      faulty: faultyFor(members),
      modules,
      now: () => timeline.now,
      lineFreeAt,
      draw: () => {
        new DataView(seedBytes.buffer).setFloat64(0, timeline.now + number)
        const drawn = drawSeats(seats, {
          seed: keccak_256(seedBytes),
          snapshot: 2,
          size: members,
          minUplinkKbps: Math.ceil((CLAIM_KBPS * 6) / 5 / TEAM_SIZE),
          proverPrefix: record.prefix,
          excluded: [record.owner],
        })
        return drawn.length < members ? undefined : drawn.map((key) => indexOf.get(key) ?? 0)
      },
      onArmed: (node, hadToWait, wasRefused) => {
        armings++
        if (hadToWait) waited++
        if (wasRefused) refused++
        else served[node] = (served[node] ?? 0) + 1
      },
      onEnd: (ending, said, { committee, ...measured }) => {
        endings[ending]++
        for (const name of Object.keys(counted) as (keyof Counted)[]) counted[name] += said[name]
        if (committee.length === 0) return
        messages.push(said.messages)
        committees++
        slots += measured.slots
        attempts += measured.attempts
        if (ending === 'settled') guaranteedSum += measured.guaranteedShare
        if (committee.length === COMMITTEE && isFooled(committee.map((node) => isCorrupt[node] === true)))
          fooled++
      },
    })
    atOnce--
    measuredOf.set(record.prefix, (measuredOf.get(record.prefix) ?? 1) - 1)
  }

  for (let number = 0; number < challenges; number++) timeline.start(random.next() * DAY_SECONDS, run(number))
  timeline.run()
  return {
    challenges,
    endings,
    events: timeline.handled,
    counted,
    messages: Uint32Array.from(messages).sort(),
    slotsMean: slots / Math.max(1, committees),
    attemptsMean: attempts / Math.max(1, committees),
    guaranteedMean: guaranteedSum / Math.max(1, endings.settled),
    peakAtOnce,
    waitedShare: waited / Math.max(1, armings),
    refusedShare: refused / Math.max(1, armings),
    sharedPrefixShare: shared / challenges,
    served,
    fooledShare: fooled / Math.max(1, committees),
  }
}

/** Whether the corrupt members of a standard committee, at their best, push the guarantee above the link's rate. */
function isFooled(corrupt: readonly boolean[]): boolean {
  const teams = Array.from({ length: SLOTS }, (_, g) =>
    bestForTheCorrupt(corrupt.slice(g * TEAM_SIZE, (g + 1) * TEAM_SIZE)),
  )
  const parameters = { tauSeconds: TAU_SECONDS, capBps: CAP_BPS, faulty: FAULTY, cleanTeams: SLOTS - FAULTY }
  return guaranteed(teams, parameters).bps > THETA_BPS * (1 + 1e-9)
}

/** Days until a cheater that is measured once a day is found out with this probability. */
export function daysUntilFound(fooledShare: number, probability: number): number {
  if (fooledShare <= 0) return 1
  return Math.max(1, Math.ceil(Math.log(1 - probability) / Math.log(fooledShare)))
}

export interface Fairness {
  /** Slots served for each seat, by seats of the node: mean over its class. */
  readonly perSeat: ReadonlyMap<number, number>
  /** Largest over smallest of those. */
  readonly spread: number
  /** Variance of slots served over their mean among nodes with one seat: 1 is pure chance. */
  readonly dispersion: number
}

export function fairnessOf({ seatCounts }: Population, { served }: Day): Fairness {
  const sums = new Map<number, { slots: number; nodes: number }>()
  seatCounts.forEach((seats, i) => {
    const sum = sums.get(seats) ?? { slots: 0, nodes: 0 }
    sums.set(seats, { slots: sum.slots + (served[i] ?? 0), nodes: sum.nodes + 1 })
  })
  const perSeat = new Map([...sums].map(([seats, { slots, nodes }]) => [seats, slots / nodes / seats]))
  const single = [...served].filter((_, i) => seatCounts[i] === 1)
  const mean = single.reduce((sum, value) => sum + value, 0) / single.length
  const variance = single.reduce((sum, value) => sum + (value - mean) ** 2, 0) / single.length
  const rates = [...perSeat.values()]
  return { perSeat, spread: Math.max(...rates) / Math.min(...rates), dispersion: variance / mean }
}
