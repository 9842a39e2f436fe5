/** What a member can testify instead of the truth. */
import { MIN_TAU_SHARE } from '../../pob/constants.js'
import type { Testimony } from '../../pob/slot.js'

type Statement = Omit<Testimony, 'signature'>

const LIE_LOW_FACTOR = 2
/** A clock that is wrong all the time shifts nothing: own times are differences. One that jumps shifts them all. */
const CLOCK_SHIFT_MICROS = 100_000
/** Far above what makes a slot dirty, at every tau. */
const LATE_MICROS = 1_000_000

/**
 * The strongest lie about own times: the rule discards those below 0.8 tau, so every longer one becomes the least that
 * counts, in the order they had. What arrived until the last ack then seems to have arrived within 0.8 tau.
 */
export function lieHigh(honest: Statement, tauMicros: number): Statement {
  const floor = Math.floor(MIN_TAU_SHARE * tauMicros)
  const counted = [...new Set(honest.ownMicros.filter((micros) => micros > floor))].sort((a, b) => a - b)
  const lie = new Map(counted.map((micros, rank) => [micros, floor + 1 + rank]))
  return { ...honest, ownMicros: honest.ownMicros.map((micros) => lie.get(micros) ?? micros) }
}

/** All at once, where a member's own word is all there is. */
export function lieEcho(honest: Statement, tauMicros: number): Statement {
  if (honest.echoCounts === undefined || honest.sentPackets === 0) return honest
  const floor = Math.floor(MIN_TAU_SHARE * tauMicros)
  return { ...honest, ownMicros: [floor + 1], echoCounts: [honest.sentPackets] }
}

export function lieLow(honest: Statement): Statement {
  return { ...honest, ownMicros: honest.ownMicros.map((micros) => micros * LIE_LOW_FACTOR) }
}

export function shiftClock(honest: Statement): Statement {
  // 0 stands for an ack that never came, and stays.
  const shifted = (micros: number) => (micros === 0 ? 0 : Math.max(1, micros - CLOCK_SHIFT_MICROS))
  return { ...honest, ownMicros: honest.ownMicros.map(shifted) }
}

export function lieLate(honest: Statement): Statement {
  return { ...honest, latenessMicros: LATE_MICROS }
}
