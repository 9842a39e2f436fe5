/** Who is going to hear a job, what for, and what it costs: said before it is sent. */
import type { Candidate } from './candidates.js'

export interface Recipient {
  readonly provider: string
  readonly addresses: readonly string[]
  readonly model: string
  readonly units: number
  readonly priceWei: bigint
  /** Auditors may hear it, too. */
  readonly isAudited: boolean
  /** A server behind the provider hears and runs it: no audit can judge what it answers. */
  readonly isUnauditable: boolean
  /** How long the provider says that it keeps it. */
  readonly keptSeconds: number
  /** The most that this provider can cost by taking money for nothing. */
  readonly mostLostWei: bigint
}

export interface RecipientOptions {
  /** Whether jobs may be sampled by auditors; true unless given. */
  readonly audit?: boolean
  readonly exposureWei: bigint
}

/** Whether a job's terms let auditors hear it: what is said of a job, and what is sent with it. @param audit as the buyer wants it */
export const isAuditable = ({ offer, model }: Pick<Candidate, 'offer' | 'model'>, audit: boolean): boolean =>
  audit && offer.audited && model.unaudited !== true

export function recipientOf(
  candidate: Candidate,
  { audit = true, exposureWei }: RecipientOptions,
): Recipient {
  const { offer, model, units, priceWei } = candidate
  return {
    provider: offer.peerId,
    addresses: offer.addresses,
    model: model.id,
    units,
    priceWei,
    isAudited: priceWei > 0n && isAuditable(candidate, audit),
    isUnauditable: model.unaudited === true,
    keptSeconds: offer.keptSeconds,
    mostLostWei: priceWei === 0n ? 0n : exposureWei,
  }
}
