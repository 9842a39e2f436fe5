/** Registry snapshots (docs/protocol.md section 4). */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { encode } from '../crypto/cbor.js'
import { array, bytes, type Infer, integer, object, read, text } from '../crypto/cbor-schema.js'
import { typedDigest } from '../crypto/eip712.js'
import { type Signer, verifySignature } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import { MAX_CLAIM_KBPS } from './constants.js'
import { isPublicKey, sameBytes } from './party.js'
import { isHostLiteral } from './prefix.js'
import { LOCAL_DOMAIN, REGISTRY } from './structures.js'

const MAX_ENTRIES = 100_000
const MAX_ADDRESSES = 8

export const registryEntrySchema = object({
  publicKey: bytes({ length: 33 }),
  operator: text({ min: 1, max: 64 }),
  host: text({ min: 2, max: 45 }),
  udpPort: integer({ min: 1, max: 65_535 }),
  addresses: array(text({ max: 200 }), { max: MAX_ADDRESSES }),
  uplinkKbps: integer({ min: 1, max: MAX_CLAIM_KBPS }),
})
export type RegistryEntry = Infer<typeof registryEntrySchema>
const entriesSchema = array(registryEntrySchema, { max: MAX_ENTRIES })

export interface Registry {
  readonly entries: readonly RegistryEntry[]
  /** SHA-256 of the sorted entries' CBOR. */
  readonly hash: Uint8Array
  /** The key that vouches for this snapshot; undefined where it was built here. */
  readonly publisher: Uint8Array | undefined
}

function byPublicKey(a: RegistryEntry, b: RegistryEntry): number {
  return Buffer.compare(a.publicKey, b.publicKey)
}

/** In the order given, so that an error names the place in the file. */
function readEntries(entries: unknown): RegistryEntry[] {
  try {
    return [...read(entriesSchema, entries, 'entries')]
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw badRegistry(`is malformed: ${error.message}`)
  }
}

/** @throws UserError BAD_CONFIG on a doubled or impossible key, ill-formed text or a host that is no IP address. */
export function buildRegistry(entries: readonly RegistryEntry[], publisher?: Uint8Array): Registry {
  const sorted = readEntries([...entries]).sort(byPublicKey)
  sorted.forEach((entry, i) => {
    const previous = sorted[i - 1]
    if (previous !== undefined && sameBytes(previous.publicKey, entry.publicKey))
      throw badRegistry(`holds the key ${bytesToHex(entry.publicKey)} twice`)
    if (!isPublicKey(entry.publicKey))
      throw badRegistry(`has the key ${bytesToHex(entry.publicKey)}, which is no point of the curve`)
    if (!isHostLiteral(entry.host))
      throw badRegistry(`has the host ${JSON.stringify(entry.host)}, which is no IP address`)
    // JSON can hold lone surrogates; CBOR text cannot.
    if ([entry.operator, ...entry.addresses].some((text) => /\p{Surrogate}/u.test(text)))
      throw badRegistry(`has text that is not well-formed at key ${bytesToHex(entry.publicKey)}`)
  })
  return { entries: sorted, hash: sha256(encode(sorted)), publisher }
}

function badRegistry(what: string): UserError {
  return new UserError(`the registry ${what}`, {
    code: 'BAD_CONFIG',
    remedy: 'get a fresh copy from its publisher',
  })
}

interface RegistryFile {
  readonly format: 'plumbline-registry'
  readonly version: 1
  readonly entries: readonly (Omit<RegistryEntry, 'publicKey'> & { readonly publicKey: string })[]
  readonly publisher: string
  readonly signature: string
}

function registryDigest(hash: Uint8Array): Uint8Array {
  return typedDigest(LOCAL_DOMAIN, REGISTRY, { registryHash: hash })
}

/** The registry file's JSON text, signed by its publisher. */
export function signRegistry(entries: readonly RegistryEntry[], publisher: Signer): string {
  const registry = buildRegistry(entries)
  const file: RegistryFile = {
    format: 'plumbline-registry',
    version: 1,
    entries: registry.entries.map((entry) => ({ ...entry, publicKey: bytesToHex(entry.publicKey) })),
    publisher: bytesToHex(publisher.publicKey),
    signature: bytesToHex(publisher.sign(registryDigest(registry.hash))),
  }
  return `${JSON.stringify(file, null, 2)}\n`
}

function hexField(value: unknown, length: number, name: string): Uint8Array {
  if (typeof value !== 'string' || !/^(0x)?([0-9a-fA-F]{2})*$/.test(value))
    throw badRegistry(`has no hexadecimal ${name}`)
  const out = hexToBytes(value.replace(/^0x/, ''))
  if (out.length !== length) throw badRegistry(`has a ${name} of ${out.length} bytes instead of ${length}`)
  return out
}

/**
 * Reads and checks a registry file. Whether its publisher is to be trusted is the caller's question.
 * @throws UserError BAD_CONFIG
 */
export function parseRegistry(json: string): Registry {
  let file: Partial<Record<keyof RegistryFile, unknown>>
  try {
    file = JSON.parse(json) as typeof file
  } catch {
    throw badRegistry('is no JSON')
  }
  if (file === null || typeof file !== 'object' || file.format !== 'plumbline-registry' || file.version !== 1)
    throw badRegistry('is not in the format plumbline-registry, version 1')
  if (!Array.isArray(file.entries)) throw badRegistry('has no list of entries')
  const publisher = hexField(file.publisher, 33, 'publisher')
  const entries = file.entries.map((entry: unknown, i): unknown => {
    if (entry === null || typeof entry !== 'object') throw badRegistry(`has no object at entry ${i}`)
    return {
      ...entry,
      publicKey: hexField((entry as { publicKey?: unknown }).publicKey, 33, `publicKey at entry ${i}`),
    }
  })
  const registry = buildRegistry(entries as RegistryEntry[], publisher)
  const signed = verifySignature(
    publisher,
    registryDigest(registry.hash),
    hexField(file.signature, 65, 'signature'),
  )
  if (!signed) throw badRegistry("does not carry its publisher's signature")
  return registry
}
