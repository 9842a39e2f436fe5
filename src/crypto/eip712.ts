/**
 * EIP-712 typed structured data, for flat structures of static types, `bytes32[]` and `uint64[]`: what the
 * protocol signs (docs/protocol.md section 1.2), so that a contract can check every signature.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'

export interface TypedDomain {
  /** 0 without a chain. */
  readonly chainId: number
  /** 20 bytes, zero without a chain. */
  readonly verifyingContract: Uint8Array
}

export type FieldType =
  | 'address'
  | 'bytes32'
  | 'bytes32[]'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'uint64[]'
  | 'uint96'
  | 'uint256'
export type FieldValue = Uint8Array | number | bigint | readonly Uint8Array[] | readonly number[]

export interface TypedStructure {
  readonly name: string
  readonly fields: readonly (readonly [type: FieldType, name: string])[]
}

const WORD_BYTES = 32
const domainTypeHash = keccak_256(
  utf8ToBytes('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'),
)
const domainName = keccak_256(utf8ToBytes('plumbline'))
const domainVersion = keccak_256(utf8ToBytes('1'))

/** `encodeType` of EIP-712: `Name(type field,...)`. */
export function typeString(structure: TypedStructure): string {
  return `${structure.name}(${structure.fields.map(([type, name]) => `${type} ${name}`).join(',')})`
}

function word(value: number | bigint, bits: number, name: string): Uint8Array {
  const integer = BigInt(value)
  if (integer < 0n || integer >> BigInt(bits) !== 0n) throw new RangeError(`${name} does not fit uint${bits}`)
  const out = new Uint8Array(WORD_BYTES)
  let rest = integer
  for (let i = WORD_BYTES - 1; rest > 0n; i--) {
    out[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return out
}

function fixed(value: FieldValue, length: number, name: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length)
    throw new RangeError(`${name} must be ${length} bytes`)
  const out = new Uint8Array(WORD_BYTES)
  out.set(value, WORD_BYTES - length)
  return out
}

function encodeField(type: FieldType, value: FieldValue, name: string): Uint8Array {
  if (type === 'address') return fixed(value, 20, name)
  if (type === 'bytes32') return fixed(value, WORD_BYTES, name)
  if (type.endsWith('[]')) {
    if (!Array.isArray(value)) throw new RangeError(`${name} must be an array`)
    const element = type.slice(0, -2) as FieldType
    return keccak_256(
      concatBytes(...value.map((item: Uint8Array | number) => encodeField(element, item, name))),
    )
  }
  if (typeof value !== 'number' && typeof value !== 'bigint')
    throw new RangeError(`${name} must be an integer`)
  return word(value, Number(type.slice(4)), name)
}

/** The domain separator of `plumbline`, version 1. */
export function domainSeparator(domain: TypedDomain): Uint8Array {
  return kept(separators, domain, () =>
    keccak_256(
      concatBytes(
        domainTypeHash,
        domainName,
        domainVersion,
        word(domain.chainId, 256, 'chainId'),
        fixed(domain.verifyingContract, 20, 'verifyingContract'),
      ),
    ),
  )
}

const typeHash = (structure: TypedStructure): Uint8Array =>
  kept(typeHashes, structure, () => keccak_256(utf8ToBytes(typeString(structure))))

/** Half of the hashing of a digest: the same for all that one contract and one structure see. */
const separators = new WeakMap<TypedDomain, Uint8Array>()
const typeHashes = new WeakMap<TypedStructure, Uint8Array>()

function kept<K extends object>(table: WeakMap<K, Uint8Array>, key: K, make: () => Uint8Array): Uint8Array {
  const known = table.get(key)
  if (known !== undefined) return known
  const made = make()
  table.set(key, made)
  return made
}

/**
 * The 32-byte digest that is signed.
 * @throws RangeError where a value does not fit its field: the caller decoded its input without a schema.
 */
export function typedDigest(
  domain: TypedDomain,
  structure: TypedStructure,
  values: Readonly<Record<string, FieldValue>>,
): Uint8Array {
  const words = structure.fields.map(([type, name]) => {
    const value = values[name]
    if (value === undefined) throw new RangeError(`${structure.name}.${name} is missing`)
    return encodeField(type, value, `${structure.name}.${name}`)
  })
  const structHash = keccak_256(concatBytes(typeHash(structure), ...words))
  return keccak_256(concatBytes(Uint8Array.of(0x19, 0x01), domainSeparator(domain), structHash))
}
