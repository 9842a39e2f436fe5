/** Which recordings are taken. */
import { UserError } from '../../errors.js'

/** What all speech models here listen at; more would be sent and paid for, and thrown away. */
export const MOST_SAMPLE_RATE_HZ = 16_000
/** Below it, speech cannot be understood, and no model takes it. */
export const LEAST_SAMPLE_RATE_HZ = 4000
/** Below it there is no word. */
const LEAST_SECONDS = 0.1

/** @throws UserError BAD_ARGUMENT */
export function checkDuration(seconds: number, mostSeconds: number): void {
  if (seconds < LEAST_SECONDS)
    throw new UserError(
      `the recording lasts ${seconds.toFixed(3)} s, at least ${LEAST_SECONDS} s are needed`,
      { code: 'BAD_ARGUMENT', remedy: 'record more' },
    )
  if (seconds > mostSeconds)
    throw new UserError(`the recording lasts more than the ${mostSeconds} s that are taken`, {
      code: 'BAD_ARGUMENT',
      remedy: 'cut it',
    })
}
