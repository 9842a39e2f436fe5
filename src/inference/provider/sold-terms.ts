/** What is offered of a model, and what has to be so for a job of it to be taken. Pure. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { UserError } from '../../errors.js'
import type { JobTerms, NetworkUnit } from '../network/job-codec.js'
import type { OfferedModel } from '../network/offer.js'
import type { SoldModel } from './sold-jobs.js'

const MAX_LICENCE = 100

export function offeredModel(model: SoldModel, priceWeiPerUnit: bigint): OfferedModel {
  const { id, sha256, task, languages, licence, unit, isUnaudited } = model
  return {
    // Names of other servers' models have slashes.
    id: id.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, ''),
    sha256: hexToBytes(sha256),
    task,
    languages,
    ...(licence === null ? {} : { licence: licence.slice(0, MAX_LICENCE) }),
    unit: unit as NetworkUnit,
    priceWeiPerUnit,
    ...(isUnaudited === true ? { unaudited: true } : {}),
  }
}

/** What the client hashed is what is going to happen. @throws UserError DENIED */
export function requireSameTerms(terms: JobTerms, sold: OfferedModel, units: number): void {
  const differs =
    terms.task !== sold.task ||
    terms.unit !== sold.unit ||
    terms.units !== units ||
    terms.priceWeiPerUnit !== sold.priceWeiPerUnit
  if (!differs) return
  throw new UserError(
    `${sold.id} costs ${sold.priceWeiPerUnit} wei for each ${sold.unit}, and this job has ${units}: your terms differ`,
    { code: 'DENIED', remedy: 'ask for the offer again' },
  )
}

/** A payer that counts on audits does not get what none can judge. @throws UserError DENIED */
export function requireNoAudit({ audit }: JobTerms, { id, unaudited }: OfferedModel): void {
  if (!audit || unaudited !== true) return
  throw new UserError(`${id} runs on a server behind this provider: no audit can judge it`, {
    code: 'DENIED',
    remedy: 'ask for the offer again, and for no audit',
  })
}
