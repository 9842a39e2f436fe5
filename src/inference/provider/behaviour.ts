/**
 * The seam through which tests and the laboratory make a provider cheat. An honest node has the honest one, and no
 * configuration or message can set another.
 */
import type { TypedDomain } from '../../crypto/eip712.js'
import type { EvidenceReply } from '../network/messages.js'
import type { SignedReceipt, Work } from '../payment/index.js'

export interface ProviderBehaviour {
  /**
   * The output that is hashed, receipted and sent, for what was asked.
   * @param run the model on the input, as it was asked; a cheat may leave it out, or run another one that is sold here
   */
  output(job: CheatableJob, run: (instead?: string) => Promise<Uint8Array>): Promise<Uint8Array>
  /** What the receipt says of the work. */
  work(honest: Omit<Work, 'issuedAt'>): Omit<Work, 'issuedAt'>
  /** Whether a receipt is produced for an auditor that asks for it. @param now Unix seconds */
  producesReceipt(receipt: Pick<SignedReceipt, 'index' | 'issuedAt'>, now: number): boolean
  /**
   * What an auditor is shown of a channel's receipts.
   * @param produced those that follow each other from where it asked, as they were sold
   */
  shownReceipts(produced: readonly SignedReceipt[], domain: TypedDomain): readonly SignedReceipt[]
  /**
   * What an auditor is answered that asks what belongs to a receipt.
   * @param receipt its digest
   * @param answer what is kept of it
   */
  evidence(receipt: Uint8Array, answer: () => Promise<EvidenceReply>): Promise<EvidenceReply>
}

export interface CheatableJob {
  /** Hex. */
  readonly model: string
  /** As it was sent. */
  readonly input: Uint8Array
  readonly terms: Uint8Array
  /** All that is sold, by hash. */
  readonly sold: ReadonlyMap<string, { readonly task: string }>
}

export const honestProvider: ProviderBehaviour = {
  output: (_job, run) => run(),
  work: (honest) => honest,
  producesReceipt: () => true,
  shownReceipts: (produced) => produced,
  evidence: (_receipt, answer) => answer(),
}
