/** Where the payment channels are, and how one opening of one of them is named. */
import { encodeAbiParameters, type Hex, keccak256, stringToBytes } from 'viem'
import type { Address } from '../crypto/address.js'
import { UserError } from '../errors.js'
import type { Chain } from './chain.js'

const CHANNEL_TAG = keccak256(stringToBytes('plumbline/1/channel'))
const FIELDS = [
  { type: 'bytes32' },
  { type: 'uint256' },
  { type: 'address' },
  { type: 'address' },
  { type: 'address' },
  { type: 'uint24' },
] as const

export interface ChannelOpening {
  readonly chainId: number
  /** The PaymentChannels contract. */
  readonly contract: Address
  readonly payer: Address
  readonly payee: Address
  /** Counts the openings of this pair, from 1. */
  readonly nonce: number
}

/** As `PaymentChannels.channelIdOf`: no two openings, pairs, contracts or chains share an id. */
export function channelIdOf({ chainId, contract, payer, payee, nonce }: ChannelOpening): Hex {
  return keccak256(encodeAbiParameters(FIELDS, [CHANNEL_TAG, BigInt(chainId), contract, payer, payee, nonce]))
}

/** @throws UserError UNAVAILABLE where the deployment is older than the contract */
export function channelsContract(chain: Pick<Chain, 'deployment'>): Address {
  const { paymentChannels } = chain.deployment.contracts
  if (paymentChannels !== null) return paymentChannels
  throw new UserError('this deployment has no payment channels', {
    code: 'UNAVAILABLE',
    remedy: 'use a deployment of this version of the contracts',
  })
}

/** The account that the chain was opened with. @throws UserError BAD_KEY where it was opened for reading */
export function ownAddress(chain: Chain, what: string): Address {
  if (chain.account !== undefined) return chain.account.address
  throw new UserError(`${what} needs a key`, {
    code: 'BAD_KEY',
    remedy: 'open the chain with an account that pays for it',
  })
}
