/** Why the chain refused, in words with figures: the contracts' custom errors, and what RPC servers say. */
import { BaseError, decodeErrorResult, type Hex } from 'viem'
import { type ErrorCode, UserError } from '../errors.js'
import { formatEther, lackOfMoney } from './ether.js'
import { beaconRegistryAbi } from './generated/beacon-registry.js'
import { challengeManagerAbi } from './generated/challenge-manager.js'
import { disputeGameAbi } from './generated/dispute-game.js'
import { ecdsaAttestationVerifierAbi } from './generated/ecdsa-attestation-verifier.js'
import { paymentChannelsAbi } from './generated/payment-channels.js'
import { stakeRegistryAbi } from './generated/stake-registry.js'

const ERRORS = [
  ...beaconRegistryAbi,
  ...challengeManagerAbi,
  ...disputeGameAbi,
  ...ecdsaAttestationVerifierAbi,
  ...paymentChannelsAbi,
  ...stakeRegistryAbi,
].filter((entry) => entry.type === 'error')

type Figures = readonly unknown[]
interface Words {
  readonly message: string
  readonly remedy?: string
  readonly code?: ErrorCode
}

const text = (value: unknown): string => String(value)
const amount = (value: unknown): bigint => (typeof value === 'bigint' ? value : BigInt(Number(value)))
/** Chain times are whole seconds of Unix time. */
const time = (value: unknown): string => {
  const milliseconds = Number(value) * 1000
  return Number.isFinite(milliseconds) && milliseconds < 8.64e15
    ? new Date(milliseconds).toISOString().replace('.000Z', 'Z')
    : text(value)
}
const status = (value: unknown): string =>
  ['none', 'open', 'fixed', 'settled', 'noResult', 'expired', 'void'][Number(value)] ?? text(value)

