/** Exchanges of a simulated challenge, each message counted where it is sent; asked again as the coordinator does. */
import type { Random } from '../simulator/random.js'
import { answerSeconds, type Outages, type Party, type Rates } from './conduct.js'
import { type MessageName, type MessageSizes, REFUSAL_BYTES } from './sizes.js'

/** src/roles/ask-again.ts. */
const TRIES = 3
const PAUSE_SECONDS = 0.1
const LATEST_RETRY_SECONDS = 1.5
/** src/roles/coordinator/run.ts. */
const SUSPECT_SECONDS = 1.5
const GRACE_SECONDS = 0.75
/** src/roles/control-messages.ts. */
const DEADLINE_SECONDS: Readonly<Record<MessageName, number>> = {
  request: 6,
  prepare: 15,
  path: 6,
  plan: 6,
  arm: 6,
  slot: 15,
  reveal: 6,
  evidence: 20,
  sign: 6,
  finish: 60,
}
/** A dial to a node that is down: refused at once by its host, or no answer by nobody. */
const DIAL_SECONDS = 0.05

export interface Counted {
  messages: number
  bytes: number
  /** Messages that are there because something was asked once more. */
  again: number
  /** Questions that had no answer in time. */
  unanswered: number
  failedDials: number
}

export const nothingCounted = (): Counted => ({
  messages: 0,
  bytes: 0,
  again: 0,
  unanswered: 0,
  failedDials: 0,
})

export interface Answer {
  readonly isYes: boolean
  /** Until whoever asked knows. */
  readonly seconds: number
  /** The connection ended: asking again may help. */
  readonly brokeOff: boolean
}

export interface Ask {
  readonly name: MessageName
  /** Beside what the message has by itself: evidence, by how many slots are in it. */
  readonly extraBytes?: number
  /** Whether the party answers no, and after how many seconds of its own. */
  readonly refuses?: (party: Party) => { readonly refused: boolean; readonly afterSeconds: number }
  /** Sent beforehand to who lacks it; a party that does not take it is not asked. */
  readonly before?: (party: Party, at: number) => Answer | undefined
}

export interface ExchangeModules {
  readonly random: Random
  readonly rates: Rates
  readonly outages: Outages
  readonly sizes: MessageSizes
}

/** All that one challenge says. */
export class Exchanges {
  readonly counted = nothingCounted()
  /** Who did not answer last has less time. */
  readonly suspects = new Set<Party>()

  constructor(readonly modules: ExchangeModules) {}

  /** One question and what comes of it, at a moment. */
  once(party: Party, ask: Ask, now: number, deadline = DEADLINE_SECONDS[ask.name]): Answer {
    const { random, rates, outages, sizes } = this.modules
    if (outages.isDown(party.node, now) || now >= party.diesAt) {
      this.counted.failedDials++
      return { isYes: false, seconds: DIAL_SECONDS, brokeOff: true }
    }
    const { question, answer } = sizes.of[ask.name]
    const extra = ask.extraBytes ?? 0
    this.#send(question + extra)
    if (party.silent) {
      this.counted.unanswered++
      return { isYes: false, seconds: deadline, brokeOff: false }
    }
    const seconds = answerSeconds(party, random)
    if (random.chance(rates.broken)) return { isYes: false, seconds: seconds / 2, brokeOff: true }
    const { refused, afterSeconds } = ask.refuses?.(party) ?? { refused: false, afterSeconds: 0 }
    const took = seconds + afterSeconds
    if (now + took >= party.diesAt) {
      this.counted.unanswered++
      return { isYes: false, seconds: party.diesAt - now, brokeOff: true }
    }
    this.#send(refused ? REFUSAL_BYTES : answer)
    if (took <= deadline) return { isYes: !refused, seconds: took, brokeOff: false }
    // It was sent, and nobody waited for it.
    this.counted.unanswered++
    return { isYes: false, seconds: deadline, brokeOff: false }
  }

  /** Asked again where the connection ended, as askAgain does; `tries` where the step itself asks again whatever the reason. */
  ask(
    party: Party,
    ask: Ask,
    start: number,
    { deadline, tries = 1 }: { deadline?: number; tries?: number } = {},
  ): Answer {
    let now = start
    let answer = this.#prepared(party, ask, now, deadline)
    for (let asked = 1, steps = 1; !answer.isYes; asked++) {
      now += answer.seconds
      const reconnects = answer.brokeOff && asked < TRIES && now - start <= LATEST_RETRY_SECONDS
      const repeats = steps < tries && !this.suspects.has(party)
      if (!reconnects && !repeats) return { ...answer, seconds: now - start }
      if (reconnects) now += PAUSE_SECONDS
      else steps++
      const before = this.counted.messages
      answer = this.#prepared(party, ask, now, deadline)
      this.counted.again += this.counted.messages - before
    }
    return { ...answer, seconds: now + answer.seconds - start }
  }

  /**
   * Several at once, each as `each` of the coordinator asks: who failed before has less time, and with `enough` the others are
   * waited for only a little longer.
   */
  each(
    parties: readonly Party[],
    ask: Ask,
    now: number,
    { enough = Number.POSITIVE_INFINITY, tries = 1 } = {},
  ) {
    const answers = parties.map((party) => {
      const hurried = this.suspects.has(party) && enough === Number.POSITIVE_INFINITY
      const answer = this.ask(party, ask, now, hurried ? { deadline: SUSPECT_SECONDS, tries } : { tries })
      return { party, ...answer }
    })
    const yes = answers.filter(({ isYes }) => isYes).sort((a, b) => a.seconds - b.seconds)
    const last = Math.max(0, ...answers.map(({ seconds }) => seconds))
    const until = yes[enough - 1]
    const seconds = until === undefined ? last : Math.min(last, until.seconds + GRACE_SECONDS)
    const answered = new Set(yes.filter((each) => each.seconds <= seconds).map(({ party }) => party))
    for (const { party } of answers)
      if (answered.has(party)) this.suspects.delete(party)
      else this.suspects.add(party)
    return { answered, seconds }
  }

  #prepared(party: Party, ask: Ask, now: number, deadline: number | undefined): Answer {
    const before = ask.before?.(party, now)
    if (before !== undefined && !before.isYes) return before
    const spent = before?.seconds ?? 0
    const answer = this.once(party, ask, now + spent, deadline)
    return { ...answer, seconds: spent + answer.seconds }
  }

  #send(bytes: number): void {
    this.counted.messages++
    this.counted.bytes += bytes
  }
}
