/**
 * Garbage collection, kept out of slots. A collection that shares its work with V8's helper threads waits for them,
 * and they are ordinary threads: on a box with a dozen busy processes that took 40 to 350 ms in the middle of a slot.
 * So the young generation is collected without helpers (in this whole process: a millisecond or less), and a worker
 * collects just before a slot, when nobody waits.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Collector {
  /** Empties the young generation: well under a millisecond. */
  minor(): void
  /** Everything: a few milliseconds, more on a busy box. */
  full(): void
}

type Gc = (options?: { readonly type: 'minor' }) => void

/** Of the calling thread. Does nothing where the engine will not hand out its collector. */
export function threadCollector(): Collector {
  setFlagsFromString('--no-parallel-scavenge')
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext("typeof gc === 'function' ? gc : undefined")
  setFlagsFromString('--no-expose-gc')
  if (typeof gc !== 'function') return { minor: () => undefined, full: () => undefined }
  const collect = gc as Gc
  return { minor: () => collect({ type: 'minor' }), full: () => collect() }
}
