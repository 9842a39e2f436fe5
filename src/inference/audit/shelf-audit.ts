/**
 * The buyer's own audit: of what is on its shelf, the beacon draws a share, and that is run again. Each verdict is signed
 * and kept; who has a failure to its name gets no more work (docs/inference.md).
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { addressOfPublicKey } from '../../crypto/address.js'
import type { BeaconInfo } from '../../crypto/beacon.js'
import { peerIdOfPublicKey, type Signer } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import type { Logger } from '../../telemetry/logger.js'
import { receiptDigest, type SignedReceipt } from '../payment/receipt.js'
import { auditJob, type Verdict } from './audit.js'
import { drawingRound, drawnFrom } from './drawing.js'
import type { KeptEvidence } from './evidence.js'
import type { EvidenceShelf, ShelfEntry } from './evidence-shelf.js'
import { closeExecutions, type Executions } from './executions.js'
import { signFinding } from './finding.js'
import { isSampled } from './sampling.js'

export interface ShelfAuditModules {
  readonly shelf: EvidenceShelf
  readonly beacon: BeaconInfo
  /** Randomness of a round that is due. @throws UserError UNAVAILABLE */
  readonly randomness: (round: number, signal?: AbortSignal) => Promise<Uint8Array>
  /** Called where there is something to run. */
  readonly openExecutions: () => Promise<Executions>
  readonly signer: Signer
  /** Each finding as soon as it is signed. */
  readonly onFinding: (message: Uint8Array) => Promise<void>
  readonly log: Logger
  /** Unix milliseconds. */
  readonly now: () => number
}

export interface Audited {
  /** Of the receipt, hex. */
  readonly digest: string
  /** Peer id. */
  readonly provider: string
  readonly receipt: SignedReceipt
  readonly verdict: Verdict
}

/**
 * Pending ones whose round has come: the beacon says of each whether it is to be audited.
 * @param undrawn what becomes of those that are not; marked unless given
 * @throws what the beacon throws, once all are decided whose rounds it gives
 */
export async function drawShelf(
  { shelf, beacon, randomness, now }: Pick<ShelfAuditModules, 'shelf' | 'beacon' | 'randomness' | 'now'>,
  signal?: AbortSignal,
  undrawn: (digest: string) => void = (digest) => shelf.mark(digest, 'undrawn'),
): Promise<void> {
  await shelf.settled()
  const known = new Map<number, Uint8Array>()
  const failed = new Map<number, unknown>()
  for (const { digest, issuedAt } of shelf.list('pending')) {
    if (drawnFrom(beacon, issuedAt) > now() / 1000) continue
    const round = drawingRound(beacon, issuedAt)
    if (failed.has(round)) continue
    try {
      const drawn = known.get(round) ?? (await randomness(round, signal))
      known.set(round, drawn)
      if (isSampled(drawn, Buffer.from(digest, 'hex'))) shelf.mark(digest, 'drawn')
      else undrawn(digest)
    } catch (error) {
      failed.set(round, error)
      if (signal?.aborted || failed.size >= MOST_FAILED_ROUNDS) break
    }
  }
  await shelf.settled()
  for (const error of failed.values()) throw error
}
/** A beacon that is away is not asked for each. */
const MOST_FAILED_ROUNDS = 3

/** Runs again what the entries hold, signs what it finds, and marks them. */
export async function auditShelf(
  modules: ShelfAuditModules,
  entries: readonly ShelfEntry[],
  signal?: AbortSignal,
  onAudited?: (audited: Audited) => void,
): Promise<readonly Audited[]> {
  const { shelf, openExecutions, log } = modules
  if (entries.length === 0) return []
  const executions = await openExecutions()
  const all: Audited[] = []
  try {
    for (const { digest } of entries) {
      signal?.throwIfAborted()
      const evidence = await readable(shelf, digest)
      if (evidence === undefined) continue
      const audited = await auditEvidence(modules, executions, evidence, signal)
      const { verdict } = audited
      shelf.mark(digest, verdict.verdict)
      all.push(audited)
      onAudited?.(audited)
      if (verdict.verdict === 'bad') log.warn({ digest, reason: verdict.reason }, 'an audit failed a job')
    }
  } finally {
    await closeExecutions(executions)
  }
  await shelf.settled()
  return all
}

/** One job, its verdict signed where there is one. */
export async function auditEvidence(
  { beacon, signer, onFinding, now }: Pick<ShelfAuditModules, 'beacon' | 'signer' | 'onFinding' | 'now'>,
  executions: Executions,
  evidence: KeptEvidence,
  signal?: AbortSignal,
): Promise<Audited> {
  const { domain, provider, receipt } = evidence
  const verdict = await auditJob(
    { domain, payee: addressOfPublicKey(provider), executions },
    evidence,
    signal,
  )
  const digest = receiptDigest(domain, receipt)
  if (verdict.verdict !== 'undecided')
    await onFinding(
      signFinding(signer, {
        provider,
        channelId: receipt.channelId,
        index: receipt.index,
        receipt: digest,
        round: drawingRound(beacon, receipt.issuedAt),
        verdict: verdict.verdict,
        reason: verdict.verdict === 'good' ? '' : verdict.reason.slice(0, MAX_REASON),
        at: Math.floor(now() / 1000),
      }),
    )
  return { digest: bytesToHex(digest), provider: peerIdOfPublicKey(provider), receipt, verdict }
}
const MAX_REASON = 300

async function readable(shelf: EvidenceShelf, digest: string): Promise<KeptEvidence | undefined> {
  try {
    return await shelf.read(digest)
  } catch (error) {
    // A file that was altered is no evidence.
    if (!(error instanceof UserError)) throw error
    shelf.remove(digest)
    return undefined
  }
}
