/**
 * What a node keeps: its metadata, peers, challenges, transcripts, evidence, single-use ids, sign-once locks and usage.
 * One process at a time; everything is bounded.
 *
 *     const store = await openStore(dataPaths(dataDir).store)
 *     if ((await store.signOnce(challengeId, digest)) === 'conflict') refuse()
 *     await store.close()
 */
import type { Address } from '../crypto/address.js'
import { UserError } from '../errors.js'
import { Archive, TypedArchive } from './archive.js'
import { Books } from './books.js'
import {
  type Database,
  type OpenOptions,
  openDatabase,
  read,
  type Sublevel,
  sublevel,
  writeSynced,
} from './database.js'
import { DurableMap } from './durable-map.js'
import { type ChallengeRecord, challengeRecord, type PeerRecord, peerRecord } from './records.js'
import { SignOnceLocks, type SignOnceOutcome } from './sign-once.js'
import { SingleUseIds } from './single-use.js'
import { UsageCounters } from './usage.js'

export type { ArchiveEntry, ArchiveLimits } from './archive.js'
export { Archive, TypedArchive } from './archive.js'
export type { BookChange, BookEntry, BookStore, Books } from './books.js'
export type { DurableChange, DurableMap } from './durable-map.js'
export type { ChallengeRecord, PeerRecord } from './records.js'
export type { SignOnceOutcome } from './sign-once.js'

const MEBIBYTE = 1_048_576
/** Peers worth dialling again after a restart. */
const PEER_LIMITS = { maxCount: 2000, maxBytes: 8 * MEBIBYTE }
/** A week of one challenge a minute. */
const CHALLENGE_LIMITS = { maxCount: 10_000, maxBytes: 256 * MEBIBYTE }
/** A transcript has 0.1 to 10 MB; an access point's flash is small. */
const TRANSCRIPT_LIMITS = { maxCount: 1000, maxBytes: 512 * MEBIBYTE }
/** What a member must be able to show after a challenge; smaller than a transcript. */
const EVIDENCE_LIMITS = { maxCount: 2000, maxBytes: 256 * MEBIBYTE }
/** Finished transactions are pruned by the queue that wrote them, far below. */
const MAX_TRANSACTIONS = 20_000
/** A cursor and the events that a re-organisation may take back. */
const MAX_CHAIN_CURSORS = 20_000
/** Openings of payment channels, until they are closed and their audit window is over. */
const MAX_CHANNELS = 10_000
/** A number each: what an attacker would have to buy from, and leave open, to fill it. */
const MAX_RETIRED_OPENINGS = 50_000
/** Openings under way, and left ones until they are closed: a few. */
const MAX_CHANNEL_NOTES = 10_000

export interface StoreOptions extends OpenOptions {
  /** Unix time in ms; a test hands in its own. */
  readonly now?: () => number
  readonly transcripts?: { readonly maxCount: number; readonly maxBytes: number }
  readonly evidence?: { readonly maxCount: number; readonly maxBytes: number }
}

/** Opens the store in `directory`, which is created. @throws UserError LOCKED, UNAVAILABLE: see {@link openDatabase} */
export async function openStore(directory: string, options: StoreOptions = {}): Promise<Store> {
  const database = await openDatabase(directory, options)
  try {
    const now = options.now ?? Date.now
    const peers = await Archive.open(database, 'peers', PEER_LIMITS)
    const challenges = await Archive.open(database, 'challenges', CHALLENGE_LIMITS)
    return new Store(database, {
      peers: new TypedArchive(peers, 'peer', peerRecord),
      challenges: new TypedArchive(challenges, 'challenge', challengeRecord),
      transcripts: await Archive.open(database, 'transcripts', options.transcripts ?? TRANSCRIPT_LIMITS),
      evidence: await Archive.open(database, 'evidence', options.evidence ?? EVIDENCE_LIMITS),
      singleUse: await SingleUseIds.open(database, now),
      locks: await SignOnceLocks.open(database, now),
      usage: new UsageCounters(database),
      transactions: await DurableMap.open(database, 'transactions', MAX_TRANSACTIONS),
      chainCursors: await DurableMap.open(database, 'chain-cursors', MAX_CHAIN_CURSORS),
      paymentsMade: await Books.open(database, 'payments-made', MAX_CHANNELS),
      paymentsEarned: await Books.open(database, 'payments-earned', MAX_CHANNELS),
      retiredOpenings: await DurableMap.open(database, 'retired-openings', MAX_RETIRED_OPENINGS),
      channelNotes: await DurableMap.open(database, 'channel-notes', MAX_CHANNEL_NOTES),
    })
  } catch (cause) {
    await database.close()
    throw cause
  }
}

