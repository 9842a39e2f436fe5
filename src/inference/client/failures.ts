/** What a failure of a job says: of its provider, of the job, and of what may be done about it. */
import { UserError } from '../../errors.js'

/** A provider that fails so goes behind the others for a while. What it says of the job, or of its line, is no failure. */
const FAILURES: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'UNREACHABLE',
  'TIMEOUT',
  'BAD_MESSAGE',
  'WRONG_CLOCK',
])
/** Another provider may do better after these, whoever says so; anything else that is found here is the job's own fault. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'BUSY',
  'UNAVAILABLE',
  'UNREACHABLE',
  'TIMEOUT',
  'VERIFICATION_FAILED',
  'BAD_MESSAGE',
  'NOT_FOUND',
  'DENIED',
  'RATE_LIMITED',
  'WRONG_CLOCK',
])

/** In the provider's own words. */
export const isRemote = (error: unknown): error is UserError =>
  error instanceof UserError && error.details.isRemote === true

export const isFailure = (error: unknown): boolean => error instanceof UserError && FAILURES.has(error.code)

/** A provider's word that the job is amiss: a lie costs it nothing, so that others are asked all the same. */
export const isBlame = (error: unknown): boolean =>
  error instanceof UserError && error.code === 'BAD_ARGUMENT' && error.details.isRemote === true

export const isDoneElsewhere = (error: unknown): error is UserError =>
  error instanceof UserError && (ELSEWHERE.has(error.code) || isBlame(error))

/** The provider's word that it does not do the job, though others may: not that it has no time, or that the job is amiss. */
export const isRefusal = (error: unknown): boolean =>
  isDoneElsewhere(error) && error.code !== 'BUSY' && error.details.isRemote === true && !isBlame(error)

/** Perhaps it offers something else by now. */
export const isOfTerms = ({ code, details }: UserError): boolean =>
  details.isRemote === true && (code === 'NOT_FOUND' || code === 'DENIED')

/** A provider's refusal for good. */
export const isDenied = (error: unknown): error is UserError => isRemote(error) && error.code === 'DENIED'

/** A provider's refusal for what a channel or its limit for one client does not cover. */
export const isLackOfMoney = (error: unknown): error is UserError =>
  isDenied(error) && error.details.needWei !== undefined
