/**
 * A provider's rounds over its channels, and what it may do by them. What it knows of a channel's end is as old as the last
 * round that heard of it: who was not told for long that a client leaves works for what can't be redeemed any more.
 */
import { chainReason } from '../../chain/index.js'
import { UserError } from '../../errors.js'
import { PaidService, type PaidServiceModules } from '../../inference/provider/paid-service.js'

export interface RoundTerms {
  /** From one round to the next. */
  readonly roundSeconds: number
  /** The notice that a leaving client gives. */
  readonly challengeSeconds: number
}

/** So many may fail in succession (a node of the chain that is restarted, gas that is dear for a while) and nothing is lost. */
const ROUNDS_TO_SPARE = 10
const SHARE_OF_THE_CHALLENGE_PERIOD = 1 / 4

/**
 * Whether vouchers are redeemed in time.
 * @param isBelowTheChallenge whether it is held against the challenge period as well
 * @throws UserError BAD_CONFIG with have and need
 */
export function requireRedeemedInTime(
  beforeEndSeconds: number,
  { roundSeconds, challengeSeconds }: RoundTerms,
  isBelowTheChallenge: boolean,
): void {
  const leastSeconds = ROUNDS_TO_SPARE * roundSeconds
  const isInTime = beforeEndSeconds >= leastSeconds
  if (isInTime && (!isBelowTheChallenge || beforeEndSeconds < challengeSeconds)) return
  const need = isInTime
    ? `need less than ${challengeSeconds} s, the notice that a leaving client gives`
    : `need ${leastSeconds} s at least, for a round comes every ${roundSeconds} s`
  throw new UserError(
    `vouchers are to be redeemed before their channel ends: have ${beforeEndSeconds} s, ${need}`,
    {
      code: 'BAD_CONFIG',
      remedy: `set inference.provider.redeemBeforeEndSeconds to ${leastSeconds} ${isBelowTheChallenge ? `to ${challengeSeconds - 1}` : 'or more'}`,
      exitStatus: 2,
    },
  )
}

export class ChannelRounds {
  readonly #terms: RoundTerms
  readonly #now: () => number
  /** When the channels were read last; undefined: not since the start, and they may have ended before. */
  #heardAtMs: number | undefined
  #reason = 'no round came'

  /** @param now Unix time, milliseconds: it goes on while the machine sleeps */
  constructor(terms: RoundTerms, now: () => number) {
    this.#terms = terms
    this.#now = now
  }

  ended(): void {
    this.#heardAtMs = this.#now()
  }

  failed(error: unknown): void {
    this.#reason = chainReason(error)
    // The channels were followed before it turned out that redeeming is too dear.
    if (error instanceof UserError && error.code === 'DENIED') this.ended()
  }

  /** Why no job is begun on what is known of the channels; undefined where one may be. */
  get problem(): string | undefined {
    const { roundSeconds, challengeSeconds } = this.#terms
    const mostSeconds = Math.max(
      SHARE_OF_THE_CHALLENGE_PERIOD * challengeSeconds,
      ROUNDS_TO_SPARE * roundSeconds,
    )
    if (this.#heardAtMs === undefined)
      return `the chain has not said yet what became of channels (${this.#reason})`
    const seconds = (this.#now() - this.#heardAtMs) / 1000
    if (seconds <= mostSeconds) return undefined
    return `the chain said ${Math.round(seconds)} s ago what becomes of channels, and ${Math.round(mostSeconds)} s is the most (${this.#reason})`
  }

  /** @throws UserError UNAVAILABLE */
  require(): void {
    const { problem } = this
    if (problem === undefined) return
    throw new UserError(`this provider takes no paid job now: ${problem}`, {
      code: 'UNAVAILABLE',
      remedy: 'ask another provider, or later',
      details: { retryAfterSeconds: this.#terms.roundSeconds },
    })
  }
}

/** Begins nothing while its rounds hear nothing; what was begun is paid and delivered all the same. */
export class FollowedPaidService extends PaidService {
  readonly #rounds: Pick<ChannelRounds, 'require'>

  constructor(modules: PaidServiceModules, rounds: Pick<ChannelRounds, 'require'>) {
    super(modules)
    this.#rounds = rounds
  }

  override async admit(...job: Parameters<PaidService['admit']>): Promise<Uint8Array> {
    this.#rounds.require()
    return super.admit(...job)
  }
}
