/**
 * What a provider shows of its receipts: to auditors that it accepts those of every channel, to a payer those of its own.
 * They hold hashes, but a short text is found by trying all of its kind: they are nobody else's business.
 */
import { type Address, addressOfPublicKey } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import type { Remote } from '../../p2p/index.js'
import { RECEIPTS_AT_ONCE, RECEIPTS_IN_ALL, type RECEIPTS_MESSAGE } from '../network/messages.js'
import { receiptToCbor, type SignedReceipt } from '../payment/index.js'

type Request = ReturnType<typeof RECEIPTS_MESSAGE.request.read>
type Answer = ReturnType<typeof RECEIPTS_MESSAGE.response.read>

export interface ShownReceiptsModules {
  /** Whose a channel is; undefined for one that is not known here. */
  readonly payerOf: (channelId: Uint8Array) => Address | undefined
  /** @param from number of the first */
  readonly receipts: (channelId: Uint8Array, from: number) => Promise<readonly SignedReceipt[]>
  readonly isAuditor: (remote: Remote) => Promise<boolean>
  /** What is given of these. */
  readonly shown: (receipts: readonly SignedReceipt[]) => readonly SignedReceipt[]
}

/** @throws UserError DENIED for others' channels; what `isAuditor` throws */
export async function showReceipts(
  { payerOf, receipts, isAuditor, shown }: ShownReceiptsModules,
  { channels }: Request,
  remote: Remote,
): Promise<Answer> {
  const asker = addressOfPublicKey(remote.publicKey)
  const isOwn = channels.every(({ channelId }) => payerOf(channelId) === asker)
  if (!isOwn && !(await isAuditor(remote)))
    throw new UserError(
      'receipts are for the payer of their channel, challengers with a seat, and auditors that the operator named',
      { code: 'DENIED' },
    )
  const answers: Answer['answers'][number][] = []
  let given = 0
  for (const { channelId, from } of channels) {
    if (given + RECEIPTS_AT_ONCE > RECEIPTS_IN_ALL) break
    if (payerOf(channelId) === undefined) {
      answers.push({})
      continue
    }
    const produced = shown(await receipts(channelId, from))
    given += produced.length
    answers.push({ receipts: produced.map(receiptToCbor) })
  }
  return { answers }
}
