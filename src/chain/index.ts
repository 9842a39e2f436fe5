/**
 * The chain: our contracts on any EVM chain, read and written through viem. The chain is the truth; what is kept here
 * (sent transactions, cursors, seats) is a cache of it.
 *
 *     const chain = await openChain({ rpcUrls, deployment, identity, store })
 *     const { snapshot, registryHash } = await chooseSnapshot(chain)
 *     const opened = await openChallenge(chain, { request, snapshot, acceptedAt, acceptance, refundTo })
 *     await chain.close()
 */

export { chainAccount } from './account.js'
export { type AnnounceFaultParameters, announceFault, announceFaultCall } from './actions/announce-fault.js'
export {
  type ChosenRound,
  chooseRound,
  chooseSnapshot,
  readSnapshotHash,
  type Snapshot,
} from './actions/choose-snapshot.js'
export {
  CLAIMS_PER_TRANSACTION,
  type ClaimedFees,
  type ClaimFeesParameters,
  type ClaimItem,
  claimFees,
  claimFeesCall,
} from './actions/claim-fees.js'
export { closeChallenge, closeChallengeCall } from './actions/close-challenge.js'
export {
  type CloseChannelParameters,
  type ClosedChannel,
  closeChannel,
  closeChannelCall,
} from './actions/close-channel.js'
export { compactSeats, compactSeatsCall } from './actions/compact-seats.js'
export { type Consent, type ConsentParameters, consentDigest, signConsent } from './actions/consent.js'
export { depositBond, depositBondCall } from './actions/deposit-bond.js'
export { deregisterNode, deregisterNodeCall } from './actions/deregister-node.js'
export type { Endpoint } from './actions/endpoint.js'
export { expireChallenge, expireChallengeCall } from './actions/expire-challenge.js'
export type { FaultReport, ProvenFault, Signed, SlotRun } from './actions/fault-report.js'
export { type EarnedFee, findClaims } from './actions/find-claims.js'
export {
  type FixCommitteeParameters,
  type FixedOutcome,
  fixCommittee,
  fixCommitteeCall,
} from './actions/fix-committee.js'
export {
  type OpenChallengeParameters,
  type OpenedChallenge,
  openChallenge,
  openChallengeCall,
} from './actions/open-challenge.js'
export {
  type OpenChannelParameters,
  type OpenedChannel,
  openChannel,
  openChannelCall,
} from './actions/open-channel.js'
export { type ProveAckListsParameters, proveAckLists, proveAckListsCall } from './actions/prove-ack-lists.js'
export { type ProveResultsParameters, proveResults, proveResultsCall } from './actions/prove-results.js'
export { type ProveSeedParameters, proveSeed, proveSeedCall } from './actions/prove-seed.js'
export {
  type ProveTestimoniesParameters,
  proveTestimonies,
  proveTestimoniesCall,
} from './actions/prove-testimonies.js'
export { type ChallengeQuote, quoteChallenge } from './actions/quote-challenge.js'
export { type Credits, type ProverAccount, readCredits, readProverAccount } from './actions/read-accounts.js'
export {
  CHALLENGE_STATUSES,
  type ChallengeState,
  type ChallengeStatus,
  readChallenge,
} from './actions/read-challenge.js'
export { type ChannelParties, type ChannelState, readChannel } from './actions/read-channel.js'
export {
  type ChannelEvents,
  type ChannelOpenedEvent,
  type Redemption,
  readChannelEvents,
} from './actions/read-channel-events.js'
export { type NodeState, readNode } from './actions/read-node.js'
export {
  type ChallengeOpening,
  type FixedCommittee,
  readCommittee,
  readOpening,
  readSettlement,
} from './actions/read-opening.js'
export { readRedemptions } from './actions/read-redemptions.js'
export { reclaimReportBond, reclaimReportBondCall } from './actions/reclaim-report-bond.js'
export {
  type RedeemableVoucher,
  type RedeemedVouchers,
  type RedeemVouchersParameters,
  redeemVouchers,
  redeemVouchersCall,
  VOUCHERS_PER_TRANSACTION,
} from './actions/redeem-vouchers.js'
export {
  type RegisterNodeParameters,
  registerNode,
  registerNodeCall,
  type SeatedNode,
} from './actions/register-node.js'
export {
  type RequestedClose,
  requestChannelClose,
  requestChannelCloseCall,
} from './actions/request-channel-close.js'
export { type RotateNodeParameters, rotateNode, rotateNodeCall } from './actions/rotate-node.js'
export {
  attestationProof,
  type SettleChallengeParameters,
  type SettledChallenge,
  settleChallenge,
  settleChallengeCall,
} from './actions/settle-challenge.js'
export {
  readRandomness,
  type SubmitRoundParameters,
  type SubmittedRound,
  submitRound,
  submitRoundCall,
} from './actions/submit-round.js'
export {
  type ToppedUpChannel,
  type TopUpChannelParameters,
  topUpChannel,
  topUpChannelCall,
} from './actions/top-up-channel.js'
export { type UpdateNodeParameters, updateNode, updateNodeCall } from './actions/update-node.js'
export { withdrawDeposit, withdrawDepositCall } from './actions/withdraw-deposit.js'
export { withdrawRefund, withdrawRefundCall } from './actions/withdraw-refund.js'
export { withdrawReward, withdrawRewardCall } from './actions/withdraw-reward.js'
export { withdrawStake, withdrawStakeCall } from './actions/withdraw-stake.js'
export { anvilBinary, HARDFORKS, type Hardfork, startAnvil } from './anvil.js'
export { type CallPreview, type ChainCall, contractCall, previewCall } from './call.js'
export {
  type Chain,
  type ChainConnection,
  connectChain,
  DEVELOPMENT_CHAINS,
  type OpenChainOptions,
  openChain,
  type RpcOptions,
  type SenderOptions,
  withDeployment,
} from './chain.js'
export { type ChannelOpening, channelIdOf, channelsContract } from './channel-id.js'
export {
  type ChainSettings,
  type ConfiguredChainOptions,
  connectionOf,
  openConfiguredChain,
} from './configured.js'
export {
  type DeployOptions,
  type DeployResult,
  type DeployStep,
  deployContracts,
  planDeployment,
} from './deploy.js'
export {
  beaconInfoOf,
  type ContractAddresses,
  type Deployment,
  deploymentExists,
  deploymentPath,
  findDeployment,
  parseDeployment,
  readDeployment,
  writeDeployment,
} from './deployment.js'
export {
  DEVELOPMENT_TERMS,
  type DeploymentTerms,
  PUBLIC_TERMS,
  readDeploymentTerms,
  termsProblem,
} from './deployment-terms.js'
export { type DevChain, type DevChainOptions, startDevChain, wellKnownAccount } from './dev-chain.js'
export { formatEther, formatGwei, gweiToWei, lackOfMoney, parseAmount } from './ether.js'
export { marketFees } from './fees.js'
export { challengeManagerAbi } from './generated/challenge-manager.js'
export { paymentChannelsAbi } from './generated/payment-channels.js'
export { hostFromBytes16, hostToBytes16, seatPrefix } from './host.js'
export { chainReason, explainChainError, isUnanswered } from './reverts.js'
export { openSeatCache, SeatCache } from './seat-cache.js'
export { type ActionOptions, type Mined, sendCall } from './send.js'
export { type ChainRequest, fromOutcome, toChainRequest, toOutcome } from './structs.js'
export { bondFor, type ChainTerms } from './terms.js'
export {
  type ChainWatcher,
  type EventBatch,
  type WatchedEvent,
  type WatchOptions,
  watchChain,
} from './watcher.js'
