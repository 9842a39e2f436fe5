/** A bounded amount of something that requests share: taken, and given back. */
import { busy } from './api-error.js'

export class Budget {
  readonly #most: number
  readonly #what: string
  #used = 0

  /** @param what of which there is too much, for the refusal */
  constructor(most: number, what: string) {
    this.#most = most
    this.#what = what
  }

  get used(): number {
    return this.#used
  }

  /** @throws ApiError 429 */
  take(amount: number): void {
    if (this.#used + amount > this.#most) throw busy(`too much at once: ${this.#what}; try again`)
    this.#used += amount
  }

  /** For what is here already: while anything is left it has room, and whoever comes next is told to wait. @throws ApiError 429 */
  takeLast(amount: number): void {
    if (this.#used >= this.#most) this.take(amount)
    else this.#used += amount
  }

  give(amount: number): void {
    this.#used -= amount
  }
}
