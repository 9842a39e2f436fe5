/** How eagerly V8 collects in a node, set for what it does: https://v8.dev/blog/trash-talk */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** A daemon is idle nearly always: a young generation that stays small saves 30 MB and costs nothing that can be measured. */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

const COLLECT_EVERY_MS = 60_000
/** Of what was alive after the last collection: what has grown less is left. */
const WORTH_IT = 1.25
let isSet = false

/**
 * For who buys or sells jobs. V8 lets a heap that grows slowly grow by 8 MB before it looks through all of it again, and the
 * sound of a job of ten seconds, copied from hand to hand, is that much: each job brought a collection of 50 ms of processor
 * time, half of it in the job's way. With room for as much again as is alive there was none in fifty jobs. So that this room
 * is not filled for good, a heap that has grown is collected once a minute: one job in some hundred waits for that.
 */
export function collectSeldom(): void {
  if (isSet) return
  isSet = true
  setFlagsFromString('--heap-growing-percent=100')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  let aliveBytes = 0
  setInterval(() => {
    if (usedBytes() < WORTH_IT * aliveBytes) return
    collect()
    aliveBytes = usedBytes()
  }, COLLECT_EVERY_MS).unref()
}

function usedBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
