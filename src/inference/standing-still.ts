/**
 * What stands still while its machine or its line is needed for something else: models of a node that is measured. Whoever
 * joins while it is needed begins by standing still.
 */
export interface Pausable {
  /** Begins nothing, and stops what runs where it is. */
  pause(): void
  resume(): void
}

/** Where one joins; the function lets it go, and it is left as it is. */
export interface StandingStill {
  /** Whether it is needed now. */
  readonly isHeld: boolean
  join(each: Pausable): () => void
}

/** The machine and its line are needed until the function that it gives is called. */
export type Hold = () => () => void

export class Holds implements StandingStill {
  readonly #members = new Set<Pausable>()
  #count = 0

  get isHeld(): boolean {
    return this.#count > 0
  }

  readonly hold: Hold = () => {
    if (this.#count++ === 0) for (const each of this.#members) each.pause()
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      if (--this.#count === 0) for (const each of this.#members) each.resume()
    }
  }

  join(each: Pausable): () => void {
    this.#members.add(each)
    if (this.isHeld) each.pause()
    return () => void this.#members.delete(each)
  }
}