/** By the error's name; figures are its arguments in the contract's order. */
const WORDS: Readonly<Record<string, (...figures: Figures) => Words | UserError>> = {
  // StakeRegistry
  InvalidEndpoint: () => ({
    message: 'the registry refuses the endpoint',
    remedy: 'a node with seats needs a host, a UDP port and an uplink above zero, and short addresses',
  }),
  HostNotGlobal: (host) => ({
    message: `the host ${text(host)} cannot be reached from the internet`,
    remedy: 'register the public address',
  }),
  TooManySeats: (held, cap) => ({
    message: `${text(held)} seats exceed the ${text(cap)} of one cold wallet`,
    remedy: 'ask for fewer seats',
  }),
  WrongValue: (have, need) =>
    lackOfMoney('the value does not fit the seats', amount(have), amount(need), 'run the command again'),
  ConsentExpired: (expiry) => ({
    message: `the hot key's consent expired at ${time(expiry)}`,
    remedy: 'sign a new one',
  }),
  ConsentSpent: () => ({
    message: "the hot key's consent was used before",
    remedy: 'sign a new one, with another salt',
  }),
  InvalidConsent: (signer, hotKey) => ({
    message: `the consent is signed by ${text(signer)}, not by the hot key ${text(hotKey)}`,
    remedy: 'sign it for this chain, this registry and this cold wallet',
  }),
  KeyTaken: (hotKey) => ({
    message: `the hot key ${text(hotKey)} belongs to another node`,
    remedy: 'use another key, or leave with that node first',
    code: 'EXISTS',
  }),
  NotOwner: (caller, owner) => ({
    message: `${text(caller)} is not the node's cold wallet ${text(owner)}`,
    remedy: 'use the cold wallet that registered it',
  }),
  NotRegistered: (hotKey) => ({
    message: `${text(hotKey)} is not registered`,
    remedy: 'run "plumbline chain register" first',
    code: 'NOT_FOUND',
  }),
  NotActiveSince: (hotKey, snapshot) => ({
    message: `${text(hotKey)} is not registered since ${time(snapshot)}`,
    remedy: 'wait until the activation delay has passed since the last change',
  }),
  ChangedTooRecently: (at) => ({
    message: `the node was changed lately; it may change again at ${time(at)}`,
    remedy: 'wait until then',
  }),
  NothingToWithdraw: () => ({ message: 'there is nothing to withdraw', code: 'NOT_FOUND' }),
  StillBonded: (at) => ({
    message: `the stake is still bonded, until ${time(at)}`,
    remedy: 'withdraw after that',
  }),
  SnapshotNotPast: (snapshot) => ({ message: `the snapshot ${time(snapshot)} is not past` }),
  SnapshotTooOld: (snapshot) => ({ message: `the snapshot ${time(snapshot)} is too old to draw from` }),
  // ChallengeManager
  ProfileNotAllowed: (profile) => ({
    message: `this deployment settles no profile ${['quick', 'standard', 'strict', 'published'][Number(profile)] ?? text(profile)}`,
    remedy: 'use --profile strict',
  }),
  NotPayer: (caller, payer) => ({
    message: `${text(caller)} is not the payer ${text(payer)} of the request`,
  }),
  InsufficientFee: (have, need) =>
    lackOfMoney('the fee of one member is too low', amount(have), amount(need), 'offer more'),
  FeeNotDivisible: (value, members) => ({
    message: `${formatEther(amount(value))} cannot be divided by ${text(members)} members`,
  }),
  SnapshotOutOfRange: (snapshot, oldest, newest) => ({
    message: `the snapshot ${time(snapshot)} is not between ${time(oldest)} and ${time(newest)}`,
    remedy: 'ask again; the chain moved on',
  }),
  WrongRegistryHash: () => ({
    message: 'the registry changed its name: the chain was re-organised',
    remedy: 'ask again',
  }),
  RoundOutOfRange: (at, earliest, latest) => ({
    message: `the round's time ${time(at)} is not between ${time(earliest)} and ${time(latest)}`,
    remedy: "ask again: the transaction came too late, or this machine's clock is not the chain's",
  }),
  RoundAlreadyKnown: () => ({ message: 'the named round is known already', remedy: 'ask again' }),
  DrawNotAfterLast: (at, last) => ({
    message: `the round's time ${time(at)} is not after the prover's last draw at ${time(last)}`,
    remedy: 'ask again with a later round',
  }),
  InvalidExpiry: (at, earliest, latest) => ({
    message: `the expiry ${time(at)} is not between ${time(earliest)} and ${time(latest)}`,
  }),
  InvalidAcceptance: (signer, prover) => ({
    message: `the acceptance is signed by ${text(signer)}, not by the prover ${text(prover)}`,
  }),
  AcceptedTooLate: (at, round) => ({
    message: `the prover accepted at ${time(at)}, not before the round at ${time(round)}`,
  }),
  InsufficientBond: (have, need) =>
    lackOfMoney(
      "the prover's free deposit is too low",
      amount(have),
      amount(need),
      'run "plumbline chain stake --bond <amount>"',
    ),
  AlreadyOpen: (id) => ({ message: `the challenge ${text(id)} is open already`, code: 'EXISTS' }),
  WrongStatus: (have) => ({ message: `the challenge is ${status(have)}: the step does not fit` }),
  WrongTerms: () => ({ message: 'terms or committee are not those of the challenge' }),
  RoundUnknown: (round) => ({
    message: `the beacon's round ${text(round)} is not on the chain yet`,
    remedy: 'submit it first',
  }),
  TooLate: (deadline) => ({ message: `the deadline ${time(deadline)} has passed` }),
  TooEarly: (earliest) => ({
    message: `this is possible from ${time(earliest)}`,
    remedy: 'wait until then',
  }),
  ImplausibleResult: () => ({ message: 'the result is larger than what was offered, or not empty' }),
  TooFewSigners: (have, need) => ({
    message: `${text(have)} members signed the result, ${text(need)} are needed`,
  }),
  NothingToPay: () => ({ message: 'nothing is due', code: 'NOT_FOUND' }),
  NotProverOwner: (caller, owner) => ({
    message: `${text(caller)} is not the prover's cold wallet ${text(owner)}`,
    remedy: 'use the cold wallet that registered it',
  }),
  NotDisputable: () => ({ message: 'the challenge cannot be disputed (any more)' }),
  AlreadyFaulty: () => ({ message: 'this fault was proven before', code: 'EXISTS' }),
  TransferFailed: (to) => ({ message: `${text(to)} refuses the payment` }),
  UndecidableParameters: () => ({
    message: 'beta and delta lie on the border between two budgets of faults',
    remedy: 'change delta by a millionth',
  }),
  InvalidRequest: () => ({
    message: "the request's numbers break the contract's rules",
    remedy: 'n from 1 to 64, 2 f < n, teams that divide n (docs/contracts.md)',
  }),
  NotMember: (member) => ({ message: `${text(member)} is not in the committee` }),
  NotProver: (accused) => ({ message: `${text(accused)} is not the challenge's prover` }),
  // DisputeGame
  WrongBond: (have, need) =>
    lackOfMoney("the report's bond is wrong", amount(have), amount(need), 'send exactly the bond'),
  AlreadyAnnounced: () => ({ message: 'this report is announced already', code: 'EXISTS' }),
  NotProven: () => ({ message: 'no fault of the accused in this challenge was proven' }),
  NotAnnounced: () => ({ message: 'this report was not announced', remedy: 'announce it first' }),
  AnnouncedThisBlock: () => ({
    message: 'the report was announced in this very block',
    remedy: 'prove it in a later one',
  }),
  SameStatement: () => ({ message: 'the two statements are the same: that is no fault' }),
  SeedMatches: () => ({ message: 'the seed fits its commitment: that is no fault' }),
  NotSignedBy: (member, signer) => ({
    message: `a signature is not ${text(member)}'s${signer === undefined ? '' : `, but ${text(signer)}'s`}`,
  }),
  // PaymentChannels
  InvalidParties: (payer, payee) => ({
    message: `there is no channel from ${text(payer)} to ${text(payee)}`,
    remedy: 'name a payee that is not the payer',
  }),
  NothingDeposited: () => ({ message: 'nothing is paid in', remedy: 'give an amount above zero' }),
  DepositTooLarge: (have, most) => ({
    message: `a deposit of ${formatEther(amount(have))} exceeds the ${formatEther(amount(most))} of a channel`,
  }),
  EndOutOfRange: (at, earliest, latest) => ({
    message: `the channel's end ${time(at)} is not between ${time(earliest)} and ${time(latest)}`,
  }),
  ChannelIsOpen: (id) => ({
    message: `the channel ${text(id)} is open already`,
    remedy: 'use it, or top it up',
    code: 'EXISTS',
  }),
  ChannelNotOpen: (payer, payee) => ({
    message: `there is no open channel from ${text(payer)} to ${text(payee)}`,
    remedy: 'open one first',
    code: 'NOT_FOUND',
  }),
  ChannelNotOver: (at) =>
    amount(at) === 0n
      ? { message: 'there is no open channel', code: 'NOT_FOUND' }
      : {
          message: `the channel ends at ${time(at)}; before that the payee alone may close it`,
          remedy: 'ask for its end first, or wait',
        },
  AlreadyEnding: (at) => ({ message: `the channel ends at ${time(at)} already`, code: 'EXISTS' }),
  NotPayee: (caller, payee) => ({
    message: `${text(caller)} is not the payee ${text(payee)}, whose word a redemption is`,
    remedy: "send it with the payee's own key",
    code: 'DENIED',
  }),
  NotPayerNorWallet: (caller, payer) => ({
    message: `${text(caller)} is neither the payer ${text(payer)} nor its cold wallet`,
  }),
  VoucherNotOfPayer: (signer, payer) => ({
    message: `the voucher is signed by ${text(signer)}, not by the payer ${text(payer)} for this opening of the channel`,
  }),
  NothingToRedeem: () => ({ message: 'the voucher was redeemed before', code: 'NOT_FOUND' }),
  // BeaconRegistry
  UnknownBeacon: (hash) => ({
    message: `the chain's beacon contract does not know the beacon ${text(hash)}`,
  }),
  InvalidBeaconSignature: (_, round) => ({ message: `the signature of round ${text(round)} is not valid` }),
  PrecompileAbsent: (precompile) => ({
    message: `this chain lacks the BLS12-381 precompile ${text(precompile)} (EIP-2537)`,
    remedy: 'use a chain with the prague rules, or another beacon contract',
    code: 'UNAVAILABLE',
  }),
  LocalBeaconOnPublicChain: (chainId) => ({
    message: `a local beacon is not allowed on the public chain ${text(chainId)}`,
  }),
}

