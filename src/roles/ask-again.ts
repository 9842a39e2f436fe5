/** Once more where a stream broke off, as when a connection dies under it: what is asked here may be asked twice. */
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../errors.js'

const TRIES = 3
const PAUSE_MS = 100
/**
 * What breaks off later than this after the first try is not asked again. A member that keeps everybody waiting and then
 * hangs up would otherwise have its deadline three times over, and with that outlast the deadline of the whole step.
 */
const LATEST_RETRY_MS = 1500

/**
 * @param ask an exchange whose second asking has the same answer as the first
 * @param now monotonic milliseconds
 */
export async function askAgain<T>(
  ask: () => Promise<T>,
  signal?: AbortSignal,
  now: () => number = () => performance.now(),
): Promise<T> {
  const latest = now() + LATEST_RETRY_MS
  for (let left = TRIES - 1; ; left--)
    try {
      return await ask()
    } catch (error) {
      const brokeOff = error instanceof UserError && error.code === 'UNREACHABLE'
      if (!brokeOff || left === 0 || signal?.aborted || now() > latest) throw error
      await sleep(PAUSE_MS)
    }
}
