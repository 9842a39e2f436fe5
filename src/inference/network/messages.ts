/** The exchanges of a paid job (docs/inference.md), each a request and an answer; those of every job share a stream. */
import type { CborValue } from '../../crypto/cbor.js'
import {
  array,
  boolean,
  bytes,
  enumeration,
  type Infer,
  integer,
  nothing,
  object,
  optional,
  type Schema,
  text,
  union,
} from '../../crypto/cbor-schema.js'
import { PUBLIC_KEY_BYTES } from '../../crypto/identity.js'
import { type ErrorCode, UserError } from '../../errors.js'
import type { Exchange } from '../../p2p/index.js'
import { MAX_FINDING_BYTES } from '../audit/finding.js'
import { receiptSchema } from '../payment/receipt.js'
import { voucherSchema } from '../payment/voucher.js'
import { MAX_INPUT_BYTES, MAX_OUTPUT_BYTES } from './job-codec.js'
import { MAX_OFFER_BYTES } from './offer.js'

const hash = bytes({ length: 32 })
const SMALL_BYTES = 16_384
/** Waiting in line included. */
export const JOB_DEADLINE_MS = 330_000
const QUICK_MS = 20_000
/** Jobs of one client at once; a long one is a stream. */
const MAX_STREAMS = 64
const MAX_JOBS = 4096
/** Receipts of a channel in one answer: 600 bytes each. */
export const RECEIPTS_AT_ONCE = 100
/** Of all channels that an auditor asks for at once. */
export const RECEIPTS_IN_ALL = 400
/** Most of them have nothing new. */
export const CHANNELS_AT_ONCE = 256

/** A paying client sends a handful of exchanges a job. */
const PEER_RATE = { perSecond: 500, burst: 1000 }
const TOTAL_RATE = { perSecond: 3000, burst: 5000 }
/** What a paying client asks all the time. */
const often = {
  ratePerPeer: PEER_RATE,
  rateTotal: TOTAL_RATE,
  maxStreams: MAX_STREAMS,
  sharesStream: true,
} as const

/** Why not, in words, and in figures where they help. */
const refusedSchema = object({
  kind: enumeration('refused'),
  code: enumeration(
    'BAD_ARGUMENT',
    'BUSY',
    'DENIED',
    'NOT_FOUND',
    'TIMEOUT',
    'UNAVAILABLE',
    'VERIFICATION_FAILED',
  ),
  message: text({ max: 300 }),
  retryAfterSeconds: optional(integer({ max: 86_400 })),
  haveWei: optional(text({ max: 40, pattern: /^\d+$/ })),
  needWei: optional(text({ max: 40, pattern: /^\d+$/ })),
})
export type Refused = Infer<typeof refusedSchema>

/** Amounts in receipts and vouchers are 12 bytes on the wire: messages hold what `...ToCbor` makes, and read it later. */
const asCbor = (schema: Schema<unknown>): Schema<CborValue> => ({
  read: (value, path) => {
    schema.read(value, path)
    return value as CborValue
  },
})
const receipts = array(asCbor(receiptSchema), { max: RECEIPTS_AT_ONCE })

/** The signed offer as it is, null where there is none at the moment. */
export const OFFER_MESSAGE: Exchange<null, { readonly offer?: Uint8Array }> = {
  name: 'offer',
  request: nothing,
  response: object({ offer: optional(bytes({ max: MAX_OFFER_BYTES })) }),
  maxRequestBytes: 64,
  maxResponseBytes: MAX_OFFER_BYTES + 64,
  deadlineMs: QUICK_MS,
  ratePerPeer: { perSecond: 1, burst: 10 },
}

const jobRequest = object({
  jobId: hash,
  /** SHA-256 of the model. */
  model: hash,
  /** As in job-codec.ts; hashed as they are. */
  terms: bytes({ max: SMALL_BYTES }),
  input: bytes({ max: MAX_INPUT_BYTES + 1024 }),
  /** What pays; absent where the job is free. */
  channelId: optional(hash),
})
export type JobRequest = Infer<typeof jobRequest>