/** What a revert's bytes say. */
export function explainRevert(data: Hex, doing: string): UserError {
  const decoded = decode(data)
  if (decoded === undefined)
    return new UserError(`${doing}: the contract refused without a reason (${data.slice(0, 10)})`, {
      code: 'DENIED',
      remedy: 'check that the addresses belong to this version of the contracts',
      details: { revert: data },
    })
  const words = WORDS[decoded.errorName]?.(...decoded.args)
  const details = {
    revert: decoded.errorName,
    figures: decoded.args.map((figure) => (typeof figure === 'bigint' ? figure.toString() : figure)),
  }
  if (words instanceof UserError)
    return new UserError(`${doing}: ${words.message}`, {
      code: words.code,
      details: { ...details, ...words.details },
      ...(words.remedy === undefined ? {} : { remedy: words.remedy }),
    })
  const figures = decoded.args.map(text).join(', ')
  return new UserError(`${doing}: ${words?.message ?? `${decoded.errorName}(${figures})`}`, {
    code: words?.code ?? 'DENIED',
    details,
    ...(words?.remedy === undefined ? {} : { remedy: words.remedy }),
  })
}

function decode(data: Hex): { readonly errorName: string; readonly args: readonly unknown[] } | undefined {
  try {
    const { errorName, args } = decodeErrorResult({ abi: ERRORS, data })
    return { errorName, args: Array.isArray(args) ? args : [] }
  } catch {
    return undefined
  }
}

