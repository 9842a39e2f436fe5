/** EIP-712 against viem, for any structure of the types the protocol uses. */
import { bytesToHex } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { hashDomain, hashTypedData } from 'viem'
import { describe, expect, it } from 'vitest'
import {
  domainSeparator,
  type FieldType,
  type FieldValue,
  typedDigest,
  typeString,
} from '../../../src/crypto/eip712.js'

const hex = (bytes: Uint8Array): `0x${string}` => `0x${bytesToHex(bytes)}`

const VALUES: Readonly<Record<FieldType, fc.Arbitrary<FieldValue>>> = {
  address: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  bytes32: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  'bytes32[]': fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 4 }),
  uint8: fc.integer({ min: 0, max: 2 ** 8 - 1 }),
  uint16: fc.integer({ min: 0, max: 2 ** 16 - 1 }),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  uint64: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  'uint64[]': fc.array(fc.maxSafeNat(), { maxLength: 5 }),
  uint96: fc.bigInt({ min: 0n, max: 2n ** 96n - 1n }),
  uint256: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
}
const fieldTypes = Object.keys(VALUES) as FieldType[]

const field = fc
  .constantFrom(...fieldTypes)
  .chain((type) => VALUES[type].map((value): readonly [FieldType, FieldValue] => [type, value]))
const domain = fc.record({
  chainId: fc.maxSafeNat(),
  verifyingContract: fc.uint8Array({ minLength: 20, maxLength: 20 }),
})

const forViem = (value: FieldValue): unknown =>
  value instanceof Uint8Array
    ? hex(value)
    : Array.isArray(value)
      ? value.map((item: Uint8Array | number) => forViem(item))
      : BigInt(value as number | bigint)

describe('typedDigest', () => {
  it('agrees with viem on every structure', () => {
    fc.assert(
      fc.property(domain, fc.array(field, { minLength: 1, maxLength: 8 }), (where, drawn) => {
        const fields = drawn.map(([type, value], i) => ({ type, name: `field${i}`, value }))
        const structure = { name: 'Anything', fields: fields.map(({ type, name }) => [type, name] as const) }
        const ours = typedDigest(
          where,
          structure,
          Object.fromEntries(fields.map(({ name, value }) => [name, value])),
        )
        const theirs = hashTypedData({
          domain: {
            name: 'plumbline',
            version: '1',
            chainId: where.chainId,
            verifyingContract: hex(where.verifyingContract),
          },
          types: { Anything: fields.map(({ type, name }) => ({ type, name })) },
          primaryType: 'Anything',
          message: Object.fromEntries(fields.map(({ name, value }) => [name, forViem(value)])),
        })
        expect(hex(ours)).toBe(theirs)
      }),
      { numRuns: 200 },
    )
  })

  it('has the domain separator of viem', () => {
    const verifyingContract = new Uint8Array(20).fill(9)
    const theirs = hashDomain({
      domain: { name: 'plumbline', version: '1', chainId: 137n, verifyingContract: hex(verifyingContract) },
      types: {
        EIP712Domain: [
          { name: 'name', type: 'string' },
          { name: 'version', type: 'string' },
          { name: 'chainId', type: 'uint256' },
          { name: 'verifyingContract', type: 'address' },
        ],
      },
    })
    expect(hex(domainSeparator({ chainId: 137, verifyingContract }))).toBe(theirs)
  })

  const where = { chainId: 0, verifyingContract: new Uint8Array(20) }
  const digest = (type: FieldType, value: FieldValue | undefined) =>
    typedDigest(where, { name: 'One', fields: [[type, 'it']] }, value === undefined ? {} : { it: value })

  it('refuses what does not fit, by name', () => {
    expect(() => digest('uint8', 256)).toThrow('One.it does not fit uint8')
    expect(() => digest('uint64', -1)).toThrow('One.it does not fit uint64')
    expect(() => digest('uint256', 2n ** 256n)).toThrow('One.it does not fit uint256')
    expect(() => digest('uint16', 1.5)).toThrow()
    expect(() => digest('bytes32', new Uint8Array(31))).toThrow('One.it must be 32 bytes')
    expect(() => digest('address', new Uint8Array(32))).toThrow('One.it must be 20 bytes')
    expect(() => digest('bytes32[]', new Uint8Array(32))).toThrow('One.it must be an array')
    expect(() => digest('uint32', new Uint8Array(4))).toThrow('One.it must be an integer')
    expect(() => digest('uint8', undefined)).toThrow('One.it is missing')
  })

  it('writes types as the standard does', () => {
    const fields = [
      ['address', 'to'],
      ['uint64[]', 'times'],
    ] as const
    expect(typeString({ name: 'Mail', fields })).toBe('Mail(address to,uint64[] times)')
  })
})
