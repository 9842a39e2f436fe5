/** Once more where a stream broke off, as when a connection dies under it: what is asked here may be asked twice. */
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../errors.js'

const TRIES = 3
const PAUSE_MS = 100

/** @param ask an exchange whose second asking has the same answer as the first */
export async function askAgain<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let left = TRIES - 1; ; left--)
    try {
      return await ask()
    } catch (error) {
      const brokeOff = error instanceof UserError && error.code === 'UNREACHABLE'
      if (!brokeOff || left === 0 || signal?.aborted) throw error
      await sleep(PAUSE_MS)
    }
}
