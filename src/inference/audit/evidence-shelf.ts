/**
 * Evidence on the disk, a file a job, bounded in bytes and in time. What became of each stands in its file's name, so that a
 * restart knows it without reading sound. A buyer's own makes room, the oldest first; what a provider owes to auditors does
 * not: it takes no more jobs instead, and of one client none that would take more room than all others still find. Nothing
 * is synced: what was put survives the end of the process, not a power cut. With a key it is sealed: whoever reads the disk
 * learns who bought, when and how much, and not what was said.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isSealed, type Sealing } from '../../crypto/sealing.js'
import { UserError } from '../../errors.js'
import type { Logger } from '../../telemetry/logger.js'
import { receiptDigest } from '../payment/receipt.js'
import { decodeEvidence, encodeEvidence, type KeptEvidence } from './evidence.js'

export const EVIDENCE_STATES = ['pending', 'undrawn', 'drawn', 'good', 'bad', 'undecided'] as const
/** `pending`: no beacon has decided yet; `drawn`: to be audited; then what the audit found. */
export type EvidenceState = (typeof EVIDENCE_STATES)[number]

export interface ShelfEntry {
  /** Of the receipt, hex. */
  readonly digest: string
  /** Unix seconds. */
  readonly issuedAt: number
  readonly state: EvidenceState
  readonly bytes: number
  /** Whose room it takes, an address as 40 hex digits; undefined where room is not shared. */
  readonly client?: string | undefined
}

export interface ShelfOptions {
  readonly directory: string
  readonly mostBytes: number
  readonly keptSeconds: number
  /** Whether auditors may ask for what is here: then it makes no room while it is kept. */
  readonly isOwed?: boolean
  /** Absent: what is kept lies there as it is. What was kept so is read all the same. */
  readonly sealing?: Sealing
  readonly log?: Logger
}

interface Room {
  readonly bytes: number
  readonly files: number
}

const NAME = /^(\d{10,12})-([0-9a-f]{64})(?:-([0-9a-f]{40}))?\.([a-z]+)\.evidence$/
/** What may wait for the disk. */
const MOST_WAITING_BYTES = 64 * 2 ** 20
const MOST_FILES = 100_000
/** A disk that did not take evidence is tried again after so long. */
const DISK_FAILED_MS = 30_000
/** When to come again: what is not drawn is gone within minutes. */
const FULL_RETRY_SECONDS = 60

export class EvidenceShelf {
  readonly #options: ShelfOptions
  /** By digest, the oldest first. */
  readonly #entries = new Map<string, ShelfEntry>()
  #bytes = 0
  #waitingBytes = 0
  /** For jobs that run. */
  #expected: Room = { bytes: 0, files: 0 }
  /** What each client's takes, with what its jobs that run will leave. */
  readonly #ofClients = new Map<string, Room>()
  #failedAtMs = Number.NEGATIVE_INFINITY
  readonly #writes = new Set<Promise<void>>()
  #writing: Promise<void> = Promise.resolve()

  private constructor(options: ShelfOptions) {
    this.#options = options
  }

  static async open(options: ShelfOptions): Promise<EvidenceShelf> {
    const shelf = new EvidenceShelf(options)
    await mkdir(options.directory, { recursive: true, mode: 0o700 })
    const found: ShelfEntry[] = []
    for (const name of await readdir(options.directory)) {
      const [, issuedAt, digest, client, word] = NAME.exec(name) ?? []
      const state = EVIDENCE_STATES.find((each) => each === word)
      const path = join(options.directory, name)
      if (issuedAt === undefined || digest === undefined || state === undefined) {
        // Of a write that a kill cut short, in earlier versions.
        if (name.endsWith('.tmp')) await rm(path, { force: true })
        continue
      }
      const bytes = (await stat(path).catch(() => undefined))?.size
      if (bytes !== undefined) found.push({ digest, issuedAt: Number(issuedAt), state, bytes, client })
    }
    for (const each of found.sort((a, b) => a.issuedAt - b.issuedAt)) shelf.#remember(each)
    return shelf
  }

