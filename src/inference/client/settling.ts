/**
 * One settling of a channel brings both sides to one state: receipts that are missing here, jobs that are not known there,
 * outputs that were paid.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { UserError } from '../../errors.js'
import type { AskOptions, Exchange } from '../../p2p/index.js'
import { HAVE_MESSAGE, RECEIPTS_AT_ONCE, SYNC_MESSAGE } from '../network/messages.js'
import {
  ofOtherLedger,
  type Payer,
  readReceipt,
  readVoucher,
  type SignedReceipt,
  voucherToCbor,
} from '../payment/index.js'
import { leftOut } from './earlier-receipts.js'
import { isDenied } from './failures.js'

export interface SettlingModules {
  /** Of the provider, for messages to people. */
  readonly name: string
  readonly payer: Payer
  readonly ask: <Q, R>(exchange: Exchange<Q, R>, body: Q, options: AskOptions) => Promise<R>
  /** Whether somebody waits for the job: it is nothing to settle. */
  readonly isActive: (jobId: Uint8Array) => boolean
  /** Into the ledger. */
  readonly take: (receipt: SignedReceipt, signal: AbortSignal) => Promise<void>
  /** The output of a job that is paid, or its credit; neither where that waits for receipts before it. */
  readonly fetch: (
    jobId: Uint8Array,
    voucher: ReturnType<typeof voucherToCbor>,
    signal: AbortSignal,
  ) => Promise<unknown>
  /** Told of an output that will not come; the others do. */
  readonly onLost: (error: UserError) => void
}

/** Rounds of receipts in one settling: ten thousand receipts. */
const MOST_ROUNDS = 100

/**
 * @param onPage told of each round behind which there is another
 * @param signal ends it between two steps, of which none is lost
 * @throws UserError as the provider's answers; VERIFICATION_FAILED
 */
export async function settle(
  modules: SettlingModules,
  channelId: Uint8Array,
  onPage: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { name, payer, ask, isActive, take } = modules
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const voucher = await payer.newestVoucher(channelId)
    const { receipts, asked } = payer.account(channelId)
    // A new channel has nothing to settle, and the provider need not have seen it yet.
    if (receipts === 0 && asked.length === 0) return
    const idle = asked.filter(({ jobId }) => !isActive(jobId))
    const request = {
      ...{ channelId, from: receipts + 1, asked: idle.map(({ jobId }) => jobId) },
      ...(voucher === undefined ? {} : { voucher: voucherToCbor(voucher) }),
    }
    const stand = await ask(SYNC_MESSAGE, request, { signal })
    if (stand.isBehind === true)
      throw ofOtherLedger(`${name} lost its ledger of this channel, or has an older copy of it`)
    if (stand.voucher !== undefined) payer.requireKnown(channelId, readVoucher(stand.voucher))
    for (const each of stand.receipts) {
      const receipt = readReceipt(each)
      // Nothing would bring those before it.
      if (receipt.index > payer.account(channelId).receipts + 1) throw leftOut(name, 'UNAVAILABLE')
      await take(receipt, signal)
    }
    if (stand.receipts.length < RECEIPTS_AT_ONCE) {
      for (const jobId of stand.unknown) await payer.drop(channelId, jobId)
      await tell(modules, channelId, stand.owed, signal)
      if (await fetchAll(modules, channelId, signal)) return
    }
    onPage()
  }
  throw new UserError(`${name} never runs out of receipts`, { code: 'VERIFICATION_FAILED' })
}

/** Outputs that are here, and that the provider believes to owe. */
async function tell(
  { payer, ask, isActive }: SettlingModules,
  channelId: Uint8Array,
  owed: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<void> {
  const { undelivered, asked } = payer.account(channelId)
  const open = new Set([...undelivered, ...asked].map(({ jobId }) => bytesToHex(jobId)))
  const jobIds = owed.filter((jobId) => !open.has(bytesToHex(jobId)) && !isActive(jobId))
  if (jobIds.length === 0) return
  // The provider lets go of what it is told: a crash must not forget here what nobody could fetch again.
  await payer.kept(channelId)
  await ask(HAVE_MESSAGE, { channelId, jobIds }, { signal })
}

/**
 * Nobody waits for these outputs any more: they are taken, so that nothing stands open, and let go.
 * @returns whether none is left whose credit waits for receipts before it
 */
async function fetchAll(
  { payer, isActive, fetch, onLost }: SettlingModules,
  channelId: Uint8Array,
  signal: AbortSignal,
): Promise<boolean> {
  const voucher = await payer.newestVoucher(channelId)
  if (voucher === undefined) return true
  const paid = voucherToCbor(voucher)
  const isOwed = (jobId: Uint8Array): boolean =>
    payer.account(channelId).undelivered.some((each) => Buffer.compare(each.jobId, jobId) === 0)
  let isWhole = true
  for (const { jobId } of payer.account(channelId).undelivered) {
    if (isActive(jobId)) continue
    try {
      await fetch(jobId, paid, signal)
      if (isOwed(jobId)) isWhole = false
    } catch (error) {
      // It came too late for this one too often: what it cost is lost, and the others are not. Asked again the provider only
      // says that it owes nothing.
      if (!isDenied(error)) throw error
      onLost(error)
    }
  }
  return isWhole
}
