/**
 * Offers: what a provider sells, signed, for a while. Served on request and carried by gossip; what comes is checked
 * before it is passed on (offer-table.ts).
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { type CborValue, decode, encode } from '../../crypto/cbor.js'
import {
  array,
  boolean,
  bytes,
  enumeration,
  type Infer,
  integer,
  object,
  optional,
  type Schema,
  text,
} from '../../crypto/cbor-schema.js'
import {
  PUBLIC_KEY_BYTES,
  peerIdOfPublicKey,
  SIGNATURE_BYTES,
  type Signer,
  verifySignature,
} from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import { TASKS } from '../catalogue/card.js'
import { weiSchema, weiToBytes } from '../payment/wei.js'
import { isLanguage, languageSchema, UNITS } from './job-codec.js'

const TAG = utf8ToBytes('plumbline/offer/1')
/** Some twenty models; MMS with its thousand languages alone has 6 KB. */
export const MAX_OFFER_BYTES = 32_768
const OFFER_LIFETIME_MS = 30 * 60_000
const MAX_MODELS = 64
const MAX_LANGUAGES = 2000
/** Slower than a thousandth of real time nobody sells. */
export const MOST_RUN_MS_PER_SECOND = 1_000_000

const anyLanguages = array(languageSchema, { max: MAX_LANGUAGES })
/** Thousands of them come from strangers: what is wrong is named item by item only where something is. */
const languagesSchema: Schema<readonly string[]> = {
  read: (value, path) =>
    Array.isArray(value) && value.length <= MAX_LANGUAGES && value.every(isLanguage)
      ? value
      : anyLanguages.read(value, path),
}

const modelSchema = object({
  /** As the provider calls it. */
  id: text({ min: 1, max: 100, pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, what: 'a model' }),
  sha256: bytes({ length: 32 }),
  task: enumeration(...TASKS),
  languages: languagesSchema,
  licence: optional(text({ min: 1, max: 100 })),
  unit: enumeration(...UNITS),
  priceWeiPerUnit: weiSchema,
  /** True of what a server behind the provider runs: nobody can run such a job again, so that no audit ever finds it out. */
  unaudited: optional(boolean),
  /** What a second of speech took of late, run alone: the real-time factor in thousandths. Absent before the first job. */
  runMsPerSecond: optional(integer({ min: 1, max: MOST_RUN_MS_PER_SECOND })),
})

const bodySchema = object({
  version: enumeration(1),
  publicKey: bytes({ length: PUBLIC_KEY_BYTES }),
  /** Multiaddrs of the control plane. */
  addresses: array(text({ min: 2, max: 300 }), { max: 8 }),
  models: array(modelSchema, { max: MAX_MODELS }),
  /** Where it is paid: absent where everything is free. */
  payment: optional(
    object({
      chainId: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      /** PaymentChannels. */
      contract: bytes({ length: 20 }),
      /** A channel below is not taken. */
      leastDepositWei: weiSchema,
      /** What one client may owe, and be owed, at once: a dearer job is refused. */
      exposureWei: weiSchema,
    }),
  ),
  /** Jobs that may be under way at once. */
  queue: integer({ max: 1_000_000 }),
  /** Of these, under way when this was signed; absent in offers of nodes that do not say. */
  underWay: optional(integer({ max: 1_000_000 })),
  /** How long inputs and outputs of jobs are kept for auditors; 0: not at all. */
  keptSeconds: integer({ max: 31_536_000 }),
  /** Receipts are open to auditors. */
  audited: boolean,
  expiresAtMs: integer({ max: 253_402_300_799_999 }),
  /** Rises with every offer of a key. */
  sequence: integer({ max: Number.MAX_SAFE_INTEGER }),
})
const signedSchema = object({
  body: bytes({ max: MAX_OFFER_BYTES }),
  signature: bytes({ length: SIGNATURE_BYTES }),
})

export type OfferedModel = Infer<typeof modelSchema>
export type OfferContent = Omit<
  Infer<typeof bodySchema>,
  'version' | 'publicKey' | 'expiresAtMs' | 'sequence'
>
export type Offer = Infer<typeof bodySchema> & { readonly peerId: string }

const digestOf = (body: Uint8Array): Uint8Array => sha256(concatBytes(TAG, body))

function contentToCbor({ models, payment, ...rest }: OfferContent): { readonly [key: string]: CborValue } {
  return {
    ...rest,
    models: models.map(({ priceWeiPerUnit, licence, ...model }) => ({
      ...model,
      priceWeiPerUnit: weiToBytes(priceWeiPerUnit),
      ...(licence === undefined ? {} : { licence }),
    })),
    ...(payment === undefined
      ? {}
      : {
          payment: {
            ...payment,
            leastDepositWei: weiToBytes(payment.leastDepositWei),
            exposureWei: weiToBytes(payment.exposureWei),
          },
        }),
  }
}

export function signOffer(signer: Signer, content: OfferContent, nowMs: number): Uint8Array {
  const body = encode({
    version: 1,
    publicKey: signer.publicKey,
    ...contentToCbor(content),
    expiresAtMs: nowMs + OFFER_LIFETIME_MS,
    sequence: nowMs,
  })
  return encode({ body, signature: signer.sign(digestOf(body)) })
}

/** @throws UserError BAD_MESSAGE; VERIFICATION_FAILED for one that its key did not sign */
export function readOffer(message: Uint8Array): Offer {
  const { body, signature } = signedSchema.read(decode(message, { maxBytes: MAX_OFFER_BYTES }), 'offer')
  const offer = bodySchema.read(decode(body, { maxBytes: MAX_OFFER_BYTES }), 'offer')
  if (!verifySignature(offer.publicKey, digestOf(body), signature))
    throw new UserError('the offer is not signed by its key', { code: 'VERIFICATION_FAILED' })
  return { ...offer, peerId: peerIdOfPublicKey(offer.publicKey) }
}
