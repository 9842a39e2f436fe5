/**
 * Announcements: each node says, signed, what it is and where it can be reached; gossip carries them. Gossip's own
 * de-duplication is no protection against replay, so every announcement has an expiry and a sequence number that only
 * rises. What comes is checked before it is passed on, and the table is bounded.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { type CborValue, decode, encode } from '../crypto/cbor.js'
import { array, bytes, enumeration, type Infer, integer, object, text } from '../crypto/cbor-schema.js'
import {
  PUBLIC_KEY_BYTES,
  peerIdOfPublicKey,
  SIGNATURE_BYTES,
  type Signer,
  verifySignature,
} from '../crypto/identity.js'
import { UserError } from '../errors.js'
import { RateLimiter } from './rate-limit.js'

/** What is signed comes under this tag, so that the signature says nothing else. */
const TAG = utf8ToBytes('plumbline/announcement/1')
/** Four addresses of 60 letters and a signature have 500 bytes. */
export const MAX_ANNOUNCEMENT_BYTES = 4096
/** Announced again every ten minutes; missing two rounds is no loss. */
export const ANNOUNCEMENT_LIFETIME_MS = 30 * 60_000
/** Longer promises would keep the dead in the table. */
const MAX_LIFETIME_MS = 2 * 3600_000
/** Clocks differ. */
const CLOCK_SLACK_MS = 120_000
const MAX_PEERS = 5000
/** A node that changes its address announces at once; more often than this is noise. */
const RATE = { perSecond: 0.2, burst: 5 }
/** Signatures cost 1.5 ms to check: this bounds what gossip can make us compute to a sixth of a core. */
const CHECK_RATE = { perSecond: 100, burst: 300 }

const bodySchema = object({
  version: enumeration(1),
  publicKey: bytes({ length: PUBLIC_KEY_BYTES }),
  roles: array(text({ min: 1, max: 32, pattern: /^[a-z-]+$/ }), { max: 8 }),
  /** Multiaddrs of the control plane. */
  addresses: array(text({ min: 2, max: 300 }), { max: 8 }),
  /** 0: no data plane open to others (a prover). */
  udpPort: integer({ max: 65_535 }),
  /** 0: offers none. */
  uplinkKbps: integer({ max: 1_000_000_000 }),
  expiresAtMs: integer({ max: 253_402_300_799_999 }),
  /** Rises with every announcement of a key, across restarts too: Unix time in ms serves. */
  sequence: integer({ max: Number.MAX_SAFE_INTEGER }),
})
const signedSchema = object({
  body: bytes({ max: MAX_ANNOUNCEMENT_BYTES }),
  signature: bytes({ length: SIGNATURE_BYTES }),
})

export type Announcement = Infer<typeof bodySchema> & {
  /** Of the announcing key. */
  readonly peerId: string
}
export type AnnouncementContent = Pick<Announcement, 'roles' | 'addresses' | 'udpPort' | 'uplinkKbps'>

/** accept: new, pass it on. ignore: stale or too often, no fault. reject: its sender is at fault. */
export type Verdict = 'accept' | 'ignore' | 'reject'

const digestOf = (body: Uint8Array): Uint8Array => sha256(concatBytes(TAG, body))

/** The bytes of a signed announcement of our own. */
export function signAnnouncement(signer: Signer, content: AnnouncementContent, nowMs: number): Uint8Array {
  const body = encode(
    bodySchema.read(
      {
        version: 1,
        publicKey: signer.publicKey,
        ...content,
        expiresAtMs: nowMs + ANNOUNCEMENT_LIFETIME_MS,
        sequence: nowMs,
      },
      'announcement',
    ) satisfies CborValue,
  )
  return encode({ body, signature: signer.sign(digestOf(body)) })
}

/** Announcements heard, by key. Pure but for the clock that is handed in. */
export class AnnouncementTable {
  readonly #now: () => number
  readonly #perKey: RateLimiter
  readonly #checks: RateLimiter
  readonly #maxPeers: number
  readonly #heard = new Map<string, { readonly announcement: Announcement; readonly message: Uint8Array }>()

  /** @param now Unix milliseconds */
  constructor(now: () => number, maxPeers: number = MAX_PEERS) {
    this.#now = now
    this.#maxPeers = maxPeers
    this.#perKey = new RateLimiter(RATE, now, maxPeers)
    this.#checks = new RateLimiter(CHECK_RATE, now, 1)
  }

  get size(): number {
    return this.#heard.size
  }

  /** Checks and takes up an announcement. Cheap checks come first, the signature last. */
  receive(message: Uint8Array): Verdict {
    let announcement: Announcement
    let signed: Infer<typeof signedSchema>
    try {
      signed = signedSchema.read(decode(message, { maxBytes: MAX_ANNOUNCEMENT_BYTES }), 'announcement')
      const body = bodySchema.read(decode(signed.body), 'announcement')
      announcement = { ...body, peerId: peerIdOfPublicKey(body.publicKey) }
    } catch (error) {
      if (error instanceof UserError) return 'reject'
      throw error
    }
    const now = this.#now()
    const { peerId, expiresAtMs, sequence } = announcement
    if (expiresAtMs > now + MAX_LIFETIME_MS + CLOCK_SLACK_MS) return 'reject'
    if (expiresAtMs <= now || sequence > now + CLOCK_SLACK_MS) return 'ignore'
    const known = this.#heard.get(peerId)?.announcement
    if (known !== undefined && sequence <= known.sequence) return 'ignore'
    if (!this.#checks.take('all').allowed) return 'ignore'
    if (!verifySignature(announcement.publicKey, digestOf(signed.body), signed.signature)) return 'reject'
    // Only a proven key is charged: nobody can use up another's allowance.
    if (!this.#perKey.take(peerId).allowed) return 'ignore'
    this.#heard.delete(peerId)
    if (this.#heard.size >= this.#maxPeers) this.#makeRoom(now)
    // A copy: the message may be a window of a larger buffer.
    this.#heard.set(peerId, { announcement, message: message.slice() })
    return 'accept'
  }

  /** Live announcements, the latest last; with a role only those that carry it. */
  list(role?: string): readonly Announcement[] {
    return this.#live()
      .map(({ announcement }) => announcement)
      .filter(({ roles }) => role === undefined || roles.includes(role))
  }

  /** The signed messages of the latest live announcements, the latest last. */
  messages(limit: number): readonly Uint8Array[] {
    return this.#live()
      .slice(-limit)
      .map(({ message }) => message)
  }

  get(peerId: string): Announcement | undefined {
    const announcement = this.#heard.get(peerId)?.announcement
    return announcement !== undefined && announcement.expiresAtMs > this.#now() ? announcement : undefined
  }

  #live() {
    const now = this.#now()
    return [...this.#heard.values()].filter(({ announcement }) => announcement.expiresAtMs > now)
  }

  /** Drops what has expired; failing that, what was heard longest ago. */
  #makeRoom(now: number): void {
    for (const [peerId, { announcement }] of this.#heard)
      if (announcement.expiresAtMs <= now) this.#heard.delete(peerId)
    const [oldest] = this.#heard.keys()
    if (this.#heard.size >= this.#maxPeers && oldest !== undefined) this.#heard.delete(oldest)
  }
}
