/**
 * Findings on the disk, a small file each, so that a gateway and a command may write beside each other: this node's own,
 * and those of auditors that it trusts. What a provider's record is made of. Bounded: what blames nobody makes room first,
 * and of one provider so many failures are kept at most that they leave room for others'.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { peerIdOfPublicKey } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import { type Finding, isBlame, type ProviderRecord, readFinding } from './finding.js'
import { FindingsIndex } from './findings-index.js'

export interface FindingsBookOptions {
  readonly directory: string
  /** Peer ids, one's own among them: the findings of nobody else are kept. */
  readonly trusted: readonly string[]
  /** {@link MOST_FINDINGS} unless given. */
  readonly most?: number
}

interface Kept {
  readonly finding: Finding
  readonly message: Uint8Array
}

const SUFFIX = '.finding'
/** Who failed is left alone for so long after its last failure. */
const AVOIDED_SECONDS = 30 * 86_400
/** Who is silent about one in twenty has no record. */
const GOOD_FOR_UNANSWERED = 19
const MOST_FINDINGS = 20_000

export class FindingsBook {
  readonly #directory: string
  readonly #trusted: ReadonlySet<string>
  readonly #most: number
  /** By file name, the oldest first. */
  readonly #kept = new Map<string, Kept>()
  readonly #index = new FindingsIndex()
  #onBlame: ((finding: Finding) => void) | undefined

  private constructor({ directory, trusted, most = MOST_FINDINGS }: FindingsBookOptions) {
    this.#directory = directory
    this.#trusted = new Set(trusted)
    this.#most = most
  }

  static async open(options: FindingsBookOptions): Promise<FindingsBook> {
    const book = new FindingsBook(options)
    await mkdir(options.directory, { recursive: true, mode: 0o700 })
    await book.refresh()
    return book
  }

