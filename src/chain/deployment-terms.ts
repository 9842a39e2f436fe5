/** The numbers a deployment fixes for good: what public chains get, what development chains get, what fits together. */
import { UserError } from '../errors.js'
import type { ChainTerms } from './terms.js'

/** Everything that the constructors take, in the client's units. */
export type DeploymentTerms = ChainTerms

const ETHER = 10n ** 18n
const MILLIETHER = 10n ** 15n
const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** StakeRegistry: at most one half of what was slashed. */
const MOST_REWARD_PERMILLE = 500
const ALL_PROFILES = 7
const STRICT_ONLY = 4
/** PaymentChannels: the longest challenge period. */
const MOST_CHANNEL_CHALLENGE_SECONDS = 30 * DAY

/** For a public chain; docs/contracts.md explains each rule. */
export const PUBLIC_TERMS: DeploymentTerms = {
  seatStakeWei: ETHER,
  /** As long as EigenLayer's: a fault that is found within two weeks is punished. */
  unbondingSeconds: 14 * DAY,
  /** Longer than a draw looks back: 1 h + 10 min + 30 min + 1 h. */
  quarantineSeconds: 3 * HOUR,
  slashPermille: 500,
  rewardPermille: 200,
  activationDelaySeconds: 10 * MINUTE,
  maxSnapshotAgeSeconds: HOUR,
  /** A sequencer may set its clock back by so much without knowing a draw beforehand. */
  driftMarginSeconds: 30,
  maxLeadSeconds: 10 * MINUTE,
  maxLifeSeconds: 30 * MINUTE,
  settleWindowSeconds: HOUR,
  disputeWindowSeconds: DAY,
  minSlotFeeWei: MILLIETHER,
  attemptShareWei: MILLIETHER / 5n,
  proverBondWei: 50n * MILLIETHER,
  profiles: STRICT_ONLY,
  reportBondWei: 10n * MILLIETHER,
  /** A provider that is away for a night still redeems in time. */
  channelChallengeSeconds: DAY,
}

/** For a development chain: the same amounts, times that a person can wait for, every profile. */
export const DEVELOPMENT_TERMS: DeploymentTerms = {
  ...PUBLIC_TERMS,
  unbondingSeconds: HOUR,
  quarantineSeconds: 30 * MINUTE,
  activationDelaySeconds: 1,
  maxSnapshotAgeSeconds: 10 * MINUTE,
  driftMarginSeconds: 1,
  maxLeadSeconds: MINUTE,
  maxLifeSeconds: 10 * MINUTE,
  settleWindowSeconds: 5 * MINUTE,
  disputeWindowSeconds: 2,
  channelChallengeSeconds: MINUTE,
  profiles: ALL_PROFILES,
}

/** What does not fit together, in words; the constructors refuse the same with an error that says less. */
export function termsProblem(terms: DeploymentTerms): string | undefined {
  const lookBack =
    terms.maxSnapshotAgeSeconds + terms.maxLeadSeconds + terms.maxLifeSeconds + terms.settleWindowSeconds
  const rules: readonly (readonly [boolean, string])[] = [
    [terms.seatStakeWei > 0n, 'seatStakeWei must be above zero'],
    [terms.slashPermille >= 1 && terms.slashPermille <= 1000, 'slashPermille must be 1 to 1000'],
    [
      terms.rewardPermille >= 0 && terms.rewardPermille <= MOST_REWARD_PERMILLE,
      'rewardPermille must be 0 to 500',
    ],
    [terms.activationDelaySeconds >= 1, 'activationDelaySeconds must be above zero'],
    [
      terms.activationDelaySeconds >= terms.driftMarginSeconds,
      'activationDelaySeconds must be at least driftMarginSeconds',
    ],
    [
      terms.maxSnapshotAgeSeconds > terms.activationDelaySeconds,
      'maxSnapshotAgeSeconds must exceed activationDelaySeconds',
    ],
    [terms.maxLeadSeconds > terms.driftMarginSeconds, 'maxLeadSeconds must exceed driftMarginSeconds'],
    [
      terms.maxLifeSeconds >= 1 && terms.settleWindowSeconds >= 1 && terms.disputeWindowSeconds >= 1,
      'maxLifeSeconds, settleWindowSeconds and disputeWindowSeconds must be above zero',
    ],
    [
      terms.quarantineSeconds >= lookBack,
      `quarantineSeconds must be at least ${lookBack}, which is as far as a draw looks back`,
    ],
    [terms.unbondingSeconds > terms.quarantineSeconds, 'unbondingSeconds must exceed quarantineSeconds'],
    [
      terms.unbondingSeconds > lookBack + terms.disputeWindowSeconds,
      `unbondingSeconds must exceed ${lookBack + terms.disputeWindowSeconds}: a draw's look back and the dispute window`,
    ],
    [
      terms.minSlotFeeWei > 0n && terms.proverBondWei > 0n,
      'minSlotFeeWei and proverBondWei must be above zero',
    ],
    [terms.attemptShareWei <= terms.minSlotFeeWei, 'attemptShareWei must not exceed minSlotFeeWei'],
    [terms.profiles >= 1 && terms.profiles <= ALL_PROFILES, 'profiles must be 1 to 7'],
    [terms.reportBondWei > 0n, 'reportBondWei must be above zero'],
    [
      terms.channelChallengeSeconds >= 1 && terms.channelChallengeSeconds <= MOST_CHANNEL_CHALLENGE_SECONDS,
      `channelChallengeSeconds must be 1 to ${MOST_CHANNEL_CHALLENGE_SECONDS}`,
    ],
  ]
  return rules.find(([isKept]) => !isKept)?.[1]
}

/** Terms as a file has them: amounts as decimal texts of wei. @throws UserError BAD_CONFIG */
export function readDeploymentTerms(value: unknown, base: DeploymentTerms): DeploymentTerms {
  const bad = (what: string) => new UserError(`the terms: ${what}`, { code: 'BAD_CONFIG', exitStatus: 2 })
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('they are no object')
  const terms: Record<string, number | bigint> = { ...base }
  for (const [name, given] of Object.entries(value)) {
    const known = terms[name]
    if (known === undefined)
      throw bad(`"${name}" is not known; the fields are ${Object.keys(base).join(', ')}`)
    if (typeof known === 'bigint') {
      if (!/^\d{1,30}$/.test(String(given))) throw bad(`${name} must be a whole number of wei`)
      terms[name] = BigInt(String(given))
    } else {
      if (!Number.isSafeInteger(given) || Number(given) < 0) throw bad(`${name} must be a whole number`)
      terms[name] = Number(given)
    }
  }
  const read = terms as unknown as DeploymentTerms
  const problem = termsProblem(read)
  if (problem !== undefined) throw bad(problem)
  return read
}