/** The bytes that a contract reverted with, wherever in the chain of causes they are. */
export function revertData(error: unknown): Hex | undefined {
  if (!(error instanceof Error)) return undefined
  const data = 'data' in error ? error.data : undefined
  if (typeof data === 'string' && /^0x(?:[0-9a-f]{2})*$/i.test(data) && data.length >= 10) return data as Hex
  if (typeof data === 'object' && data !== null && 'data' in data && typeof data.data === 'string')
    return data.data as Hex
  return revertData(error.cause)
}

/** The first UserError among an error and its causes: what we threw below viem. */
function userErrorIn(error: unknown): UserError | undefined {
  if (error instanceof UserError) return error
  return error instanceof Error ? userErrorIn(error.cause) : undefined
}

/** What an RPC server said in its own words, at most a line. */
export function rpcMessage(error: unknown): string {
  if (error instanceof BaseError) return (error.details || error.shortMessage).split('\n', 1)[0] ?? ''
  return error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
}

/** Why the chain did not do or say something, in one line for people, whatever viem put around it. */
export function chainReason(error: unknown): string {
  return userErrorIn(error)?.message ?? rpcMessage(error)
}

/** Whether no server answered, as opposed to one that refused. */
export const isUnanswered = (error: unknown): boolean => userErrorIn(error)?.code === 'UNREACHABLE'

/**
 * A failed call or transaction as a UserError where its reason is known; anything else as it was.
 * @param doing what was attempted, e.g. `opening the challenge`
 */
export function explainChainError(error: unknown, doing: string): unknown {
  const own = userErrorIn(error)
  if (own !== undefined) return own
  const data = revertData(error)
  if (data !== undefined) return explainRevert(data, doing)
  if (!(error instanceof BaseError)) return error
  const message = rpcMessage(error)
  if (/execution reverted|revert/i.test(message))
    return new UserError(`${doing}: the contract refused without a reason`, {
      code: 'DENIED',
      remedy: 'check that the addresses belong to this chain and to this version of the contracts',
      cause: error,
    })
  return new UserError(`${doing}: the RPC server answers: ${message.slice(0, 200)}`, {
    code: 'UNAVAILABLE',
    cause: error,
  })
}
