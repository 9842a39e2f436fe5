/**
 * Drawn jobs that wait to be asked for, each payee's in a line for each of its channels. A payee's lines grow while they are
 * shorter than the room that is left, and each of them while it is shorter than what is left to the payee: there is always
 * some for one who comes anew, nothing that was taken in has to go, and jobs that a payee buys from itself take neither what
 * another's need, nor all that those of its clients do. Payees take turns, and of each its channels. Pure.
 */
import type { Address } from '../../crypto/address.js'

/** Where a job is in line. */
export interface Line {
  readonly payee: Address
  /** 32 bytes. */
  readonly channelId: Uint8Array
}

export interface Turns<T> {
  /** Whether the payee has had enough for now. */
  readonly isOver: (payee: Address) => boolean
  /** What is not, when the turns begin, has none, and costs its line none. */
  readonly isDue: (job: T) => boolean
}

/** Of one payee, by channel. None is empty; the one that had its turn the longest time ago comes first. */
type Lines<T> = Map<string, T[]>

export class DrawnQueues<T> {
  readonly #most: number
  /** The same of payees. */
  readonly #payees = new Map<Address, Lines<T>>()
  #size = 0

  /** @param most in all */
  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#size
  }

  /** Whether there was room. */
  add({ payee, channelId }: Line, job: T): boolean {
    const lines: Lines<T> = this.#payees.get(payee) ?? new Map()
    const channel = Buffer.from(channelId).toString('hex')
    const line = lines.get(channel) ?? []
    const left = (this.#most - this.#size - sizeOf(lines)) / 2
    if (line.length >= left) return false
    line.push(job)
    this.#payees.set(payee, lines.set(channel, line))
    this.#size++
    return true
  }

  *all(): Iterable<T> {
    for (const lines of this.#payees.values()) for (const line of lines.values()) yield* line
  }

  /** One of each payee's, then the next of each. Who breaks off at a job has not had it: its payee begins the next time. */
  *turns({ isOver, isDue }: Turns<T>): Iterable<T> {
    let waiting = [...this.#payees].map(([payee, lines]) => ({ payee, lines, jobs: inTurn(lines, isDue) }))
    while (waiting.length > 0) {
      const next: typeof waiting = []
      for (const each of waiting) {
        if (isOver(each.payee)) continue
        const { done, value } = each.jobs.next()
        if (done === true) continue
        next.push(each)
        yield value.job
        putLast(each.lines, value.channel)
        putLast(this.#payees, each.payee)
      }
      waiting = next
    }
  }

  delete(done: ReadonlySet<T>): void {
    for (const [payee, lines] of this.#payees) {
      for (const [channel, line] of lines) {
        const left = line.filter((each) => !done.has(each))
        this.#size -= line.length - left.length
        if (left.length > 0) lines.set(channel, left)
        else lines.delete(channel)
      }
      if (lines.size === 0) this.#payees.delete(payee)
    }
  }
}

function* inTurn<T>(
  lines: Lines<T>,
  isDue: (job: T) => boolean,
): Generator<{ readonly channel: string; readonly job: T }, undefined> {
  let waiting = [...lines].map(([channel, line]) => ({ channel, jobs: line.filter(isDue).values() }))
  while (waiting.length > 0) {
    const next: typeof waiting = []
    for (const each of waiting) {
      const { done, value: job } = each.jobs.next()
      if (done === true) continue
      next.push(each)
      yield { channel: each.channel, job }
    }
    waiting = next
  }
}

function sizeOf<T>(lines: Lines<T>): number {
  let size = 0
  for (const line of lines.values()) size += line.length
  return size
}

function putLast<K, V>(map: Map<K, V>, key: K): void {
  const value = map.get(key)
  if (value === undefined) return
  map.delete(key)
  map.set(key, value)
}
