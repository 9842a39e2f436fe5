/** How the parties of a simulated network behave: at stated rates, some are down, die, say nothing or are slow. */
import type { Random } from '../simulator/random.js'

/** Shares of what can go wrong; each is stated beside the figures that it leads to. */
export interface Rates {
  /** Of all nodes, down at any moment: dialling them fails. */
  readonly down: number
  /** Of those drawn, dying at some moment of the challenge. */
  readonly dying: number
  /** Of those drawn: connected, and answering nothing. */
  readonly silent: number
  /** Of those drawn: answering after seconds. */
  readonly slow: number
  /** Of exchanges, broken off on the way; asked again. */
  readonly broken: number
  /** Of trains, late by more than a slot bears; sent again. */
  readonly dirty: number
}

export const RATES: Rates = {
  down: 0.02,
  dying: 0.01,
  silent: 0.01,
  slow: 0.02,
  broken: 0.005,
  dirty: 0.02,
}
export const NOTHING_FAILS: Rates = { down: 0, dying: 0, silent: 0, slow: 0, broken: 0, dirty: 0 }

/** A node is down for so long at a stretch, on average. */
const OUTAGE_SECONDS = 1800
/** A challenge that goes well is over in so long: who dies in one, dies within that. */
const LIFE_SECONDS = 15

/** When each node is down: stretches of it over the day, as long as chance has it. */
export class Outages {
  readonly #from: Float64Array
  readonly #until: Float64Array

  constructor(nodes: number, daySeconds: number, { down }: Rates, random: Random) {
    this.#from = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY)
    this.#until = new Float64Array(nodes)
    // One stretch a node at most: so many nodes have one that the share of all time is as stated.
    const share = Math.min(1, (down * daySeconds) / OUTAGE_SECONDS)
    for (let node = 0; node < nodes; node++) {
      if (!random.chance(share)) continue
      this.#from[node] = random.between(-OUTAGE_SECONDS, daySeconds)
      this.#until[node] = (this.#from[node] ?? 0) - OUTAGE_SECONDS * Math.log(1 - random.next())
    }
  }

  isDown(node: number, now: number): boolean {
    return now >= (this.#from[node] ?? 0) && now < (this.#until[node] ?? 0)
  }
}

/** One party of one challenge. */
export interface Party {
  readonly node: number
  readonly silent: boolean
  readonly slow: boolean
  /** It answers nothing after this time. */
  readonly diesAt: number
}

export function partyOf(node: number, now: number, rates: Rates, random: Random): Party {
  return {
    node,
    silent: random.chance(rates.silent),
    slow: random.chance(rates.slow),
    diesAt: random.chance(rates.dying) ? now + random.between(0, LIFE_SECONDS) : Number.POSITIVE_INFINITY,
  }
}

/** Seconds that an exchange takes: a round trip and the work, seconds more where the party is slow. */
export function answerSeconds({ slow }: Party, random: Random): number {
  const usual = 0.02 + random.between(0.005, 0.06)
  return slow ? usual + 1 - 1.5 * Math.log(1 - random.next()) : usual
}
