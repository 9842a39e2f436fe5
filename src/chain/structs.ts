/** The protocol's values as the contracts take them, and back. */
import { type Hex, hexToBytes, toHex } from 'viem'
import { type Address, checksumAddress } from '../crypto/address.js'
import { addressBytesOf } from '../pob/party.js'
import type { Request } from '../pob/request.js'
import type { ResultValue } from '../pob/result.js'
import type { DrawTerms } from '../pob/seat-draw.js'

/** `Request` of contracts/src/libraries/Messages.sol: parties are addresses. */
export interface ChainRequest {
  readonly prover: Address
  readonly payer: Address
  readonly coordinator: Address
  readonly direction: number
  readonly profile: number
  readonly claimKbps: bigint
  readonly committeeSize: number
  readonly faulty: number
  readonly teams: number
  readonly betaMillionths: number
  readonly deltaMillionths: number
  readonly registryHash: Hex
  readonly beaconChain: Hex
  readonly beaconRound: bigint
  readonly expiresAt: bigint
  readonly salt: Hex
}

export function toChainRequest(request: Request): ChainRequest {
  const party = (key: Uint8Array) => checksumAddress(addressBytesOf(key))
  return {
    prover: party(request.prover),
    payer: party(request.payer),
    coordinator: party(request.coordinator),
    direction: request.direction,
    profile: request.profile,
    claimKbps: BigInt(request.claimKbps),
    committeeSize: request.committeeSize,
    faulty: request.faulty,
    teams: request.teams,
    betaMillionths: request.betaMillionths,
    deltaMillionths: request.deltaMillionths,
    registryHash: toHex(request.registryHash),
    beaconChain: toHex(request.beaconChain),
    beaconRound: BigInt(request.beaconRound),
    expiresAt: BigInt(request.expiresAt),
    salt: toHex(request.salt),
  }
}

/** `Outcome` of Messages.sol. */
export interface ChainOutcome {
  readonly evidenceHash: Hex
  readonly guaranteedKbps: bigint
  readonly estimateKbps: bigint
  readonly owed: bigint
}

export function toOutcome(result: ResultValue): ChainOutcome {
  return {
    evidenceHash: toHex(result.evidenceHash),
    guaranteedKbps: BigInt(result.guaranteedKbps),
    estimateKbps: BigInt(result.estimateKbps),
    owed: result.owed.length === 0 ? 0n : BigInt(toHex(result.owed)),
  }
}

export function fromOutcome(outcome: ChainOutcome): ResultValue {
  return {
    evidenceHash: hexToBytes(outcome.evidenceHash),
    guaranteedKbps: Number(outcome.guaranteedKbps),
    estimateKbps: Number(outcome.estimateKbps),
    owed: hexToBytes(toHex(outcome.owed, { size: 32 })),
  }
}

/** Signatures in committee order as the attestation verifier takes them. */
export function signerBits(signatures: readonly (Uint8Array | null)[]): bigint {
  return signatures.reduce((bits, each, i) => (each === null ? bits : bits | (1n << BigInt(i))), 0n)
}

/** How viem reads the DrawTerms of an event. */
export function drawTermsOf(terms: {
  readonly snapshot: number
  readonly proverPrefix: bigint
  readonly proverOwner: Address
  readonly payerOwner: Address
  readonly coordinatorOwner: Address
}): DrawTerms {
  const { snapshot, proverPrefix, proverOwner, payerOwner, coordinatorOwner } = terms
  return { snapshot, proverPrefix, proverOwner, payerOwner, coordinatorOwner }
}
