/** A strict challenge that names no teams: they are chosen from beta, delta and the pool it will be drawn from. */
import { UserError } from '../errors.js'
import { chooseStrict, type StrictChoice } from '../pob/strict-choice.js'
import type { ChallengeOrder } from '../roles/coordinator.js'
import type { Venue } from '../roles/venue.js'

export const DEFAULT_BETA_MILLIONTHS = 100_000
export const DEFAULT_DELTA_MILLIONTHS = 10_000

/** @param payer public key of whoever pays and coordinates. @throws UserError where the pool is too small */
export async function chooseTeams(
  order: ChallengeOrder,
  venue: Pick<Venue, 'pool'>,
  payer: Uint8Array,
): Promise<{ readonly order: ChallengeOrder; readonly choice: StrictChoice }> {
  const { claimKbps, direction } = order
  const pool = await venue.pool({ prover: order.prover.publicKey, payer, coordinator: payer })
  const betaMillionths = order.betaMillionths ?? DEFAULT_BETA_MILLIONTHS
  const deltaMillionths = order.deltaMillionths ?? DEFAULT_DELTA_MILLIONTHS
  const choice = chooseStrict({
    betaMillionths,
    deltaMillionths,
    claimKbps,
    uplinksKbps: pool.map(({ uplinkKbps }) => uplinkKbps),
    single: direction === 'up',
  })
  if (choice === undefined || choice.ableProbability === 0) {
    const what = `beta ${betaMillionths / 1e6} and delta ${deltaMillionths / 1e6}`
    throw new UserError(
      choice === undefined
        ? `${pool.length} challengers that can be drawn are too few for ${what}`
        : `the challengers' uplinks are too small for ${claimKbps / 1000} Mbit/s with ${what}`,
      { code: 'UNAVAILABLE', remedy: 'use a larger registry, raise --delta, or lower --claim' },
    )
  }
  const { teams, committeeSize } = choice
  return { order: { ...order, teams, committeeSize, betaMillionths, deltaMillionths }, choice }
}