  /** What another process of this node found meanwhile. */
  async refresh(): Promise<void> {
    const names = (await readdir(this.#directory)).filter(
      (name) => name.endsWith(SUFFIX) && !this.#kept.has(name),
    )
    const found: (readonly [string, Kept])[] = []
    for (const name of names.slice(-this.#most)) {
      const content = await readFile(join(this.#directory, name)).catch(() => undefined)
      const kept = content === undefined ? undefined : readable(new Uint8Array(content))
      if (kept !== undefined && this.#isTrusted(kept.finding)) found.push([name, kept])
    }
    const dropped: string[] = []
    for (const [name, kept] of found.sort(([, a], [, b]) => a.finding.at - b.finding.at)) {
      this.#remember(name, kept)
      dropped.push(...this.#makeRoom(kept.finding.provider))
    }
    await this.#remove(dropped)
    for (const [name, { finding }] of found) if (this.#kept.has(name)) this.#tellBlame(finding)
  }

  /** Told of each blame that is taken in from now on, whoever found it. One listener. */
  followBlames(onBlame: (finding: Finding) => void): void {
    this.#onBlame = onBlame
  }

  /**
   * Whether it was kept: it is by somebody trusted, new, and not of what makes room.
   * @throws UserError BAD_MESSAGE, VERIFICATION_FAILED for a message that is no finding
   */
  async add(message: Uint8Array): Promise<boolean> {
    const finding = readFinding(message)
    const name = nameOf(sha256(message))
    if (!this.#isTrusted(finding) || this.#kept.has(name)) return false
    this.#remember(name, { finding, message })
    const dropped = this.#makeRoom(finding.provider)
    const isKept = this.#kept.has(name)
    // It counts from now on, whatever the disk does.
    if (isKept) this.#tellBlame(finding)
    if (isKept) await this.#write(name, message)
    await this.#remove(dropped)
    return isKept
  }

  /** The newest last. */
  findings(): readonly Finding[] {
    return [...this.#kept.values()].map(({ finding }) => finding)
  }

  /**
   * Whether an auditor blames a receipt's place, or has judged this very receipt of it: that it found another one good, which
   * the provider signed beside, says nothing.
   * @param receipt its digest
   */
  has(auditor: Uint8Array, channelId: Uint8Array, index: number, receipt?: Uint8Array): boolean {
    return this.#index.has(auditor, channelId, index, receipt)
  }

  /** Whether somebody blames the provider for the receipt at this place. */
  isBlamed(finding: Pick<Finding, 'provider' | 'channelId' | 'index'>): boolean {
    return this.#index.isBlamed(finding)
  }

  /** As they travel: those of one auditor, the newest last. */
  messagesOf(auditor: Uint8Array, most: number): readonly Uint8Array[] {
    return [...this.#kept.values()]
      .filter(({ finding }) => Buffer.compare(finding.auditor, auditor) === 0)
      .slice(-most)
      .map(({ message }) => message)
  }

  /**
   * As they travel: those about one provider. First all of the receipts that it is blamed for, which no number of good ones
   * hides, and of both the newest first.
   * @param after SHA-256 of the last one that was given; none where it is not known here any more
   */
  messagesAbout(provider: Uint8Array, most: number, after?: Uint8Array): readonly Uint8Array[] {
    const { blamed, harmless } = this.#index.about(provider)
    const all = [...this.#newestFirst(blamed), ...this.#newestFirst(harmless)]
    const last = after === undefined ? undefined : nameOf(after)
    const from = last === undefined ? 0 : all.findIndex(([name]) => name === last) + 1
    return last !== undefined && from === 0
      ? []
      : all.slice(from, from + most).map(([, each]) => each.message)
  }

  /** Of everybody there is a finding about. */
  records(): readonly ProviderRecord[] {
    return this.#index.records()
  }

  /** Whether a provider failed an audit not long ago. @param nowSeconds Unix seconds */
  isAvoided(peerId: string, nowSeconds: number): boolean {
    const lastFailure = this.#index.of(peerId)?.lastFailure ?? null
    return lastFailure !== null && lastFailure + AVOIDED_SECONDS > nowSeconds
  }

  /**
   * How many of a provider's receipts were found good; 0 where any was not, however long ago. Each that it answered nothing
   * for, while it did for others, takes {@link GOOD_FOR_UNANSWERED} back: it may be silent about those alone that it did wrong.
   */
  goodFindings(peerId: string): number {
    const record = this.#index.of(peerId)?.record
    if (record === undefined || record.failed > 0) return 0
    return Math.max(0, record.audited - GOOD_FOR_UNANSWERED * record.unanswered)
  }

  #tellBlame(finding: Finding): void {
    if (isBlame(finding)) this.#onBlame?.(finding)
  }

  #newestFirst(names: readonly string[]): readonly (readonly [string, Kept])[] {
    return names
      .flatMap((name): readonly (readonly [string, Kept])[] => {
        const kept = this.#kept.get(name)
        return kept === undefined ? [] : [[name, kept]]
      })
      .sort(([aName, a], [bName, b]) => b.finding.at - a.finding.at || (aName < bName ? -1 : 1))
  }

  #remember(name: string, kept: Kept): void {
    this.#kept.set(name, kept)
    this.#index.add(name, kept.finding)
  }

  /** After something came of a provider. @returns names of the files that are to go */
  #makeRoom(provider: Uint8Array): readonly string[] {
    const dropped: string[] = []
    const drop = (names: readonly string[]): void => {
      for (const name of names) {
        const kept = this.#kept.get(name)
        if (kept === undefined) throw new Error('the book of findings lost one')
        this.#kept.delete(name)
        this.#index.delete(name, kept.finding)
        dropped.push(name)
      }
    }
    for (let names = this.#index.tooMany(provider); names.length > 0; names = this.#index.tooMany(provider))
      drop(names)
    while (this.#kept.size > this.#most) {
      const names = this.#index.leastMissed()
      if (names.length === 0) throw new Error('the index of findings lost one')
      drop(names)
    }
    return dropped
  }

  async #remove(names: readonly string[]): Promise<void> {
    for (const name of names) await rm(join(this.#directory, name), { force: true })
  }

  #isTrusted({ auditor }: Finding): boolean {
    return this.#trusted.has(peerIdOfPublicKey(auditor))
  }

  async #write(name: string, message: Uint8Array): Promise<void> {
    const path = join(this.#directory, name)
    const file = await open(`${path}.tmp`, 'w', 0o600)
    try {
      await file.writeFile(message)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.tmp`, path)
  }
}

const nameOf = (digest: Uint8Array): string => `${bytesToHex(digest).slice(0, 32)}${SUFFIX}`

/** A file that was altered convicts nobody. */
function readable(message: Uint8Array): Kept | undefined {
  try {
    return { finding: readFinding(message), message }
  } catch (error) {
    if (error instanceof UserError) return undefined
    throw error
  }
}
