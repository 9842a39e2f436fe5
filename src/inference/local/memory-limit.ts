/** What a process that serves a model is held to. */

/**
 * Beside the model's need: what allocators and JavaScript set aside counts against the kernel's limit (RLIMIT_DATA)
 * whether it is touched or not, and a thread that gets no stack ends the process.
 */
const RESERVED_BYTES = 768 * 2 ** 20
const THREAD_BYTES = 16 * 2 ** 20
const GIB = 2 ** 30

export const gib = (bytes: number): string => `${(bytes / GIB).toFixed(2)} GiB`

export const limitFor = (needBytes: number, threads: number): number =>
  needBytes + RESERVED_BYTES + threads * THREAD_BYTES