const runMs = integer({ max: 2 ** 32 })
const output = bytes({ max: MAX_OUTPUT_BYTES + 1024 })
const jobAnswer = union('kind', {
  /** It ran: pay, and the output comes. */
  receipt: object({ kind: enumeration('receipt'), receipt: asCbor(receiptSchema), runMs }),
  /** It ran, and was free. */
  output: object({ kind: enumeration('output'), output, runMs }),
  /** No receipt for it will come. */
  refused: refusedSchema,
})
export type JobReply = Infer<typeof jobAnswer>

export const JOB_MESSAGE: Exchange<JobRequest, JobReply> = {
  name: 'job',
  request: jobRequest,
  response: jobAnswer,
  maxRequestBytes: MAX_INPUT_BYTES + SMALL_BYTES + 2048,
  maxResponseBytes: MAX_OUTPUT_BYTES + 4096,
  deadlineMs: JOB_DEADLINE_MS,
  ...often,
}

const payRequest = object({ jobId: hash, voucher: asCbor(voucherSchema) })
const payAnswer = union('kind', {
  output: object({ kind: enumeration('output'), output }),
  /** The output was lost: its price is taken off again. */
  credited: object({ kind: enumeration('credited'), receipts }),
  refused: refusedSchema,
})

export const PAY_MESSAGE: Exchange<Infer<typeof payRequest>, Infer<typeof payAnswer>> = {
  name: 'job-pay',
  request: payRequest,
  response: payAnswer,
  maxRequestBytes: SMALL_BYTES,
  maxResponseBytes: MAX_OUTPUT_BYTES + 4096,
  deadlineMs: 60_000,
  answersIn: 'paid',
  ...often,
}

const haveRequest = object({ channelId: hash, jobIds: array(hash, { max: MAX_JOBS }) })

/** The client has these outputs. */
export const HAVE_MESSAGE: Exchange<Infer<typeof haveRequest>, null> = {
  name: 'job-have',
  request: haveRequest,
  response: nothing,
  maxRequestBytes: 2 ** 17,
  maxResponseBytes: 64,
  deadlineMs: QUICK_MS,
  ...often,
}

const syncRequest = object({
  channelId: hash,
  /** The newest one, where there is any. */
  voucher: optional(asCbor(voucherSchema)),
  /** Number of the first receipt that is missing. */
  from: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  /** Jobs that were asked for and have no receipt yet. */
  asked: array(hash, { max: MAX_JOBS }),
})
const syncAnswer = object({
  receipts,
  /** Of `asked`: no receipt for them will come. */
  unknown: array(hash, { max: MAX_JOBS }),
  /** Jobs whose outputs the provider believes to owe: tell it where they are there. */
  owed: array(hash, { max: MAX_JOBS }),
  /** The client's own newest one, where it names receipts that the client asks for: its ledger is older than the channel. */
  voucher: optional(asCbor(voucherSchema)),
  /** The client's voucher names receipts that the provider's ledger lacks: nothing more is sold in this channel. */
  isBehind: optional(boolean),
})

/** On a new connection, after a restart, and where a receipt is missing. */
export const SYNC_MESSAGE: Exchange<Infer<typeof syncRequest>, Infer<typeof syncAnswer>> = {
  name: 'job-sync',
  request: syncRequest,
  response: syncAnswer,
  maxRequestBytes: 2 ** 17,
  maxResponseBytes: 2 ** 19,
  deadlineMs: QUICK_MS,
  ...often,
}

const receiptsRequest = object({
  channels: array(object({ channelId: hash, from: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) }), {
    min: 1,
    max: CHANNELS_AT_ONCE,
  }),
})
/**
 * One answer for each channel, in the order of the request, none left out before {@link RECEIPTS_IN_ALL} leave no room for
 * another {@link RECEIPTS_AT_ONCE}. Without receipts: of a channel that is not known here.
 */
const receiptsAnswer = object({
  answers: array(object({ receipts: optional(receipts) }), { max: CHANNELS_AT_ONCE }),
})

/** What is new in channels: for auditors that the provider accepts, and of a channel of its own for its payer. */
export const RECEIPTS_MESSAGE: Exchange<Infer<typeof receiptsRequest>, Infer<typeof receiptsAnswer>> = {
  name: 'receipts-of',
  request: receiptsRequest,
  response: receiptsAnswer,
  maxRequestBytes: 2 ** 15,
  maxResponseBytes: 2 ** 19,
  deadlineMs: QUICK_MS,
  ratePerPeer: { perSecond: 2, burst: 20 },
  isHasteForgiven: true,
}

