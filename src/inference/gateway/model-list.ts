/** The source's models, asked for anew when the last answer is a few seconds old. */
import type { JobSource, ServedModel } from '../job.js'

/** A catalogue is read from the disk, an upstream is asked: not for every request, but a model just added is soon seen. */
const FRESH_MS = 3000

export class ModelList {
  readonly #source: JobSource
  #asked: Promise<readonly ServedModel[]> | undefined
  #askedAtMs = 0

  constructor(source: JobSource) {
    this.#source = source
  }

  /** @throws what the source throws; the next call asks again */
  async get(): Promise<readonly ServedModel[]> {
    const now = performance.now()
    if (this.#asked === undefined || now - this.#askedAtMs > FRESH_MS) {
      this.#askedAtMs = now
      const asked = this.#source.models()
      this.#asked = asked
      asked.catch(() => {
        if (this.#asked === asked) this.#asked = undefined
      })
    }
    return this.#asked
  }
}
