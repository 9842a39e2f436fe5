/**
 * What lies on the disk and is read again: accounts of channels, evidence for audits, records of peers, challenges and the
 * history, sent transactions, the watchers' cursors. A damaged one is refused in one line or left out, and never believed
 * to be another.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCursor, encodeCursor } from '../../src/chain/cursor.js'
import { decodeRecord, encodeRecord, type TransactionRecord } from '../../src/chain/transaction-record.js'
import { type CborValue, decode, encode } from '../../src/crypto/cbor.js'
import { decodeAs, type Schema } from '../../src/crypto/cbor-schema.js'
import { decodeEvidence, encodeEvidence, type KeptEvidence } from '../../src/inference/audit/evidence.js'
import {
  decodePayeeAccount,
  decodePayerAccount,
  encodePayeeAccount,
  encodePayerAccount,
} from '../../src/inference/payment/account-codec.js'
import { paymentDomain, ReceiptKind, signReceipt, signVoucher } from '../../src/inference/payment/index.js'
import { historyRecord } from '../../src/store/history.js'
import { challengeRecord, peerRecord } from '../../src/store/records.js'
import { identityOf } from '../support/challenge-builder.js'
import { hostileJson } from '../support/json-mutations.js'
import { assaultCodec, fewRuns } from '../support/mutations.js'

const hash = (byte: number) => new Uint8Array(32).fill(byte)
const [payer, payee] = [identityOf('payer'), identityOf('payee')]
const domain = paymentDomain(31337, identityOf('contract').address)
const voucher = signVoucher(
  domain,
  { channelId: hash(1), amountWei: 50n, receipts: 2, receiptsHead: hash(8) },
  payer,
)
const common = {
  ...{ channelId: hash(1), nonce: 1, depositWei: 1000n, endsAt: 2_000_000_000, head: hash(8), totalWei: 50n },
  voucher,
}
const payerAccount = encodePayerAccount({
  ...common,
  payee: payee.address,
  receipts: 2,
  asked: [{ jobId: hash(3), model: hash(4), input: hash(5), terms: hash(6), maxPriceWei: 10n }],
  undelivered: [{ jobId: hash(3), receipt: hash(9), priceWei: 5n, output: hash(7) }],
})
const payeeAccount = encodePayeeAccount({
  ...common,
  payer: payer.address,
  redeemedWei: 10n,
  issued: 2,
  committedWei: 20n,
  unpaid: [{ index: 2, digest: hash(9), totalWei: 50n }],
  owed: [{ jobId: hash(3), index: 2, digest: hash(9), priceWei: 5n }],
  forgivenWei: 7n,
  running: [],
})
const receipt = signReceipt(
  domain,
  {
    ...{ channelId: hash(1), index: 2, previous: hash(2), kind: ReceiptKind.job, jobId: hash(3) },
    ...{ model: hash(4), input: hash(5), terms: hash(6), output: hash(7), units: 3 },
    ...{ priceWei: 30n, totalWei: 50n, issuedAt: 1_900_000_000 },
  },
  payee,
)
const kept: KeptEvidence = {
  domain,
  provider: payee.publicKey,
  receipt,
  terms: Uint8Array.of(1),
  input: Uint8Array.of(2, 3),
  output: new Uint8Array(0),
}

interface Codec {
  readonly name: string
  readonly genuine: CborValue
  readonly decode: (bytes: Uint8Array) => unknown
  readonly encode: (value: never) => Uint8Array
}
const recordCodec = (name: string, schema: Schema<unknown>, genuine: CborValue): Codec => ({
  name,
  genuine,
  decode: (bytes) => decodeAs(schema, bytes, name, { maxBytes: 2 * 2 ** 20 }),
  encode: (value: CborValue) => encode(value),
})
const CODECS: readonly Codec[] = [
  {
    name: "a payer's account",
    genuine: decode(payerAccount),
    decode: decodePayerAccount,
    encode: encodePayerAccount,
  },
  {
    name: "a payee's account",
    genuine: decode(payeeAccount),
    decode: decodePayeeAccount,
    encode: encodePayeeAccount,
  },
  {
    name: 'evidence for an audit',
    genuine: decode(encodeEvidence(kept)),
    decode: decodeEvidence,
    encode: encodeEvidence,
  },
  recordCodec('the record of a peer', peerRecord, {
    peerId: payer.peerId,
    addresses: ['/ip4/203.0.113.7/tcp/4001'],
    roles: ['prover'],
    lastSeenMs: 1_900_000_000_000,
    score: -3,
    bannedUntilMs: 1_900_000_100_000,
  }),
  recordCodec('the record of a challenge', challengeRecord, {
    id: 'ab'.repeat(32),
    role: 'prover',
    phase: 'accepted',
    createdAtMs: 1,
    updatedAtMs: 2,
    body: Uint8Array.of(1, 2, 3),
  }),
  recordCodec('a record of the history', historyRecord, {
    challengeId: 'ab'.repeat(32),
    finishedAtMs: 1_900_000_000_000,
    role: 'payer',
    prover: payee.peerId,
    payer: payer.peerId,
    direction: 'down',
    profile: 'standard',
    ...{ claimKbps: 100_000, estimateKbps: 99_000, guaranteedKbps: 98_000, bytes: 35_000_000 },
    ...{ idleMicros: 12_000, loadedMicros: 42_000, flags: ['dirty_sender'] },
  }),
]

const transaction: TransactionRecord = {
  intent: 'open:0xab',
  what: 'opening the challenge',
  to: payee.address,
  data: '0x1234',
  value: 10n ** 18n,
  gas: 100_000n,
  nonce: 7,
  attempts: [{ hash: '0xab', raw: '0x02f8', maxFeePerGas: 10n ** 9n, maxPriorityFeePerGas: 1n }],
  sentAtMs: 1_900_000_000_000,
  state: 'mined',
  minedHash: '0xab',
}
const log = {
  ...{ address: payee.address, topics: ['0xab', '0xcd'], data: '0x', blockNumber: '120', blockHash: '0x01' },
  ...{ transactionHash: '0x02', logIndex: 3 },
}
const cursor = {
  number: 120n,
  hash: '0x01',
  blocks: [
    { number: 119n, hash: '0x00' },
    { number: 120n, hash: '0x01' },
  ],
  logs: [log],
}

describe('on the disk', () => {
  it.each(CODECS)('$name survives damage', ({ genuine, ...codec }) => {
    expect(assaultCodec(genuine, codec, fewRuns(0.05))).toBeGreaterThan(0)
  })

  it.each([
    {
      name: 'a sent transaction',
      genuine: encodeRecord(transaction),
      read: decodeRecord,
      write: (value: never) => encodeRecord(value),
    },
    {
      name: 'a cursor',
      genuine: encodeCursor(cursor),
      read: decodeCursor,
      write: (value: never) => encodeCursor(value),
    },
  ])('$name survives damage: it is read, or it is not', ({ genuine, read, write }) => {
    const text = new TextDecoder().decode(genuine)
    expect(write(read(genuine) as never)).toEqual(genuine)
    let taken = 0
    fc.assert(
      fc.property(hostileJson(JSON.parse(text)), (json) => {
        const found = read(new TextEncoder().encode(json))
        if (found === undefined) return
        taken++
        // What was taken is written and read alike from then on.
        expect(read(write(found as never))).toEqual(found)
      }),
      { numRuns: fewRuns(0.25) },
    )
    expect(taken).toBeGreaterThan(0)
  })
})