const evidenceAnswer = union('kind', {
  /** Of a job that the beacon drew. */
  evidence: object({
    kind: enumeration('evidence'),
    terms: bytes({ max: SMALL_BYTES }),
    input: bytes({ max: MAX_INPUT_BYTES + 1024 }),
    output: bytes({ max: MAX_OUTPUT_BYTES + 1024 }),
  }),
  /** Its payer wanted no audit: the terms, which the receipt names, say so. */
  optedOut: object({ kind: enumeration('optedOut'), terms: bytes({ max: SMALL_BYTES }) }),
  refused: refusedSchema,
})
export type EvidenceReply = Infer<typeof evidenceAnswer>

/** What belongs to a receipt that was drawn; for auditors that the provider accepts. */
export const EVIDENCE_MESSAGE: Exchange<{ readonly receipt: Uint8Array }, EvidenceReply> = {
  name: 'evidence',
  request: object({
    /** Its digest. */
    receipt: hash,
  }),
  response: evidenceAnswer,
  maxRequestBytes: 128,
  maxResponseBytes: MAX_INPUT_BYTES + MAX_OUTPUT_BYTES + 2 * SMALL_BYTES,
  deadlineMs: 60_000,
  ratePerPeer: { perSecond: 2, burst: 20 },
  isHasteForgiven: true,
}

/** In one answer. */
export const FINDINGS_AT_ONCE = 50

const findingsRequest = object({
  /** Public key of the provider that they are about. */
  provider: bytes({ length: PUBLIC_KEY_BYTES }),
  /** SHA-256 of the last one of the page before; absent for the first page. */
  after: optional(hash),
})

/** Signed findings about a provider, the newest first, from whoever keeps some: gossip carries only new ones. */
export const FINDINGS_MESSAGE: Exchange<
  Infer<typeof findingsRequest>,
  { readonly findings: readonly Uint8Array[] }
> = {
  name: 'findings',
  request: findingsRequest,
  response: object({ findings: array(bytes({ max: MAX_FINDING_BYTES }), { max: FINDINGS_AT_ONCE }) }),
  maxRequestBytes: 256,
  maxResponseBytes: FINDINGS_AT_ONCE * (MAX_FINDING_BYTES + 8) + 256,
  deadlineMs: QUICK_MS,
  // Whoever comes anew asks about each provider that it hears of, at a pace below this (audit/asking-line.ts).
  ratePerPeer: { perSecond: 8, burst: 40 },
  isHasteForgiven: true,
}

const CODES: ReadonlySet<ErrorCode> = new Set([
  'BAD_ARGUMENT',
  'BUSY',
  'DENIED',
  'NOT_FOUND',
  'TIMEOUT',
  'UNAVAILABLE',
  'VERIFICATION_FAILED',
])
const MAX_MESSAGE = 300

/** What a client is told of an error; a bug tells nothing. */
export function refusalOf(error: unknown): Refused {
  if (!(error instanceof UserError))
    return { kind: 'refused', code: 'UNAVAILABLE', message: 'the job failed' }
  const { retryAfterSeconds, haveWei, needWei } = error.details
  const code = error.code === 'EXISTS' ? 'DENIED' : error.code === 'BAD_MESSAGE' ? 'BAD_ARGUMENT' : error.code
  return {
    kind: 'refused',
    code: CODES.has(code) ? (code as Refused['code']) : 'UNAVAILABLE',
    message: error.line.slice(0, MAX_MESSAGE),
    ...(typeof retryAfterSeconds === 'number' ? { retryAfterSeconds } : {}),
    ...(typeof haveWei === 'string' && typeof needWei === 'string' ? { haveWei, needWei } : {}),
  }
}

/** The same as an error on the other side; the words are the provider's. */
export function asError({ code, message, ...details }: Refused, who: string): UserError {
  const { kind: _, ...rest } = details
  return new UserError(`${who}: ${printableWords(message)}`, { code, details: { ...rest, isRemote: true } })
}

const printableWords = (message: string): string => message.replace(/[^\P{C}]/gu, ' ').trim()
