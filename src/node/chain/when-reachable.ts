/** Chain work that waits for RPC servers which are down: every step may be taken again, and is. */
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../../errors.js'

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 15_000
/** Longer outages are for whoever comes later: members settle by themselves, and what is on the disk is taken up again. */
const PATIENCE_MS = 2 * 60_000

/** @throws whatever `work` throws for another reason; UserError UNREACHABLE after two minutes */
export async function whenReachable<T>(
  work: () => Promise<T>,
  {
    signal,
    patienceMs = PATIENCE_MS,
  }: { readonly signal?: AbortSignal | undefined; readonly patienceMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + patienceMs
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs))
    try {
      return await work()
    } catch (error) {
      const isDown = error instanceof UserError && (error.code === 'UNREACHABLE' || error.code === 'TIMEOUT')
      if (!isDown || signal?.aborted === true || Date.now() + pauseMs > deadline) throw error
      await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => {})
    }
}
