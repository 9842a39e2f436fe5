/** Vouchers and receipts byte for byte: EIP-712 against viem, the numbers of docs/inference.md, and the wire. */
import { bytesToHex } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { hashTypedData } from 'viem'
import { describe, expect, it } from 'vitest'
import { decode, encode } from '../../../../src/crypto/cbor.js'
import { Identity } from '../../../../src/crypto/identity.js'
import {
  isContradiction,
  isReceiptOf,
  isVoucherOf,
  paymentDomain,
  RECEIPT,
  type Receipt,
  ReceiptKind,
  readReceipt,
  readVoucher,
  receiptDigest,
  receiptToCbor,
  signReceipt,
  signVoucher,
  VOUCHER,
  type Voucher,
  voucherDigest,
  voucherToCbor,
} from '../../../../src/inference/payment/index.js'
import { bytes32, CONTRACT, DOMAIN } from './support.js'

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
const count = fc.maxSafeNat()
const wei = fc.bigInt({ min: 0n, max: 2n ** 96n - 1n })
const voucher: fc.Arbitrary<Voucher> = fc.record({
  channelId: hash,
  amountWei: wei,
  receipts: count,
  receiptsHead: hash,
})
const receipt: fc.Arbitrary<Receipt> = fc.record({
  channelId: hash,
  index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  previous: hash,
  kind: fc.constantFrom(ReceiptKind.job, ReceiptKind.credit),
  jobId: hash,
  model: hash,
  input: hash,
  terms: hash,
  output: hash,
  units: count,
  priceWei: wei,
  totalWei: wei,
  issuedAt: count,
})
const hex = (bytes: Uint8Array): `0x${string}` => `0x${bytesToHex(bytes)}`
const viemDigest = (structure: typeof VOUCHER, values: object) =>
  hashTypedData({
    domain: { name: 'plumbline', version: '1', chainId: 31337, verifyingContract: CONTRACT },
    types: { [structure.name]: structure.fields.map(([type, name]) => ({ type, name })) },
    primaryType: structure.name,
    message: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        value instanceof Uint8Array ? hex(value) : BigInt(value as number | bigint),
      ]),
    ),
  })
const alice = Identity.fromSecret(bytes32(0xa11ce))

describe('vouchers and receipts', () => {
  it('have the digests of viem', () => {
    fc.assert(
      fc.property(voucher, receipt, (v, r) => {
        expect(hex(voucherDigest(DOMAIN, v))).toBe(viemDigest(VOUCHER, v))
        expect(hex(receiptDigest(DOMAIN, r))).toBe(viemDigest(RECEIPT, r))
      }),
      { numRuns: 50 },
    )
  })

  it('have the digests that docs/inference.md states', () => {
    const channelId = new Uint8Array(32).fill(0x12)
    const r: Receipt = {
      channelId,
      index: 1,
      previous: new Uint8Array(32),
      kind: ReceiptKind.job,
      jobId: new Uint8Array(32).fill(0x01),
      model: new Uint8Array(32).fill(0x02),
      input: new Uint8Array(32).fill(0x03),
      terms: new Uint8Array(32).fill(0x04),
      output: new Uint8Array(32).fill(0x05),
      units: 10_000,
      priceWei: 250_000_000_000_000n,
      totalWei: 250_000_000_000_000n,
      issuedAt: 1_800_000_000,
    }
    const head = receiptDigest(DOMAIN, r)
    expect(hex(head)).toBe('0x0f59dc65dd718cd41c42927a018c4e2e5513b6a47818dffb3d1a3717d1fcd879')
    const v = { channelId, amountWei: r.totalWei, receipts: 1, receiptsHead: head }
    expect(hex(voucherDigest(DOMAIN, v))).toBe(
      '0x28b63bc1d76b4f10d2772b6b2e8ec562f6e9a4b5f7cf5c354dab7661872f7e6e',
    )
    expect(hex(signVoucher(DOMAIN, v, alice).signature)).toBe(
      '0x3d1d8dad66808b63ca5d300c5b44c1992afd002932d7d95c04f2a8898ec1d64b779835f40fce7b72cdd8147a9cf3101ef9169ea0edf61a6505d9e0f18793fb1b1b',
    )
  })

  it('pass the wire unchanged, and only as what they are', () => {
    fc.assert(
      fc.property(voucher, receipt, (v, r) => {
        const [signedVoucher, signedReceipt] = [signVoucher(DOMAIN, v, alice), signReceipt(DOMAIN, r, alice)]
        expect(readVoucher(decode(encode(voucherToCbor(signedVoucher))))).toEqual(signedVoucher)
        expect(readReceipt(decode(encode(receiptToCbor(signedReceipt))))).toEqual(signedReceipt)
        expect(() => readVoucher(receiptToCbor(signedReceipt))).toThrow(/unknown key/)
      }),
      { numRuns: 20 },
    )
    const signed = signVoucher(DOMAIN, { ...sample, amountWei: 5n }, alice)
    const wire = voucherToCbor(signed) as Record<string, unknown>
    for (const bad of [
      { ...wire, amountWei: 5 },
      { ...wire, amountWei: new Uint8Array(13) },
      { ...wire, signature: new Uint8Array(64) },
      { ...wire, receipts: -1 },
    ])
      expect(() => readVoucher(bad)).toThrow(/^voucher\./)
  })

  const sample: Voucher = {
    channelId: bytes32(1),
    amountWei: 7n,
    receipts: 2,
    receiptsHead: bytes32(3),
  }

  it('are worth nothing with a changed field, in another domain, or by another key', () => {
    const signed = signVoucher(DOMAIN, sample, alice)
    expect(isVoucherOf(DOMAIN, signed, alice.address)).toBe(true)
    for (const bent of [
      { ...signed, amountWei: 8n },
      { ...signed, receipts: 3 },
      { ...signed, channelId: bytes32(2) },
      { ...signed, receiptsHead: bytes32(4) },
    ])
      expect(isVoucherOf(DOMAIN, bent, alice.address)).toBe(false)
    expect(isVoucherOf(paymentDomain(1, CONTRACT), signed, alice.address)).toBe(false)
    const elsewhere = paymentDomain(31337, Identity.generate().address)
    expect(isVoucherOf(elsewhere, signed, alice.address)).toBe(false)
    expect(isVoucherOf(DOMAIN, signed, Identity.generate().address)).toBe(false)
  })

  it('convict a payee that signs two receipts for one place, and nobody else', () => {
    fc.assert(
      fc.property(receipt, (r) => {
        const other = { ...r, priceWei: r.priceWei ^ 1n }
        const [a, b] = [signReceipt(DOMAIN, r, alice), signReceipt(DOMAIN, other, alice)]
        expect(isReceiptOf(DOMAIN, a, alice.address)).toBe(true)
        expect(isContradiction(DOMAIN, a, b, alice.address)).toBe(true)
        expect(isContradiction(DOMAIN, a, a, alice.address)).toBe(false)
        const forged = signReceipt(DOMAIN, other, Identity.generate())
        expect(isContradiction(DOMAIN, a, forged, alice.address)).toBe(false)
        const next = signReceipt(DOMAIN, { ...other, index: r.index === 1 ? 2 : 1 }, alice)
        expect(isContradiction(DOMAIN, a, next, alice.address)).toBe(false)
      }),
      { numRuns: 10 },
    )
  })
})
