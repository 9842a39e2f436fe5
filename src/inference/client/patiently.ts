/** What is paid for is asked for again where the other side has no room for its answer at the moment. */
import { setTimeout as sleep } from 'node:timers/promises'
import { RemoteError } from '../../p2p/index.js'

/** As long as an answer of a megabyte may take to leave on the slowest line. */
const PATIENCE_MS = 60_000
const AGAIN_MS = 1000

/** @throws what `ask` throws, a refusal for want of room only after a minute of them; the signal's reason */
export async function patiently<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS
  for (;;)
    try {
      return await ask()
    } catch (error) {
      if (!isForWantOfRoom(error) || performance.now() >= endMs) throw error
      await sleep(AGAIN_MS, undefined, signal === undefined ? {} : { signal }).catch((reason: unknown) => {
        signal?.throwIfAborted()
        throw reason
      })
    }
}

const isForWantOfRoom = (error: unknown): boolean =>
  error instanceof RemoteError && (error.status === 'busy' || error.status === 'rate_limited')
