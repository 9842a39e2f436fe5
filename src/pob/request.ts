/** Request and acceptance (docs/protocol.md section 2). */
import { bytes, type Infer, integer, object, type Schema } from '../crypto/cbor-schema.js'
import type { TypedDomain } from '../crypto/eip712.js'
import { typedDigest } from '../crypto/eip712.js'
import { UserError } from '../errors.js'
import { BEACON_MARGIN_SECONDS, MAX_CLAIM_KBPS, MAX_COMMITTEE, MILLION } from './constants.js'
import { addressBytesOf, isPublicKey } from './party.js'
import { ACCEPTANCE, ChallengeDigests, REQUEST } from './structures.js'

export const Direction = { down: 0, up: 1 } as const
export type DirectionName = keyof typeof Direction

export const Profile = { quick: 0, standard: 1, strict: 2, published: 3 } as const
export type ProfileName = keyof typeof Profile

/** The name of a number on the wire. */
export function profileName(profile: number): ProfileName | undefined {
  return (Object.keys(Profile) as ProfileName[]).find((name) => Profile[name] === profile)
}

export function directionName(direction: number): DirectionName | undefined {
  return (Object.keys(Direction) as DirectionName[]).find((name) => Direction[name] === direction)
}

const UNIX_SECONDS_MAX = 253_402_300_799

export const unixSeconds = integer({ min: 0, max: UNIX_SECONDS_MAX })
const publicKeyBytes = bytes({ length: 33 })
/** A compressed point of the curve: everything after may take its address. */
export const publicKey: Schema<Uint8Array> = {
  read: (value, path) => {
    const read = publicKeyBytes.read(value, path)
    if (!isPublicKey(read)) throw new UserError(`${path}: is no public key`, { code: 'BAD_MESSAGE' })
    return read
  },
}
export const hash = bytes({ length: 32 })
export const signature = bytes({ length: 65 })

export const requestSchema = object({
  version: integer({ min: 1, max: 1 }),
  chainId: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  verifyingContract: bytes({ length: 20 }),
  prover: publicKey,
  payer: publicKey,
  coordinator: publicKey,
  direction: integer({ min: 0, max: 1 }),
  profile: integer({ min: 0, max: 3 }),
  claimKbps: integer({ min: 1, max: MAX_CLAIM_KBPS }),
  committeeSize: integer({ min: 1, max: MAX_COMMITTEE }),
  faulty: integer({ min: 0, max: MAX_COMMITTEE }),
  teams: integer({ min: 1, max: MAX_COMMITTEE }),
  betaMillionths: integer({ min: 0, max: MILLION }),
  deltaMillionths: integer({ min: 0, max: MILLION }),
  registryHash: hash,
  beaconChain: hash,
  beaconRound: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  expiresAt: unixSeconds,
  salt: hash,
})
export type Request = Infer<typeof requestSchema>

export function domainOf(request: Request): TypedDomain {
  return { chainId: request.chainId, verifyingContract: request.verifyingContract }
}

/** The 32-byte id of a challenge: the digest that the payer signs. */
export function challengeIdOf(request: Request): Uint8Array {
  return typedDigest(domainOf(request), REQUEST, {
    ...request,
    prover: addressBytesOf(request.prover),
    payer: addressBytesOf(request.payer),
    coordinator: addressBytesOf(request.coordinator),
  })
}

export function digestsOf(request: Request): ChallengeDigests {
  return new ChallengeDigests(domainOf(request), challengeIdOf(request))
}

export function acceptanceDigest(digests: ChallengeDigests, acceptedAt: number): Uint8Array {
  return digests.digest(ACCEPTANCE, { acceptedAt })
}

/** What is wrong with a request's own numbers, or undefined. */
export function requestFault(request: Request): string | undefined {
  const strict = request.profile === Profile.strict
  if (request.direction === Direction.up) {
    if (request.chainId !== 0) return 'an uplink is never settled: what came back is the word of the members'
    if (request.profile !== Profile.standard && !strict)
      return 'an uplink is measured by teams of one: the standard or the strict profile'
  }
  if (request.chainId === 0 && request.verifyingContract.some((byte) => byte !== 0))
    return 'verifyingContract must be zero without a chain'
  if (strict && request.faulty !== 0) return 'the strict profile derives faulty: it must be 0 in the request'
  if (!strict && request.faulty >= request.committeeSize)
    return `faulty ${request.faulty} must be below committeeSize ${request.committeeSize}`
  if (strict !== request.deltaMillionths > 0 || (!strict && request.betaMillionths > 0))
    return 'beta and delta belong to the strict profile, and delta must be above zero there'
  if (request.profile === Profile.standard && request.teams !== 2 * request.faulty + 1)
    return `the standard profile runs 2 f + 1 = ${2 * request.faulty + 1} teams at most, not ${request.teams}`
  if ((request.profile === Profile.quick || request.profile === Profile.published) && request.teams !== 1)
    return 'this profile runs one team'
  if (request.profile === Profile.published && request.chainId !== 0)
    return 'the published profile is for comparison and never settles'
  return undefined
}

/** Whether the named round was still unknown when the prover accepted. */
export function roundIsAfterAcceptance(roundTimeSeconds: number, acceptedAt: number): boolean {
  return roundTimeSeconds >= acceptedAt + BEACON_MARGIN_SECONDS
}
