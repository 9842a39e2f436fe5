/** Brings a beacon round to the chain, where it is verified once for every challenge that named it. */
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { type Hex, toHex, zeroHash } from 'viem'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { beaconRegistryAbi } from '../generated/beacon-registry.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface SubmitRoundParameters {
  /** 32 bytes. */
  readonly beaconChain: Uint8Array
  readonly round: number
  /** Compressed G1 point, 48 bytes, verified by the caller: a wrong one burns all the gas it was given. */
  readonly signature: Uint8Array
}

export type SubmittedRound =
  | { readonly randomness: Hex; readonly alreadyThere: true }
  | ({ readonly randomness: Hex; readonly alreadyThere: false } & Mined)

/** The deployment's beacon contract. @throws UserError UNAVAILABLE where it has none, with the reason */
export function beaconContract(chain: Chain): Address {
  const { contracts, absent } = chain.deployment
  if (contracts.beaconRegistry !== null) return contracts.beaconRegistry
  throw new UserError(`this deployment has no beacon: ${absent.beaconRegistry ?? 'none was deployed'}`, {
    code: 'UNAVAILABLE',
    remedy: 'challenges need a chain with the prague rules (EIP-2537), or a deployment with another beacon',
  })
}

/** Compressed 48 bytes to x || y of 48 bytes each. @throws UserError BAD_ARGUMENT for what is no point */
export function uncompressedSignature(signature: Uint8Array): Uint8Array {
  try {
    const point = bls12_381.G1.Point.fromBytes(signature)
    point.assertValidity()
    return point.toBytes(false)
  } catch (cause) {
    throw new UserError('the beacon signature is no point of the curve', { code: 'BAD_ARGUMENT', cause })
  }
}

export function submitRoundCall(
  chain: Chain,
  { beaconChain, round, signature }: SubmitRoundParameters,
): ChainCall {
  return contractCall({
    to: beaconContract(chain),
    abi: beaconRegistryAbi,
    functionName: 'submit',
    args: [toHex(beaconChain), BigInt(round), toHex(uncompressedSignature(signature))],
    what: `bringing beacon round ${round} to the chain`,
    intent: `round:${toHex(beaconChain)}:${round}`,
  })
}

/** Randomness of a round that the chain has verified; undefined where it has not. */
export async function readRandomness(
  chain: Chain,
  beaconChain: Uint8Array,
  round: number,
): Promise<Hex | undefined> {
  const value = await chain.client.readContract({
    address: beaconContract(chain),
    abi: beaconRegistryAbi,
    functionName: 'randomness',
    args: [toHex(beaconChain), BigInt(round)],
  })
  return value === zeroHash ? undefined : value
}

/** Sends nothing where somebody else brought it. */
export async function submitRound(
  chain: Chain,
  parameters: SubmitRoundParameters,
  options?: ActionOptions,
): Promise<SubmittedRound> {
  const { beaconChain, round } = parameters
  const known = await readRandomness(chain, beaconChain, round)
  if (known !== undefined) return { randomness: known, alreadyThere: true }
  const mined = await sendCall(chain, submitRoundCall(chain, parameters), options)
  const randomness = await readRandomness(chain, beaconChain, round)
  if (randomness === undefined) throw new Error(`round ${round} is not on the chain after its submission`)
  return { ...minedOf(mined), randomness, alreadyThere: false }
}
