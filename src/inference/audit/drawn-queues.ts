/**
 * Drawn jobs that wait to be asked for, each payee's in a line of its own. A payee's line grows while it is shorter than the
 * room that is left, so that there is always some for one who comes anew: nobody's decoys take what another's jobs need,
 * and nothing that was taken in has to go. Payees take turns. Pure.
 */
import type { Address } from '../../crypto/address.js'

export class DrawnQueues<T> {
  readonly #most: number
  /** None is empty; the one that had its turn the longest time ago comes first. */
  readonly #lines = new Map<Address, T[]>()
  #size = 0

  /** @param most in all */
  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#size
  }

  /** Whether there was room. */
  add(payee: Address, job: T): boolean {
    const line = this.#lines.get(payee) ?? []
    if (line.length >= this.#most - this.#size) return false
    line.push(job)
    this.#lines.set(payee, line)
    this.#size++
    return true
  }

  *all(): Iterable<T> {
    for (const line of this.#lines.values()) yield* line
  }

  /** One of each payee's, then the next of each. Who breaks off at a job has not had it: its payee begins the next time. */
  *turns(): Iterable<T> {
    const lines = [...this.#lines].map(([payee, line]) => ({ payee, jobs: line.values() }))
    let waiting = lines
    while (waiting.length > 0) {
      const next: typeof lines = []
      for (const each of waiting) {
        const { done, value } = each.jobs.next()
        if (done === true) continue
        next.push(each)
        yield value
        this.#putLast(each.payee)
      }
      waiting = next
    }
  }

  delete(done: ReadonlySet<T>): void {
    for (const [payee, line] of this.#lines) {
      const left = line.filter((each) => !done.has(each))
      this.#size -= line.length - left.length
      if (left.length > 0) this.#lines.set(payee, left)
      else this.#lines.delete(payee)
    }
  }

  #putLast(payee: Address): void {
    const line = this.#lines.get(payee)
    if (line === undefined) return
    this.#lines.delete(payee)
    this.#lines.set(payee, line)
  }
}
