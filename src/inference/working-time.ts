/** How long something works: time in which it was made to stand still is none. */
import type { Pausable } from './standing-still.js'

export class WorkingTime implements Pausable {
  readonly #elapsedMs: () => number
  #restedMs = 0
  #restingSinceMs: number | undefined

  /** @param elapsedMs monotonic; the process's own unless given */
  constructor(elapsedMs: () => number = () => performance.now()) {
    this.#elapsedMs = elapsedMs
  }

  /** Milliseconds since some moment. */
  get ms(): number {
    return (this.#restingSinceMs ?? this.#elapsedMs()) - this.#restedMs
  }

  /** Counts from now on. */
  begin(): () => number {
    const begunMs = this.ms
    return () => this.ms - begunMs
  }

  pause(): void {
    this.#restingSinceMs ??= this.#elapsedMs()
  }

  resume(): void {
    if (this.#restingSinceMs === undefined) return
    this.#restedMs += this.#elapsedMs() - this.#restingSinceMs
    this.#restingSinceMs = undefined
  }
}
