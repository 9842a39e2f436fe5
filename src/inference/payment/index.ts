/**
 * How jobs are paid (docs/inference.md): vouchers and receipts of a payment channel, and the ledgers of both sides.
 *
 *     const payee = await Payee.open({ domain, signer, books: store.paymentsEarned, now }, limits)
 *     const credits = await payee.creditAllLost()
 */

export { KEPT_RECEIPTS } from './account-table.js'
export {
  ChannelKeeper,
  type ChannelKeeperModules,
  type ChannelKeeperOptions,
  ChannelsUnread,
  type KeeperRound,
  redemptionGas,
} from './channel-keeper.js'
export { type ChannelStanding, channelStanding, isOfChain, openingIdOf } from './channel-standing.js'
export { type DueRedemption, Payee, type PayeeModules, redeemable } from './payee.js'
export {
  type PayeeAccount,
  type PayeeLimits,
  payeeExposure,
  type RedeemPolicy,
  type RunningJob,
  redeemReason,
  unredeemed,
  type Work,
} from './payee-account.js'
export { Payer, type PayerModules } from './payer.js'
export {
  type AskedJob,
  type ChannelTerms,
  isOfOtherLedger,
  newPayerAccount,
  ofOtherLedger,
  type PayerAccount,
  type PayerLimits,
  payerExposure,
  payerFree,
  payerReceived,
} from './payer-account.js'
export {
  isContradiction,
  isReceiptOf,
  NO_RECEIPTS,
  RECEIPT,
  type Receipt,
  ReceiptKind,
  readReceipt,
  receiptDigest,
  receiptSchema,
  receiptToCbor,
  type SignedReceipt,
  signReceipt,
} from './receipt.js'
export { RetiredOpenings } from './retired-openings.js'
export { storedPayeeAccounts, storedPayerAccounts } from './stored-accounts.js'
export {
  isVoucherOf,
  paymentDomain,
  readVoucher,
  type SignedVoucher,
  signVoucher,
  VOUCHER,
  type Voucher,
  voucherDigest,
  voucherSchema,
  voucherToCbor,
} from './voucher.js'
