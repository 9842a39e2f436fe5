/** What jobs cost all in all, as people and programs are told. */
import type { JobPayment } from './job.js'

export interface PaymentsTotal {
  /** Peer ids, each once, with ", " between. */
  readonly provider: string
  readonly priceWei: bigint
  readonly units: number
  /** Digests of the receipts in the order of the jobs, with ", " between. */
  readonly receipts: string
}

/** Undefined where nothing was paid. */
export function paymentsTotal(payments: readonly JobPayment[]): PaymentsTotal | undefined {
  if (payments.length === 0) return undefined
  return {
    provider: [...new Set(payments.map(({ provider }) => provider))].join(', '),
    priceWei: payments.reduce((sum, { priceWei }) => sum + priceWei, 0n),
    units: payments.reduce((sum, { units }) => sum + units, 0),
    receipts: payments.map(({ receiptDigest }) => receiptDigest).join(', '),
  }
}
