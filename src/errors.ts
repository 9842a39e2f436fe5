/**
 * The two kinds of failure. A {@link UserError} is a mistake or a circumstance that the person at the
 * keyboard can mend: it prints as one line with the remedy. Everything else is a bug and prints its stack.
 */

/** Machine-readable reasons; stable, so scripts may match on them. */
export type ErrorCode =
  | 'BAD_ARGUMENT'
  | 'BAD_CONFIG'
  | 'BAD_KEY'
  | 'BAD_MESSAGE'
  | 'BAD_TRANSCRIPT'
  | 'BUSY'
  | 'DENIED'
  | 'EXISTS'
  | 'INTERRUPTED'
  | 'LOCKED'
  | 'NOT_FOUND'
  | 'RATE_LIMITED'
  | 'TIMEOUT'
  | 'UNAVAILABLE'
  | 'UNREACHABLE'
  | 'VERIFICATION_FAILED'
  | 'WRONG_CLOCK'

export interface UserErrorOptions {
  readonly code: ErrorCode
  /** What to do about it, as an imperative clause. */
  readonly remedy?: string
  /** Values for logs and `--json`; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
  /** 2 where the command was used wrongly, otherwise 1. */
  readonly exitStatus?: 1 | 2
}

export class UserError extends Error {
  override readonly name = 'UserError'
  readonly code: ErrorCode
  readonly remedy: string | undefined
  readonly details: Readonly<Record<string, unknown>>
  readonly exitStatus: 1 | 2

  constructor(message: string, options: UserErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = options.code
    this.remedy = options.remedy
    this.details = options.details ?? {}
    this.exitStatus = options.exitStatus ?? 1
  }

  /** The one line a person reads: what is wrong, then the remedy. */
  get line(): string {
    return this.remedy === undefined ? this.message : `${this.message}; ${this.remedy}`
  }
}

const MOST_SHOWN = 300

/** Text from outside as a line may show it: on one line, cut, without what moves a cursor or turns the reading direction. */
export function shown(text: string, most = MOST_SHOWN): string {
  const flat = text.replace(/[\p{Cc}\p{Cf}\p{Surrogate}\u2028\u2029]/gu, '?')
  return flat.length > most ? `${flat.slice(0, most)}...` : flat
}
