/**
 * Where a challenge's committee comes from, as every role finds it out for itself: a registry file
 * (registry-source.ts), or a chain (node/chain-source.ts). Nobody takes it on the payer's word.
 */
import type { Committee } from '../pob/committee.js'
import type { Request } from '../pob/request.js'
import type { Admission } from './control-messages.js'
import { Refusal } from './protocol-error.js'

export interface CommitteeSource {
  /** Whether it judges requests of this domain (chain id and contract). */
  judges(request: Request): boolean
  /** Registry, beacon and times of a request that the prover is asked to accept: its round is not out yet. @throws Refusal */
  requireAcceptable(request: Request, nowMs: number): Promise<void>
  /** The committee of an accepted challenge whose round is out. @throws Refusal */
  committeeOf(admission: Admission, nowMs: number): Promise<Committee>
  /**
   * How long an acceptance is worth something without paths or money: no less than an honest coordinator takes, and than
   * the acceptance can still bind the prover.
   */
  graceMs(request: Request, nowMs: number): number
  /** Whether money waits for it: an accepted challenge of which that is so keeps its place. @throws Refusal */
  isPaid(request: Request, challengeId: Uint8Array): Promise<boolean>
  /** Whether its money waits for a result that can come no more: only then may "no result" be signed. @throws Refusal */
  isOverdue(request: Request, challengeId: Uint8Array): Promise<boolean>
}

/** @throws Refusal where this node follows neither the request's chain nor, without one, a registry file */
export function sourceFor(sources: readonly CommitteeSource[], request: Request): CommitteeSource {
  const source = sources.find((each) => each.judges(request))
  if (source !== undefined) return source
  throw new Refusal(
    'denied',
    request.chainId === 0
      ? 'this node serves challenges of its chain only'
      : `this node does not follow chain ${request.chainId} with that contract`,
  )
}
