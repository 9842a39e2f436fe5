/** Deadlines that clean up after themselves: a timer and parent signals in one signal. */

/** Longest wait of one timer: `setTimeout` fires at once beyond 2^31 - 1 ms. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** The work took longer than it was given. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/**
 * Runs `work` with a signal that aborts after `deadlineMs` or with any parent, and takes its listeners back
 * afterwards: `AbortSignal.any` over a signal that lives as long as the node would keep every request's signal.
 */
export async function withDeadline<T>(
  deadlineMs: number,
  parents: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(
    () => controller.abort(new DeadlineError(`no end within ${deadlineMs} ms`)),
    Math.min(deadlineMs, MAX_TIMER_MS),
  )
  const undo: (() => void)[] = []
  for (const parent of parents) {
    if (parent === undefined) continue
    const forward = (): void => controller.abort(parent.reason)
    if (parent.aborted) forward()
    parent.addEventListener('abort', forward, { once: true })
    undo.push(() => parent.removeEventListener('abort', forward))
  }
  try {
    controller.signal.throwIfAborted()
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    for (const each of undo) each()
  }
}

/** Rejects with the signal's reason as soon as it aborts, whatever `work` does. */
export async function orAbort<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  // Whatever becomes of it after an abort, somebody has heard of it.
  work.catch(() => {})
  signal.throwIfAborted()
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    const listener = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', listener, { once: true })
    stop = () => signal.removeEventListener('abort', listener)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    stop()
  }
}
