/**
 * The randomness beacon: drand quicknet, or a local beacon of one key with the same arithmetic. Pure: fetching is
 * in p2p/beacon-client.ts.
 *
 * A round r is valid where its signature verifies over SHA-256(r as unsigned 64-bit big-endian); its randomness is
 * SHA-256(signature). Scheme `bls-unchained-g1-rfc9380`; sources: drand `crypto/schemes.go`, `common/beacon.go`,
 * `common/chain/time.go`, https://docs.drand.love/docs/specification
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { blsPublicKey, blsSign, blsVerify } from './bls.js'

export const CHAIN_HASH_BYTES = 32
export const RANDOMNESS_BYTES = 32

export interface BeaconInfo {
  readonly kind: 'drand' | 'local'
  /** 32 bytes; names the beacon in plans and transcripts. */
  readonly chainHash: Uint8Array
  /** 96 bytes, compressed G2. */
  readonly publicKey: Uint8Array
  /** Unix time of round 1, whole seconds. */
  readonly genesisTimeSeconds: number
  /** Seconds between rounds, whole, at least 1. */
  readonly periodSeconds: number
}

/** drand's quicknet of the League of Entropy: unchained, 3 s. */
export const QUICKNET: BeaconInfo = {
  kind: 'drand',
  chainHash: hexToBytes('52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971'),
  publicKey: hexToBytes(
    '83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a',
  ),
  genesisTimeSeconds: 1_692_803_367,
  periodSeconds: 3,
}

const LOCAL_CHAIN_TAG = utf8ToBytes('plumbline/local-beacon/1')

/**
 * Chain hash of a local beacon: SHA-256( ASCII "plumbline/local-beacon/1" || period as u32 BE || genesis as
 * u64 BE || public key (96 bytes) ). Its order follows drand's own (period, genesis, key), under another tag, so
 * that a local beacon can never carry the name of a public one.
 */
export function localChainHash(parameters: Omit<BeaconInfo, 'kind' | 'chainHash'>): Uint8Array {
  const numbers = new DataView(new ArrayBuffer(12))
  numbers.setUint32(0, parameters.periodSeconds)
  numbers.setBigUint64(4, BigInt(parameters.genesisTimeSeconds))
  return sha256(concatBytes(LOCAL_CHAIN_TAG, new Uint8Array(numbers.buffer), parameters.publicKey))
}

/** The description of the local beacon whose key is `secret`. */
export function localBeacon(
  secret: Uint8Array,
  times: { readonly genesisTimeSeconds: number; readonly periodSeconds: number },
): BeaconInfo {
  const parameters = { ...times, publicKey: blsPublicKey(secret) }
  return { kind: 'local', chainHash: localChainHash(parameters), ...parameters }
}

/** The newest round published at a Unix time (fractions allowed); 0 before genesis, when there is none. */
export function roundAt(info: BeaconInfo, timeSeconds: number): number {
  if (timeSeconds < info.genesisTimeSeconds) return 0
  return Math.floor((timeSeconds - info.genesisTimeSeconds) / info.periodSeconds) + 1
}

/** Unix time in seconds at which round >= 1 is due. @throws RangeError for a round that does not exist. */
export function timeOfRound(info: BeaconInfo, round: number): number {
  if (!Number.isSafeInteger(round) || round < 1)
    throw new RangeError(`beacon rounds start at 1, not ${round}`)
  return info.genesisTimeSeconds + (round - 1) * info.periodSeconds
}

/** The first round due at or after a Unix time in seconds. */
export function firstRoundFrom(info: BeaconInfo, timeSeconds: number): number {
  return Math.max(1, Math.ceil((timeSeconds - info.genesisTimeSeconds) / info.periodSeconds) + 1)
}

/** SHA-256 of the round number as u64 BE: what the beacon signs. */
export function roundMessage(round: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8))
  bytes.setBigUint64(0, BigInt(round))
  return sha256(new Uint8Array(bytes.buffer))
}

/** A round's 32 bytes of randomness, or false where the signature is not the beacon's. Never throws. About 20 ms. */
export function verifyRound(info: BeaconInfo, round: number, signature: Uint8Array): Uint8Array | false {
  if (!Number.isSafeInteger(round) || round < 1) return false
  return blsVerify(info.publicKey, roundMessage(round), signature) ? randomnessOf(signature) : false
}

/** The 32 bytes of randomness in a signature that was verified. */
export function randomnessOf(signature: Uint8Array): Uint8Array {
  return sha256(signature)
}

/** The signature of a local beacon's round, 48 bytes. */
export function signRound(secret: Uint8Array, round: number): Uint8Array {
  if (!Number.isSafeInteger(round) || round < 1)
    throw new RangeError(`beacon rounds start at 1, not ${round}`)
  return blsSign(secret, roundMessage(round))
}

/**
 * Runs a signature and its verification once, so that tables are built and code is compiled before anybody waits for it:
 * the first verification takes 0.4 s, later ones 0.03 s.
 */
export function warmUpBeacon(): void {
  const secret = new Uint8Array(32).fill(1)
  const info = localBeacon(secret, { genesisTimeSeconds: 1, periodSeconds: 1 })
  verifyRound(info, 1, signRound(secret, 1))
}
