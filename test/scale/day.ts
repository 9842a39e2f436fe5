/**
 * A day of challenges among many nodes, event by event: committees by the chain's draw, teams armed slot by slot, members that
 * are busy elsewhere, and what the aggregation makes of committees with corrupt members in them.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { guaranteed } from '../../src/pob/aggregate/guaranteed.js'
import { drawSeats } from '../../src/pob/seat-draw.js'
import type { Random } from '../simulator/random.js'
import { bestForTheCorrupt, CAP_BPS, TAU_SECONDS, THETA_BPS } from '../simulator/strict.js'
import type { Population } from './population.js'

export const COMMITTEE = 10
export const FAULTY = 2
const TEAM_SIZE = 2
const CLAIM_KBPS = 100_000
const DAY_SECONDS = 86_400
/** Round, paths and plan come before the first slot. */
const OPENING_SECONDS = 6
/** Arm, train, drain, capture and testimony of one slot; the member holds its line for so long. */
const SLOT_SECONDS = 1
const SLOTS = COMMITTEE / TEAM_SIZE

export interface Day {
  readonly challenges: number
  /** Too few able members drawn. */
  readonly void: number
  readonly peakAtOnce: number
  /** Of all armings, those that found the member in another challenge's slot. */
  readonly busyShare: number
  /** Challenges during which another prover of the same prefix was measured. */
  readonly sharedPrefixShare: number
  /** Slots served by record. */
  readonly served: Uint32Array
  /** Of the committees, those in which a cheating prover gets its false claim certified. */
  readonly fooledShare: number
}

export function simulateDay(population: Population, challenges: number, beta: number, random: Random): Day {
  const { records, seats, indexOf } = population
  const isCorrupt = records.map(() => random.chance(beta))
  const starts = Array.from({ length: challenges }, () => random.next() * DAY_SECONDS).sort((a, b) => a - b)
  const served = new Uint32Array(records.length)
  const busyUntil = new Float64Array(records.length)
  const prefixUntil = new Map<bigint, number>()
  const ends: number[] = []
  let [voided, busy, armings, shared, fooled, peakAtOnce, oldest] = [0, 0, 0, 0, 0, 0, 0]
  const seedBytes = new Uint8Array(8)
  for (const [number, start] of starts.entries()) {
    const prover = records[random.integer(0, records.length - 1)]
    if (prover === undefined) continue
    new DataView(seedBytes.buffer).setFloat64(0, start + number)
    const drawn = drawSeats(seats, {
      seed: keccak_256(seedBytes),
      snapshot: 2,
      size: COMMITTEE,
      minUplinkKbps: Math.ceil((CLAIM_KBPS * 6) / 5 / TEAM_SIZE),
      proverPrefix: prover.prefix,
      excluded: [prover.owner],
    })
    if (drawn.length < COMMITTEE) {
      voided++
      continue
    }
    const members = drawn.map((key) => indexOf.get(key) ?? 0)
    if ((prefixUntil.get(prover.prefix) ?? 0) > start) shared++
    const end = start + OPENING_SECONDS + SLOTS * SLOT_SECONDS
    prefixUntil.set(prover.prefix, end)
    while (oldest < ends.length && (ends[oldest] ?? 0) <= start) oldest++
    ends.push(end)
    peakAtOnce = Math.max(peakAtOnce, ends.length - oldest)
    members.forEach((member, place) => {
      const from = start + OPENING_SECONDS + Math.floor(place / TEAM_SIZE) * SLOT_SECONDS
      armings++
      if ((busyUntil[member] ?? 0) > from) {
        busy++
        return
      }
      busyUntil[member] = from + SLOT_SECONDS
      served[member] = (served[member] ?? 0) + 1
    })
    if (isFooled(members.map((member) => isCorrupt[member] === true))) fooled++
  }
  const ran = challenges - voided
  return {
    challenges,
    void: voided,
    peakAtOnce,
    busyShare: busy / Math.max(1, armings),
    sharedPrefixShare: shared / Math.max(1, ran),
    served,
    fooledShare: fooled / Math.max(1, ran),
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
