/** Registries of made-up candidates for tests of the draw. */
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { RegistryEntry } from '../../src/pob/registry.js'
import { Direction, Profile, type ProfileName, type Request } from '../../src/pob/request.js'
import { identityOf } from './challenge-builder.js'

/** Candidate i: an operator, a prefix and a key of its own; fast. */
export function candidate(i: number, change: Partial<RegistryEntry> = {}): RegistryEntry {
  return {
    publicKey: identityOf(`candidate ${i}`).publicKey,
    operator: `operator ${i}`,
    host: `10.${i >> 8}.${i & 255}.1`,
    udpPort: 4000,
    addresses: [],
    uplinkKbps: 10_000_000,
    ...change,
  }
}

export function candidates(
  count: number,
  change: (i: number) => Partial<RegistryEntry> = () => ({}),
): RegistryEntry[] {
  return Array.from({ length: count }, (_, i) => candidate(i, change(i)))
}

export function requestFor(profile: ProfileName, change: Partial<Request> = {}): Request {
  const strict = profile === 'strict'
  const single = profile === 'quick' || profile === 'published'
  const faulty = change.faulty ?? (strict ? 0 : 2)
  return {
    version: 1,
    chainId: 0,
    verifyingContract: new Uint8Array(20),
    prover: identityOf('prover').publicKey,
    payer: identityOf('payer').publicKey,
    coordinator: identityOf('coordinator').publicKey,
    direction: Direction.down,
    profile: Profile[profile],
    claimKbps: 100_000,
    committeeSize: 10,
    faulty,
    teams: single ? 1 : strict ? 5 : 2 * faulty + 1,
    betaMillionths: strict ? 100_000 : 0,
    deltaMillionths: strict ? 50_000 : 0,
    registryHash: sha256(utf8ToBytes('registry')),
    beaconChain: sha256(utf8ToBytes('beacon')),
    beaconRound: 1,
    expiresAt: 1_750_000_000,
    salt: sha256(utf8ToBytes('salt')),
    ...change,
  }
}
