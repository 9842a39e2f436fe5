/** Why a ledger says no, besides a lack of money: always the person's or the other side's affair. */
import { type ErrorCode, UserError } from '../../errors.js'

/** Back-pressure: the same request is welcome later. */
export function busy(what: string, have: number | bigint, most: number | bigint, remedy: string): UserError {
  return new UserError(`${what}: ${have} of ${most}`, {
    code: 'BUSY',
    remedy,
    details: { have: have.toString(), most: most.toString() },
  })
}

/** The same for a lack that passes with what is under way. */
export const busyWith = ({ message, remedy, details }: UserError): UserError =>
  new UserError(message, { code: 'BUSY', details, ...(remedy === undefined ? {} : { remedy }) })

/** The other side said something that cannot be. */
export function wrong(what: string, details: Readonly<Record<string, unknown>> = {}): UserError {
  return new UserError(what, { code: 'VERIFICATION_FAILED', details })
}

export function refused(what: string, code: ErrorCode, remedy: string): UserError {
  return new UserError(what, { code, remedy })
}
