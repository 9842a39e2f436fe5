/** What a provider committed to and does not show, as a signed finding. */
import type { PeerTarget } from '../../p2p/index.js'
import { type Finding, signFinding } from './finding.js'
import type { ShelfAuditModules } from './shelf-audit.js'

/** One whose offer is known. */
export interface KnownProvider {
  readonly target: PeerTarget
  readonly publicKey: Uint8Array
  /** For messages to people. */
  readonly name: string
}

export async function findMissing(
  { signer, onFinding, now, log }: Pick<ShelfAuditModules, 'signer' | 'onFinding' | 'now' | 'log'>,
  { publicKey, name }: KnownProvider,
  found: Pick<Finding, 'channelId' | 'index' | 'receipt' | 'round' | 'reason'>,
): Promise<void> {
  log.warn({ provider: name, index: found.index, reason: found.reason }, 'an audit found something missing')
  const at = Math.floor(now() / 1000)
  await onFinding(signFinding(signer, { provider: publicKey, ...found, verdict: 'missing', at }))
}
