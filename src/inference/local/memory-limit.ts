/** What a process that serves a model is held to, and what is said where a model does not fit. */
import { UserError } from '../../errors.js'

/**
 * Beside the model's need: what allocators and JavaScript set aside counts against the kernel's limit (RLIMIT_DATA)
 * whether it is touched or not, and a thread that gets no stack ends the process.
 */
const RESERVED_BYTES = 768 * 2 ** 20
const THREAD_BYTES = 16 * 2 ** 20
const GIB = 2 ** 30

/** In hundredths of a GiB. Whoever sets a limit to what was needed, as it is said, has enough; who has as much as is said, has it. */
const HUNDREDTHS = 100
export const gibAtLeast = (bytes: number): string =>
  (Math.ceil((HUNDREDTHS * bytes) / GIB) / HUNDREDTHS).toFixed(2)
/** 0.07 GiB in whole bytes may be a hair less than 0.07. */
const HAIR = 1e-4
const gibAtMost = (bytes: number): string =>
  (Math.floor((HUNDREDTHS * bytes) / GIB + HAIR) / HUNDREDTHS).toFixed(2)

/** UNAVAILABLE with have and need. @param remedy in a few words, in which the need may be repeated: {@link gibAtLeast} */
export function doesNotFit(name: string, haveBytes: number, needBytes: number, remedy: string): UserError {
  return new UserError(
    `${name} does not fit: have ${gibAtMost(haveBytes)} GiB, need ${gibAtLeast(needBytes)} GiB`,
    { code: 'UNAVAILABLE', remedy, details: { haveBytes, needBytes } },
  )
}

export const limitFor = (needBytes: number, threads: number): number =>
  needBytes + RESERVED_BYTES + threads * THREAD_BYTES
