/** What may be at stake with a provider at once, by its word and by this client's, and how much of a recording that is. */
import { formatEther } from '../../chain/index.js'
import { UserError } from '../../errors.js'
import type { Job, JobInput } from '../job.js'
import type { Offer } from '../network/offer.js'
import { largest, smallest } from '../payment/wei.js'
import { priceOf, unitsOf } from '../units.js'
import type { Candidate } from './candidates.js'
import { LEAST_PIECE_SECONDS } from './pieces.js'

/** @param exposureWei this client's own limit for one provider */
const limitWei = ({ payment }: Offer, exposureWei: bigint): bigint =>
  payment === undefined ? exposureWei : smallest(exposureWei, payment.exposureWei)

/**
 * Those whose price for the dearest of the jobs is within both limits: others would refuse it, with the money locked by then.
 * @param inputs of the jobs as which it is bought
 * @throws UserError DENIED with have and need
 */
export function withinExposure(
  candidates: readonly Candidate[],
  inputs: readonly JobInput[],
  exposureWei: bigint,
): readonly Candidate[] {
  const asked = candidates.map((candidate) => {
    const { unit, priceWeiPerUnit } = candidate.model
    const units = inputs.reduce((most, input) => Math.max(most, unitsOf(unit, input)), 0)
    const dearestWei = priceOf(units, priceWeiPerUnit)
    return { candidate, dearestWei, mostWei: limitWei(candidate.offer, exposureWei) }
  })
  const within = asked.filter(({ dearestWei, mostWei }) => dearestWei === 0n || dearestWei <= mostWei)
  if (within.length > 0) return within.map(({ candidate }) => candidate)
  const needWei = asked.map(({ dearestWei }) => dearestWei).reduce(smallest)
  const haveWei = asked.map(({ mostWei }) => mostWei).reduce(largest)
  throw new UserError(
    `more than may be at stake with one provider at once: have ${formatEther(haveWei)}, need ${formatEther(needWei, 'up')}`,
    {
      code: 'DENIED',
      remedy:
        haveWei < exposureWei
          ? 'send less at once: it is what the providers allow one client'
          : 'send less at once, or raise inference.client.exposure',
      details: { haveWei: String(haveWei), needWei: String(needWei) },
    },
  )
}

/**
 * How long a job's recording may be at most, for the first of those who would be asked that takes any of it worth cutting.
 * @returns whole seconds; undefined where only the whole is to be had, or nothing
 */
export function mostSeconds(
  { input }: Job,
  candidates: readonly Candidate[],
  exposureWei: bigint,
): number | undefined {
  if (input.kind !== 'sound') return undefined
  for (const { offer, model, priceWei } of candidates) {
    const mostWei = limitWei(offer, exposureWei)
    if (priceWei <= mostWei) return undefined
    if (model.unit !== 'audio-second' || model.priceWeiPerUnit === 0n) continue
    const seconds = Number(mostWei / model.priceWeiPerUnit)
    if (seconds >= LEAST_PIECE_SECONDS) return seconds
  }
  return undefined
}
