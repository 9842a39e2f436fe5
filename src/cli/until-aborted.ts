/** Resolves with the first Ctrl-C or SIGTERM, and keeps the process alive until then. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  // A promise alone does not keep the process alive, and a server's sockets may be unreferenced. Any long time will do.
  const keepAlive = setInterval(() => {}, 2 ** 30)
  return new Promise((resolve) =>
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(keepAlive)
        resolve()
      },
      { once: true },
    ),
  )
}
