/** How eagerly V8 collects in a node, set for what it does: https://v8.dev/blog/trash-talk */
import { setFlagsFromString } from 'node:v8'

/** A daemon is idle nearly always: a young generation that stays small saves 30 MB and costs nothing that can be measured. */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/**
 * For who buys or sells jobs. V8 lets a heap that grows slowly grow by 8 MB before it looks through all of it again, and the
 * sound of a job of ten seconds, copied from hand to hand, is that much: each job brought a collection of 50 ms of processor
 * time, half of it in the job's way. With room for as much again as is alive there was none in fifty jobs.
 */
export function collectSeldom(): void {
  setFlagsFromString('--heap-growing-percent=100')
}
