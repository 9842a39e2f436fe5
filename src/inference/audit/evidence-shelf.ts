/**
 * Evidence on the disk, a file a job, bounded in bytes and in time: the oldest make room. What became of each stands in
 * its file's name, so that a restart knows it without reading sound. Nothing waits for a write but whoever closes.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
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
}

export interface ShelfOptions {
  readonly directory: string
  readonly mostBytes: number
  readonly keptSeconds: number
  readonly log?: Logger
}

const NAME = /^(\d{10,12})-([0-9a-f]{64})\.([a-z]+)\.evidence$/
/** What may wait for the disk. */
const MOST_WAITING_BYTES = 64 * 2 ** 20
const MOST_FILES = 100_000

export class EvidenceShelf {
  readonly #options: ShelfOptions
  /** By digest, the oldest first. */
  readonly #entries = new Map<string, ShelfEntry>()
  #bytes = 0
  #waitingBytes = 0
  #writing: Promise<void> = Promise.resolve()

  private constructor(options: ShelfOptions) {
    this.#options = options
  }

  static async open(options: ShelfOptions): Promise<EvidenceShelf> {
    const shelf = new EvidenceShelf(options)
    await mkdir(options.directory, { recursive: true, mode: 0o700 })
    const found: ShelfEntry[] = []
    for (const name of await readdir(options.directory)) {
      const [, issuedAt, digest, word] = NAME.exec(name) ?? []
      const state = EVIDENCE_STATES.find((each) => each === word)
      const path = join(options.directory, name)
      if (issuedAt === undefined || digest === undefined || state === undefined) {
        // Of a write that a kill cut short.
        if (name.endsWith('.tmp')) await rm(path, { force: true })
        continue
      }
      const bytes = (await stat(path).catch(() => undefined))?.size
      if (bytes !== undefined) found.push({ digest, issuedAt: Number(issuedAt), state, bytes })
    }
    for (const each of found.sort((a, b) => a.issuedAt - b.issuedAt)) shelf.#remember(each)
    return shelf
  }

  /** The oldest first. */
  list(state?: EvidenceState): readonly ShelfEntry[] {
    const all = [...this.#entries.values()]
    return state === undefined ? all : all.filter((each) => each.state === state)
  }

  /** Returns at once; what the disk cannot follow is left out, and told. */
  put(evidence: KeptEvidence): void {
    const { log } = this.#options
    const encoded = encodeEvidence(evidence)
    if (this.#waitingBytes + encoded.length > MOST_WAITING_BYTES) {
      log?.warn({ waitingBytes: this.#waitingBytes }, 'the disk is too slow: a job is not kept for its audit')
      return
    }
    this.#waitingBytes += encoded.length
    const { receipt, domain } = evidence
    const entry: ShelfEntry = {
      digest: bytesToHex(receiptDigest(domain, receipt)),
      issuedAt: receipt.issuedAt,
      state: 'pending',
      bytes: encoded.length,
    }
    this.#next(async () => {
      try {
        await this.#write(entry, encoded)
      } finally {
        this.#waitingBytes -= encoded.length
      }
    })
  }

  /** Undefined for one that went. @throws UserError BAD_MESSAGE for a file that was altered */
  async read(digest: string): Promise<KeptEvidence | undefined> {
    await this.#writing
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    const content = await readFile(this.path(entry)).catch(() => undefined)
    return content === undefined ? undefined : decodeEvidence(new Uint8Array(content))
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

  /** What is older than it is kept goes. @param nowSeconds Unix seconds */
  sweep(nowSeconds: number): void {
    const before = nowSeconds - this.#options.keptSeconds
    this.#next(async () => {
      for (const { digest, issuedAt } of [...this.#entries.values()])
        if (issuedAt < before) await this.#drop(digest)
    })
  }

  path({ digest, issuedAt, state }: ShelfEntry): string {
    return join(this.#options.directory, `${String(issuedAt).padStart(10, '0')}-${digest}.${state}.evidence`)
  }

  /** Until everything so far is on the disk. */
  settled(): Promise<void> {
    return this.#writing
  }

  #next(step: () => Promise<void>): void {
    this.#writing = this.#writing.then(step).catch((error: unknown) => {
      this.#options.log?.warn({ reason: String(error) }, 'evidence could not be kept')
    })
  }

  async #write(entry: ShelfEntry, encoded: Uint8Array): Promise<void> {
    const temporary = join(this.#options.directory, `${bytesToHex(new Uint8Array(randomBytes(8)))}.tmp`)
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(encoded)
    } finally {
      await file.close()
    }
    await rename(temporary, this.path(entry))
    this.#remember(entry)
    for (const digest of [...this.#entries.keys()]) {
      if (this.#bytes <= this.#options.mostBytes && this.#entries.size <= MOST_FILES) break
      await this.#drop(digest)
    }
  }

  #remember(entry: ShelfEntry): void {
    this.#bytes += entry.bytes - (this.#entries.get(entry.digest)?.bytes ?? 0)
    this.#entries.set(entry.digest, entry)
  }

  async #drop(digest: string): Promise<void> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    this.#entries.delete(digest)
    this.#bytes -= entry.bytes
    await rm(this.path(entry), { force: true })
  }
}
