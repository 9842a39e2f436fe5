/** A hot key's signed consent to be run by a cold wallet (StakeRegistry.Consent, EIP-712). */
import { randomBytes } from 'node:crypto'
import { type Hex, toHex } from 'viem'
import { type Address, addressBytes } from '../../crypto/address.js'
import { type TypedStructure, typedDigest } from '../../crypto/eip712.js'
import type { Signer } from '../../crypto/identity.js'

const REGISTRATION: TypedStructure = {
  name: 'Registration',
  fields: [
    ['address', 'owner'],
    ['address', 'hotKey'],
    ['bytes32', 'salt'],
    ['uint64', 'expiry'],
  ],
}

export interface Consent {
  readonly hotKey: Address
  /** 32 bytes. */
  readonly salt: Hex
  /** Unix seconds. */
  readonly expiry: bigint
  readonly signature: Hex
}

export interface ConsentParameters {
  readonly chainId: number
  readonly stakeRegistry: Address
  /** The cold wallet. */
  readonly owner: Address
  /** Unix seconds; an hour is plenty. */
  readonly expiry: number
  /** 32 bytes; random unless given. */
  readonly salt?: Uint8Array | undefined
}

/** What the hot key signs; anybody recovers its public key from digest and signature. */
export function consentDigest(
  { chainId, stakeRegistry, owner }: Pick<ConsentParameters, 'chainId' | 'stakeRegistry' | 'owner'>,
  hotKey: Address,
  salt: Uint8Array,
  expiry: bigint,
): Uint8Array {
  const domain = { chainId, verifyingContract: addressBytes(stakeRegistry) }
  return typedDigest(domain, REGISTRATION, {
    owner: addressBytes(owner),
    hotKey: addressBytes(hotKey),
    salt,
    expiry,
  })
}

export function signConsent(hotKey: Signer, parameters: ConsentParameters): Consent {
  const salt = parameters.salt ?? Uint8Array.from(randomBytes(32))
  const expiry = BigInt(parameters.expiry)
  const digest = consentDigest(parameters, hotKey.address, salt, expiry)
  return { hotKey: hotKey.address, salt: toHex(salt), expiry, signature: toHex(hotKey.sign(digest)) }
}
