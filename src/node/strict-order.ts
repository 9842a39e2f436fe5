/** A strict challenge that names no teams: they are chosen from beta, delta and the pool it will be drawn from. */
import { UserError } from '../errors.js'
import { chooseStrict, mostTeams, type StrictChoice } from '../pob/strict-choice.js'
import { DEFAULT_BETA_MILLIONTHS, DEFAULT_DELTA_MILLIONTHS } from '../roles/coordinator/request.js'
import type { ChallengeOrder } from '../roles/coordinator.js'
import type { MeasureResult } from '../roles/measure-result.js'
import type { DrawPool } from '../roles/venue.js'
import type { MeasureCall } from './measure.js'

/** @param payer public key of whoever pays and coordinates. @throws UserError where the pool is too small */
export async function chooseTeams(
  order: ChallengeOrder,
  venue: DrawPool,
  payer: Uint8Array,
): Promise<{ readonly order: ChallengeOrder; readonly choice: StrictChoice; readonly pool: number }> {
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
    independent: !venue.poolCounts,
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
  return {
    order: { ...order, teams, committeeSize, betaMillionths, deltaMillionths },
    choice,
    pool: pool.length,
  }
}

/** The most teams that could be chosen, whatever the pool: for a bound on data. */
export function mostChosenTeams(order: ChallengeOrder): number {
  const { betaMillionths = DEFAULT_BETA_MILLIONTHS, deltaMillionths = DEFAULT_DELTA_MILLIONTHS } = order
  return mostTeams(betaMillionths, deltaMillionths)
}

/** Enough of the claim: nobody measures once more for what is missing then. */
const ENOUGH_SHARE = 0.85

/**
 * Strict, several attempts: each with a fresh round and its part of delta, so that the best guarantee of all is wrong with
 * probability delta at most. Ends early with one that says enough.
 */
export async function bestOf(
  call: MeasureCall,
  measureOne: (call: MeasureCall) => Promise<MeasureResult>,
): Promise<MeasureResult> {
  const { attempts = 1, deltaMillionths = DEFAULT_DELTA_MILLIONTHS } = call
  if (attempts === 1) return measureOne(call)
  const share = Math.floor(deltaMillionths / attempts)
  if (share === 0)
    throw new UserError(`a delta of ${deltaMillionths / 1e6} cannot be split over ${attempts} attempts`, {
      code: 'BAD_ARGUMENT',
      remedy: 'raise --delta, or lower --attempts',
      exitStatus: 2,
    })
  const results: MeasureResult[] = []
  let failure: unknown
  for (let attempt = 0; attempt < attempts; attempt++)
    try {
      const result = await measureOne({ ...call, deltaMillionths: share })
      results.push(result)
      if (result.guaranteedMbps >= ENOUGH_SHARE * call.claimMbps) break
    } catch (error) {
      // An attempt that came to nothing guarantees nothing: it is one of them all the same.
      if (call.signal?.aborted === true || !(error instanceof UserError) || error.code === 'BAD_ARGUMENT')
        throw error
      failure = error
    }
  const [best] = [...results].sort((a, b) => b.guaranteedMbps - a.guaranteedMbps)
  if (best === undefined) throw failure
  const { assumptions } = best.faultTolerance
  const whole = (1 - (share * attempts) / 1e6).toPrecision(4)
  return {
    ...best,
    faultTolerance: {
      ...best.faultTolerance,
      assumptions: `${assumptions}; for the best of up to ${attempts} attempts, >= ${Number(whole)}`,
    },
    bestOf: results.map(({ challengeId, guaranteedMbps }) => ({ challengeId, guaranteedMbps })),
  }
}
