/**
 * Offers: what a provider sells, signed, for a while. Served on request and carried by gossip; what comes is checked
 * before it is passed on, and the table is bounded (as announcements are, src/p2p/announcements.ts).
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
import { languageSchema, UNITS } from './job-codec.js'

const TAG = utf8ToBytes('plumbline/offer/1')
/** Some twenty models; MMS with its thousand languages alone has 6 KB. */
export const MAX_OFFER_BYTES = 32_768
const OFFER_LIFETIME_MS = 30 * 60_000
const MAX_LIFETIME_MS = 2 * 3600_000
const CLOCK_SLACK_MS = 120_000
const MAX_MODELS = 64
const MAX_LANGUAGES = 2000
const MAX_OFFERS = 2000
/** Slower than a thousandth of real time nobody sells. */
export const MOST_RUN_MS_PER_SECOND = 1_000_000

const modelSchema = object({
  /** As the provider calls it. */
  id: text({ min: 1, max: 100, pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, what: 'a model' }),
  sha256: bytes({ length: 32 }),
  task: enumeration(...TASKS),
  languages: array(languageSchema, { max: MAX_LANGUAGES }),
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
export type Verdict = 'accept' | 'ignore' | 'reject'

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

/** Offers heard, the newest of each provider. */
export class OfferTable {
  readonly #now: () => number
  readonly #heard = new Map<string, Offer>()

  /** @param now Unix milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  receive(message: Uint8Array): Verdict {
    let offer: Offer
    try {
      offer = readOffer(message)
    } catch (error) {
      if (error instanceof UserError) return 'reject'
      throw error
    }
    const now = this.#now()
    if (offer.expiresAtMs > now + MAX_LIFETIME_MS + CLOCK_SLACK_MS) return 'reject'
    if (offer.expiresAtMs <= now || offer.sequence > now + CLOCK_SLACK_MS) return 'ignore'
    const known = this.#heard.get(offer.peerId)
    if (known !== undefined && known.sequence >= offer.sequence) return 'ignore'
    this.#heard.delete(offer.peerId)
    if (this.#heard.size >= MAX_OFFERS) this.#makeRoom(now)
    this.#heard.set(offer.peerId, offer)
    return 'accept'
  }

  get(peerId: string): Offer | undefined {
    const offer = this.#heard.get(peerId)
    return offer !== undefined && offer.expiresAtMs > this.#now() ? offer : undefined
  }

  /** That hold now. */
  list(): readonly Offer[] {
    const now = this.#now()
    return [...this.#heard.values()].filter(({ expiresAtMs }) => expiresAtMs > now)
  }

  remove(peerId: string): void {
    this.#heard.delete(peerId)
  }

  #makeRoom(now: number): void {
    for (const [peerId, { expiresAtMs }] of this.#heard) if (expiresAtMs <= now) this.#heard.delete(peerId)
    const [oldest] = this.#heard.keys()
    if (this.#heard.size >= MAX_OFFERS && oldest !== undefined) this.#heard.delete(oldest)
  }
}