  /** The oldest first. */
  list(state?: EvidenceState): readonly ShelfEntry[] {
    const all = [...this.#entries.values()]
    return state === undefined ? all : all.filter((each) => each.state === state)
  }

  /** @param digest hex */
  find(digest: string): ShelfEntry | undefined {
    return this.#entries.get(digest)
  }

  /**
   * Room for what a job will leave, before it runs; the function gives back what was not used.
   * @param client as in {@link ShelfEntry}: it gets no more room than it leaves to all others
   * @throws UserError BUSY where there is none, or the disk does not follow; UNAVAILABLE where it takes nothing
   */
  expect(bytes: number, client?: string): () => void {
    const { mostBytes } = this.#options
    if (performance.now() - this.#failedAtMs < DISK_FAILED_MS)
      throw new UserError('the disk does not take what auditors may ask for', {
        code: 'UNAVAILABLE',
        remedy: 'free space on the disk of the data directory',
        details: { retryAfterSeconds: DISK_FAILED_MS / 1000 },
      })
    if (this.#waitingBytes > MOST_WAITING_BYTES) throw full('the disk is too slow for more jobs', 1)
    const leftBytes = mostBytes - this.#bytes - this.#waitingBytes - this.#expected.bytes - bytes
    const leftFiles = MOST_FILES - this.#entries.size - this.#expected.files - 1
    if (leftBytes < 0 || leftFiles < 0)
      throw full(
        `what auditors may ask for fills the ${mostBytes} bytes that it may take`,
        FULL_RETRY_SECONDS,
      )
    const own = this.#roomOf(client)
    if (client !== undefined && (own.bytes + bytes > leftBytes || own.files + 1 > leftFiles))
      throw full(
        `what auditors may ask for of your jobs takes ${own.bytes} bytes, ${bytes} more are needed, and one client has at most as much as it leaves to others: ${Math.max(0, leftBytes)} bytes now`,
        FULL_RETRY_SECONDS,
      )
    const room = { bytes, files: 1 }
    this.#expected = sum(this.#expected, room)
    this.#take(client, room)
    let isExpected = true
    return () => {
      if (!isExpected) return
      isExpected = false
      this.#expected = sum(this.#expected, negative(room))
      this.#take(client, negative(room))
    }
  }

  /**
   * Resolves when the system has it.
   * @param client as of {@link expect}
   * @throws UserError UNAVAILABLE where the disk does not take it
   */
  async put(evidence: KeptEvidence, client?: string): Promise<void> {
    const { log, isOwed = false, sealing } = this.#options
    const { receipt, domain } = evidence
    const place = receiptDigest(domain, receipt)
    const plain = encodeEvidence(evidence)
    const encoded = sealing === undefined ? plain : sealing.seal(plain, place)
    if (!isOwed && this.#waitingBytes + encoded.length > MOST_WAITING_BYTES)
      throw full('the disk is too slow: a job is not kept for its audit', 1)
    const entry: ShelfEntry = {
      // Kept by the thousand: a string that is joined letter by letter is a kilobyte of joints.
      digest: Buffer.from(place).toString('hex'),
      issuedAt: receipt.issuedAt,
      state: 'pending',
      bytes: encoded.length,
      client,
    }
    const write = async (): Promise<void> => {
      try {
        await this.#write(entry, encoded)
      } catch (error) {
        this.#failedAtMs = performance.now()
        log?.warn({ reason: String(error) }, 'evidence could not be kept')
        throw new UserError('the disk did not take what auditors may ask for', {
          code: 'UNAVAILABLE',
          remedy: 'free space on the disk of the data directory',
          cause: error,
        })
      } finally {
        this.#waitingBytes -= encoded.length
      }
    }
    this.#waitingBytes += encoded.length
    // A receipt waits for what is owed: not for others' as well. What makes room keeps its order.
    const writing = isOwed ? write() : this.#writing.then(write)
    const settled = writing.catch(() => {}).finally(() => this.#writes.delete(settled))
    this.#writes.add(settled)
    if (!isOwed) this.#writing = settled
    await writing
  }

  /** Undefined for one that went. @throws UserError BAD_MESSAGE for a file that was altered, or sealed by another key */
  async read(digest: string): Promise<KeptEvidence | undefined> {
    await this.settled()
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    const content = await readFile(this.path(entry)).catch((error: unknown) => {
      if (isAbsent(error)) return undefined
      throw error
    })
    if (content === undefined) return undefined
    const { sealing } = this.#options
    // Of earlier versions, which sealed nothing.
    const isPlain = sealing === undefined || !isSealed(content)
    return decodeEvidence(
      isPlain ? new Uint8Array(content) : sealing.open(content, Buffer.from(digest, 'hex')),
    )
  }

  mark(digest: string, state: EvidenceState): void {
    this.#next(async () => {
      const entry = this.#entries.get(digest)
      if (entry === undefined || entry.state === state) return
      const changed = { ...entry, state }
      await rename(this.path(entry), this.path(changed))
      this.#entries.set(digest, changed)
    })
  }

  remove(digest: string): void {
    this.#next(() => this.#drop(digest))
  }

  /** Whether something is older than it is kept. @param nowSeconds Unix seconds */
  hasOld(nowSeconds: number): boolean {
    return this.#olderThanKept(nowSeconds).length > 0
  }

  /** What is older than it is kept goes. @param nowSeconds Unix seconds */
  sweep(nowSeconds: number): void {
    this.#next(async () => {
      for (const { digest } of this.#olderThanKept(nowSeconds)) await this.#drop(digest)
    })
  }

  #olderThanKept(nowSeconds: number): readonly ShelfEntry[] {
    const before = nowSeconds - this.#options.keptSeconds
    return [...this.#entries.values()].filter(({ issuedAt }) => issuedAt < before)
  }

  path({ digest, issuedAt, state, client }: ShelfEntry): string {
    const name = [String(issuedAt).padStart(10, '0'), digest, ...(client === undefined ? [] : [client])]
    return join(this.#options.directory, `${name.join('-')}.${state}.evidence`)
  }

  /** Until everything so far is done. */
  async settled(): Promise<void> {
    await Promise.all([this.#writing, ...this.#writes])
  }

  #next(step: () => Promise<void>): void {
    this.#writing = this.#writing.then(step).catch((error: unknown) => {
      this.#options.log?.warn({ reason: String(error) }, 'evidence could not be kept')
    })
  }

  async #write(entry: ShelfEntry, encoded: Uint8Array): Promise<void> {
    const { mostBytes, isOwed = false } = this.#options
    const path = this.path(entry)
    try {
      // Under its name at once: a file that a kill cuts short belongs to a receipt that never left, or is read as altered.
      await writeFile(path, encoded, { mode: 0o600 })
    } catch (error) {
      await rm(path, { force: true }).catch(() => {})
      throw error
    }
    this.#remember(entry)
    if (isOwed) return
    for (const digest of this.#entries.keys()) {
      if (this.#bytes <= mostBytes && this.#entries.size <= MOST_FILES) break
      await this.#drop(digest)
    }
  }

  #remember(entry: ShelfEntry): void {
    this.#leave(this.#entries.get(entry.digest))
    this.#bytes += entry.bytes
    this.#take(entry.client, roomOf(entry))
    this.#entries.set(entry.digest, entry)
  }

  #leave(entry: ShelfEntry | undefined): void {
    if (entry === undefined) return
    this.#bytes -= entry.bytes
    this.#take(entry.client, negative(roomOf(entry)))
  }

  #roomOf(client: string | undefined): Room {
    return (client === undefined ? undefined : this.#ofClients.get(client)) ?? { bytes: 0, files: 0 }
  }

  #take(client: string | undefined, room: Room): void {
    if (client === undefined) return
    const taken = sum(this.#roomOf(client), room)
    if (taken.files > 0) this.#ofClients.set(client, taken)
    else this.#ofClients.delete(client)
  }

  async #drop(digest: string): Promise<void> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    this.#entries.delete(digest)
    this.#leave(entry)
    await rm(this.path(entry), { force: true })
  }
}

const roomOf = ({ bytes }: ShelfEntry): Room => ({ bytes, files: 1 })
const sum = (a: Room, b: Room): Room => ({ bytes: a.bytes + b.bytes, files: a.files + b.files })
const negative = ({ bytes, files }: Room): Room => ({ bytes: -bytes, files: -files })

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

const full = (message: string, retryAfterSeconds: number): UserError =>
  new UserError(message, { code: 'BUSY', remedy: 'ask again later', details: { retryAfterSeconds } })
