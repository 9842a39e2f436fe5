/** What a provider committed to and does not show, or shows otherwise, as a signed finding. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { PeerTarget } from '../../p2p/index.js'
import { receiptDigest } from '../payment/receipt.js'
import type { Contradiction } from './contradiction.js'
import { type Finding, signFinding } from './finding.js'
import type { ShelfAuditModules } from './shelf-audit.js'

/** One whose offer is known. */
export interface KnownProvider {
  readonly target: PeerTarget
  readonly publicKey: Uint8Array
  /** For messages to people. */
  readonly name: string
}

/** What the reason of such a finding says, which has no verdict of its own. */
const CONTRADICTED = 'than the one that it redeemed on the chain'

/** Whether its auditor says that no draw was needed: its word, until the contradiction is there. */
export const saysContradicted = ({ verdict, reason }: Pick<Finding, 'verdict' | 'reason'>): boolean =>
  verdict === 'bad' && reason.includes(CONTRADICTED)

export async function findMissing(
  { signer, onFinding, now, log }: Pick<ShelfAuditModules, 'signer' | 'onFinding' | 'now' | 'log'>,
  { publicKey, name }: KnownProvider,
  found: Pick<Finding, 'channelId' | 'index' | 'receipt' | 'round' | 'reason'>,
): Promise<void> {
  log.warn({ provider: name, index: found.index, reason: found.reason }, 'an audit found something missing')
  const at = Math.floor(now() / 1000)
  await onFinding(signFinding(signer, { provider: publicKey, ...found, verdict: 'missing', at }))
}

/**
 * No beacon drew it, which a finding has no word for: `bad`, with the digest of the receipt that the provider signed.
 * @param round that draws places of the redemption
 */
export async function findContradicted(
  { signer, onFinding, now, log }: Pick<ShelfAuditModules, 'signer' | 'onFinding' | 'now' | 'log'>,
  { publicKey, name }: KnownProvider,
  { domain, receipt, receiptsHead }: Contradiction,
  round: number,
): Promise<void> {
  const { channelId, index } = receipt
  const reason = `the provider signed another receipt ${index} ${CONTRADICTED}, ${bytesToHex(receiptsHead)}`
  log.warn({ provider: name, index, reason }, 'a provider contradicts its own redemption')
  const digest = receiptDigest(domain, receipt)
  const found = { provider: publicKey, channelId, index, receipt: digest, round }
  const at = Math.floor(now() / 1000)
  await onFinding(signFinding(signer, { ...found, verdict: 'bad', reason, at }))
}
