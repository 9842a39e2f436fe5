/**
 * A service's process gives back what its calls left behind while it waits for the next one. V8 collects when much was
 * allocated, and otherwise keeps the pages: the process of a recogniser swung between 65 and 77 MB of its own.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Calls of a busy service follow each other sooner: nobody waits for a collection of some ten milliseconds. */
const IDLE_MS = 100
/** The sound of one call, its copies and its scores are some MB. */
const WORTH_BYTES = 4 * 2 ** 20

export interface IdleCollectionModules {
  readonly collect: () => void
  readonly usedBytes: () => number
}

export class IdleCollection {
  readonly #modules: IdleCollectionModules
  #aliveBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(modules: IdleCollectionModules = fromV8()) {
    this.#modules = modules
  }

  /** A call came. */
  busy(): void {
    clearTimeout(this.#timer)
  }

  /** Nothing is left to do. */
  idle(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#collect(), IDLE_MS)
    this.#timer.unref()
  }

  #collect(): void {
    const { collect, usedBytes } = this.#modules
    if (usedBytes() < this.#aliveBytes + WORTH_BYTES) return
    collect()
    this.#aliveBytes = usedBytes()
  }
}

function fromV8(): IdleCollectionModules {
  setFlagsFromString('--expose-gc')
  return {
    collect: runInNewContext('gc') as () => void,
    usedBytes: () => {
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    },
  }
}
