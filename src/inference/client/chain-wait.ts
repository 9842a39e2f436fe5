/** Tells whoever waits for the chain that it is still being waited for: a node of it may take a minute, or hang. */

/** Told so often. */
const EVERY_MS = 10_000

export class ChainWait {
  readonly #onWait: ((elapsedMs: number) => void) | undefined
  readonly #everyMs: number
  #waiting = 0
  #timer: NodeJS.Timeout | undefined

  /** @param onWait told every ten seconds while anything is waited for; nobody is unless given */
  constructor(onWait: ((elapsedMs: number) => void) | undefined, everyMs = EVERY_MS) {
    this.#onWait = onWait
    this.#everyMs = everyMs
  }

  async during<T>(act: () => Promise<T>): Promise<T> {
    this.#begin()
    try {
      return await act()
    } finally {
      this.#waiting--
      if (this.#waiting === 0) clearInterval(this.#timer)
    }
  }

  /** Those that wait at once are told together. */
  #begin(): void {
    this.#waiting++
    const onWait = this.#onWait
    if (this.#waiting > 1 || onWait === undefined) return
    const begunMs = performance.now()
    this.#timer = setInterval(() => onWait(performance.now() - begunMs), this.#everyMs)
    this.#timer.unref()
  }
}
