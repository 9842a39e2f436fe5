/** The source's models, asked for anew when the last answer is a few seconds old. */
import type { JobSource, ServedModel } from '../job.js'
import { untilAborted } from '../until-aborted.js'

/** A catalogue is read from the disk, an upstream is asked: not for every request, but a model just added is soon seen. */
const FRESH_MS = 3000
/** One look at a time: a source that does not answer is asked again after it. An upstream has given up by then. */
const LOOK_MS = 15_000
/** What was known then is told to a probe at once; probes come more often. */
const RECENT_MS = 30_000

export class ModelList {
  readonly #source: JobSource
  #asked: Promise<readonly ServedModel[]> | undefined
  #askedAtMs = 0
  #isLooking = false
  #known: { readonly count: number; readonly isAnyFree: boolean; readonly atMs: number } | undefined
  #waiting: Promise<number> | undefined

  constructor(source: JobSource) {
    this.#source = source
  }

  /**
   * @param signal of who asks, who may not wait as long as the look takes
   * @throws what the source throws, then the next call asks again; the signal's reason
   */
  async get(signal?: AbortSignal): Promise<readonly ServedModel[]> {
    const ageMs = performance.now() - this.#askedAtMs
    if (this.#asked === undefined || ageMs > (this.#isLooking ? LOOK_MS : FRESH_MS)) {
      this.#askedAtMs = performance.now()
      const asked = this.#source.models()
      this.#asked = asked
      this.#isLooking = true
      asked.then(
        (models) => this.#learn(asked, models),
        () => {
          this.#learn(asked, [])
          if (this.#asked === asked) this.#asked = undefined
        },
      )
    }
    return signal === undefined ? this.#asked : untilAborted(this.#asked, signal)
  }

  /** How many the last look found, 0 where it failed; undefined where there was none lately. Looks anew beside it. */
  lastCount(): number | undefined {
    const { count, atMs = Number.NEGATIVE_INFINITY } = this.#known ?? {}
    const ageMs = performance.now() - atMs
    if (ageMs > FRESH_MS) this.get().catch(() => undefined)
    return ageMs > RECENT_MS ? undefined : count
  }

  /**
   * How many there are, by the look that is under way: all that wait share it.
   * @param mostMs of that look; 0 is the answer where it takes longer
   */
  count(mostMs: number): Promise<number> {
    this.#waiting ??= this.#count(mostMs).finally(() => {
      this.#waiting = undefined
    })
    return this.#waiting
  }

  async #count(mostMs: number): Promise<number> {
    const looked = this.get().then(
      ({ length }) => length,
      () => 0,
    )
    const leftMs = Math.max(0, this.#askedAtMs + mostMs - performance.now())
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<number>((resolve) => {
      timer = setTimeout(() => resolve(0), leftMs).unref()
    })
    try {
      return await Promise.race([looked, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Whether the last look found none that is free. */
  get isAllPaid(): boolean {
    return this.#known?.isAnyFree === false
  }

  #learn(asked: Promise<readonly ServedModel[]>, models: readonly ServedModel[]): void {
    if (this.#asked !== asked) return
    this.#isLooking = false
    const isAnyFree = models.some(({ priceWeiPerUnit }) => priceWeiPerUnit === 0n)
    this.#known = { count: models.length, isAnyFree, atMs: performance.now() }
  }
}