interface Parts {
  readonly peers: TypedArchive<PeerRecord>
  readonly challenges: TypedArchive<ChallengeRecord>
  readonly transcripts: Archive
  readonly evidence: Archive
  readonly singleUse: SingleUseIds
  readonly locks: SignOnceLocks
  readonly usage: UsageCounters
  readonly transactions: DurableMap
  readonly chainCursors: DurableMap
  readonly paymentsMade: Books
  readonly paymentsEarned: Books
  readonly retiredOpenings: DurableMap
  readonly channelNotes: DurableMap
}

const IDENTITY_KEY = 'identity'

export class Store {
  readonly #database: Database
  readonly #metadata: Sublevel
  readonly #parts: Parts
  readonly peers: TypedArchive<PeerRecord>
  readonly challenges: TypedArchive<ChallengeRecord>
  readonly transcripts: Archive
  readonly evidence: Archive
  readonly usage: UsageCounters
  /** What src/chain's transaction queue sent, by chain, account and nonce. */
  readonly transactions: DurableMap
  /** How far src/chain's watchers have read. */
  readonly chainCursors: DurableMap
  /** The payer's channels, and the receipts it holds. */
  readonly paymentsMade: Books
  /** The payee's channels, and the receipts it issued. */
  readonly paymentsEarned: Books
  /** Openings that a payee forgot before the chain did, by payer. */
  readonly retiredOpenings: DurableMap
  /** Openings of a payer without an account: under way, or left. */
  readonly channelNotes: DurableMap

  constructor(database: Database, parts: Parts) {
    this.#database = database
    this.#metadata = sublevel(database, 'metadata')
    this.#parts = parts
    this.peers = parts.peers
    this.challenges = parts.challenges
    this.transcripts = parts.transcripts
    this.evidence = parts.evidence
    this.usage = parts.usage
    this.transactions = parts.transactions
    this.chainCursors = parts.chainCursors
    this.paymentsMade = parts.paymentsMade
    this.paymentsEarned = parts.paymentsEarned
    this.retiredOpenings = parts.retiredOpenings
    this.channelNotes = parts.channelNotes
  }

  /** See {@link SignOnceLocks.signOnce}: on the disk before `granted`, at most one digest per key for good. */
  signOnce(key: string, digest: Uint8Array): Promise<SignOnceOutcome> {
    return this.#parts.locks.signOnce(key, digest)
  }

  /** The digest that was locked under `key`, if any. */
  lockedDigest(key: string): Promise<Uint8Array | undefined> {
    return this.#parts.locks.lockedDigest(key)
  }

  /** See {@link SingleUseIds.useOnce}: true exactly once per id, and never after its expiry. */
  useOnce(id: string, expiresAtMs: number): Promise<boolean> {
    return this.#parts.singleUse.useOnce(id, expiresAtMs)
  }

  /** A short text kept beside the records; undefined where none was set. */
  async getMetadata(name: string): Promise<string | undefined> {
    const value = await read(this.#metadata, name)
    return value && new TextDecoder().decode(value)
  }

  /** Synced. */
  async setMetadata(name: string, value: string): Promise<void> {
    const encoded = new TextEncoder().encode(value)
    await writeSynced(this.#database, [{ type: 'put', sublevel: this.#metadata, key: name, value: encoded }])
  }

  /**
   * Ties the store to the key that its locks speak for.
   * @throws UserError BAD_KEY where it belongs to another one: locks of one key say nothing about another's signatures.
   */
  async bindIdentity(address: Address): Promise<void> {
    const bound = await this.getMetadata(IDENTITY_KEY)
    if (bound === undefined) return this.setMetadata(IDENTITY_KEY, address)
    if (bound !== address)
      throw new UserError(`this data directory belongs to the key of ${bound}, not of ${address}`, {
        code: 'BAD_KEY',
        remedy: 'use the key that was there before, or a data directory of its own for the new one',
      })
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}
