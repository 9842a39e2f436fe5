/** A receipt may come before those before it: these are asked for then, and not for ever. */
import { UserError } from '../../errors.js'
import { isOfOtherLedger, type Payer } from '../payment/index.js'

export interface EarlierReceiptsModules {
  /** Of the provider, for messages to people. */
  readonly name: string
  readonly payer: Pick<Payer, 'missing'>
  /** Asks for what is missing. */
  readonly settle: () => Promise<void>
}

/** A receipt that waits for an earlier one asks for it after so long. */
const MISSING_AFTER_MS = 1000
/** And is given up after so long: three times the time of the exchange that would bring it. */
const MISSING_MOST_MS = 60_000

/** @throws UserError TIMEOUT where they do not come, WRONG_CLOCK where they are dated so; as `receive` */
export async function withEarlier<T>(
  channelId: Uint8Array,
  receive: (signal: AbortSignal) => Promise<T>,
  { name, payer, settle }: EarlierReceiptsModules,
  signal?: AbortSignal,
): Promise<T> {
  const stuck = new AbortController()
  const begunMs = performance.now()
  const missing = setInterval(() => {
    if (payer.missing(channelId) === undefined) return
    if (performance.now() - begunMs > MISSING_MOST_MS) stuck.abort(leftOut(name, 'TIMEOUT'))
    void settle().catch((error: unknown) => {
      // What it waits for is not going to be paid.
      if (isFinal(error)) stuck.abort(error)
    })
  }, MISSING_AFTER_MS)
  try {
    return await receive(AbortSignal.any([stuck.signal, ...(signal === undefined ? [] : [signal])]))
  } finally {
    clearInterval(missing)
  }
}

/** Nothing that is asked for again would change these. */
const isFinal = (error: unknown): boolean =>
  isOfOtherLedger(error) ||
  (error instanceof UserError &&
    (error.code === 'WRONG_CLOCK' ||
      (error.code === 'VERIFICATION_FAILED' && error.details.isRemote !== true)))

export const leftOut = (name: string, code: 'TIMEOUT' | 'UNAVAILABLE'): UserError =>
  new UserError(`${name} left a receipt out`, { code })
