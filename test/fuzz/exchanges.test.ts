/** Every message of paid jobs, both ways: refused in one line, or read into what encodes to the same bytes. */
import { describe, expect, it } from 'vitest'
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { decodeAs, type Schema } from '../../src/crypto/cbor-schema.js'
import * as messages from '../../src/inference/network/messages.js'
import { asError, type Refused } from '../../src/inference/network/messages.js'
import {
  paymentDomain,
  ReceiptKind,
  readReceipt,
  readVoucher,
  receiptToCbor,
  signReceipt,
  signVoucher,
  voucherToCbor,
} from '../../src/inference/payment/index.js'
import type { Exchange } from '../../src/p2p/index.js'
import { identityOf } from '../support/challenge-builder.js'
import { assaultCodec, fewRuns, isOneLine, readOrRefuse } from '../support/mutations.js'

const hash = (byte: number) => new Uint8Array(32).fill(byte)
const domain = paymentDomain(31337, identityOf('contract').address)
const receipt = receiptToCbor(
  signReceipt(
    domain,
    {
      ...{ channelId: hash(1), index: 2, previous: hash(2), kind: ReceiptKind.job, jobId: hash(3) },
      ...{ model: hash(4), input: hash(5), terms: hash(6), output: hash(7), units: 3 },
      ...{ priceWei: 30n, totalWei: 50n, issuedAt: 1_900_000_000 },
    },
    identityOf('payee'),
  ),
)
const voucher = voucherToCbor(
  signVoucher(
    domain,
    { channelId: hash(1), amountWei: 50n, receipts: 2, receiptsHead: hash(8) },
    identityOf('payer'),
  ),
)
const refused: Refused = {
  kind: 'refused',
  code: 'DENIED',
  message: 'too little',
  retryAfterSeconds: 3,
  haveWei: '1',
  needWei: '20',
}
const bytes = Uint8Array.of(1, 2, 3)

/** Genuine requests and answers of each message. */
const GENUINE: Readonly<
  Record<string, readonly [requests: readonly unknown[], answers: readonly unknown[]]>
> = {
  offer: [[null], [{ offer: bytes }, {}]],
  job: [
    [{ jobId: hash(3), model: hash(4), terms: bytes, input: bytes, channelId: hash(1) }],
    [{ kind: 'receipt', receipt, runMs: 120 }, { kind: 'output', output: bytes, runMs: 120 }, refused],
  ],
  'job-pay': [
    [{ jobId: hash(3), voucher }],
    [{ kind: 'output', output: bytes }, { kind: 'credited', receipts: [receipt] }, refused],
  ],
  'job-have': [[{ channelId: hash(1), jobIds: [hash(3), hash(4)] }], [null]],
  'job-sync': [
    [{ channelId: hash(1), voucher, from: 2, asked: [hash(3)] }],
    [{ receipts: [receipt], unknown: [hash(3)], owed: [] }],
  ],
  'receipts-of': [
    [{ channels: [{ channelId: hash(1), from: 1 }] }],
    [{ answers: [{ receipts: [receipt, receipt] }, {}] }],
  ],
  evidence: [
    [{ receipt: hash(9) }],
    [
      { kind: 'evidence', terms: bytes, input: bytes, output: bytes },
      { kind: 'optedOut', terms: bytes },
      refused,
    ],
  ],
  findings: [
    [
      { provider: identityOf('payee').publicKey },
      { provider: identityOf('payee').publicKey, after: hash(9) },
    ],
    [{ findings: [bytes, bytes] }, { findings: [] }],
  ],
}

const isExchange = (value: unknown): value is Exchange<unknown, unknown> =>
  typeof value === 'object' && value !== null && 'maxRequestBytes' in value
const all = (Object.values(messages) as readonly unknown[]).filter(isExchange)

interface Side {
  readonly name: string
  readonly schema: Schema<unknown>
  readonly maxBytes: number
  readonly genuine: CborValue
}
const sides = all.flatMap(({ name, request, response, maxRequestBytes, maxResponseBytes }): Side[] => {
  const [asked = [], answered = []] = GENUINE[name] ?? []
  return [
    ...asked.map((genuine, i) => ({
      name: `${name} request ${i}`,
      schema: request,
      maxBytes: maxRequestBytes,
      genuine: genuine as CborValue,
    })),
    ...answered.map((genuine, i) => ({
      name: `${name} answer ${i}`,
      schema: response,
      maxBytes: maxResponseBytes,
      genuine: genuine as CborValue,
    })),
  ]
})

describe('messages of paid jobs', () => {
  it('are those of docs/inference.md', () => {
    expect(all.map(({ name }) => name).sort()).toEqual(Object.keys(GENUINE).sort())
  })

  it.each(sides)('$name', ({ name, schema, maxBytes, genuine }) => {
    const decode = (message: Uint8Array) => decodeAs(schema, message, name, { maxBytes })
    assaultCodec(genuine, { decode, encode: (read) => encode(read as CborValue) }, fewRuns(0.02))
    expect(readOrRefuse(() => decode(new Uint8Array(maxBytes + 1)))).toBe('refused')
  })

  it.each([
    { name: 'a receipt', genuine: receipt, read: readReceipt, write: receiptToCbor },
    { name: 'a voucher', genuine: voucher, read: readVoucher, write: voucherToCbor },
  ])('$name in them', ({ genuine, read, write }) => {
    const schema: Schema<never> = { read: (value, path) => read(value, path) as never }
    const codec = {
      decode: (message: Uint8Array) => decodeAs(schema, message, 'it'),
      encode: (value: never) => encode(write(value)),
    }
    expect(assaultCodec(genuine, codec, fewRuns(0.1))).toBeGreaterThan(0)
  })

  it('a refusal is told in one line, whatever its words', () => {
    const words = ['\n', '\u001b[2J', '\u0000'.repeat(300), '\u202e', '\u2028', 'x'.repeat(300)]
    for (const message of words)
      expect(isOneLine(asError({ ...refused, message }, '12D3KooW').line)).toBe(true)
  })
})
