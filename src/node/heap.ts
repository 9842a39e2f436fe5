/** How eagerly V8 collects in a node, set for what it does: https://v8.dev/blog/trash-talk */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadMalloc } from './malloc.js'

/** A process that waits nearly always: a young generation that stays small saves 30 MB and costs nothing that can be measured. */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/** As V8 has it: for a process that works until it is done. */
export function letYoungGenerationGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2')
}

const COLLECT_EVERY_MS = 60_000
/** Sounds, and not what sockets read into: that has 64 KiB, and is wanted again at once. */
const OWN_PAGES_FROM_BYTES = 80 * 1024
/** More than what was alive after the last collection: what has grown less is left. */
const WORTH_BYTES = 4 * 2 ** 20
/** Between two looks for a moment without a job, and how many there are: jobs that never pause are not waited for longer. */
const LOOK_EVERY_MS = 250
const MOST_LOOKS = 100
const busy = new Set<() => boolean>()
let isSet = false

/**
 * For who buys or sells jobs. V8 lets a heap that grows slowly grow by 8 MB before it looks through all of it again, and the
 * sound of a job of ten seconds, copied from hand to hand, is that much: each job brought a collection of 50 ms of processor
 * time, half of it in the job's way. With room for as much again as is alive there was none in fifty jobs. So that this room
 * is not filled for good, a heap that has grown is collected once a minute, in the first moment without a job; and freed sounds
 * are given back to the system. What is left is moved together: that takes 70 ms instead of 30, and pages that nothing but a
 * few objects held were a tenth of the heap after ten minutes, and more with each.
 * @param isBusy whether a job is under way, or the machine is needed for something else
 * @returns to be called when nothing is bought or sold any more
 */
export function collectBetweenJobs(isBusy: () => boolean): () => void {
  busy.add(isBusy)
  if (!isSet) begin()
  return () => void busy.delete(isBusy)
}

function begin(): void {
  isSet = true
  keepYoungGenerationSmall()
  setFlagsFromString('--heap-growing-percent=100')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const malloc = loadMalloc()
  malloc?.ownPagesFrom(OWN_PAGES_FROM_BYTES)
  let aliveBytes = 0
  let looks: NodeJS.Timeout | undefined
  const look = (left: number): void => {
    if (left > 0 && [...busy].some((isBusy) => isBusy())) {
      looks = setTimeout(() => look(left - 1), LOOK_EVERY_MS)
      looks.unref()
      return
    }
    setFlagsFromString('--compact-on-every-full-gc')
    collect()
    setFlagsFromString('--no-compact-on-every-full-gc')
    malloc?.trim()
    aliveBytes = usedBytes()
  }
  setInterval(() => {
    clearTimeout(looks)
    if (usedBytes() >= aliveBytes + WORTH_BYTES) look(MOST_LOOKS)
    // V8 may have collected a moment ago: then there is nothing left to do but this.
    else malloc?.trim()
  }, COLLECT_EVERY_MS).unref()
}

function usedBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
