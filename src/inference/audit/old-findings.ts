/**
 * Findings that were told before one came: gossip passes on what is new, and who is new asks. Anybody is answered who asks a
 * node that keeps some; asked are the auditors that this node trusts, once about each provider, and what they send counts only
 * where it is signed and about that provider.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { UserError } from '../../errors.js'
import type { Host } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { FINDINGS_AT_ONCE, FINDINGS_MESSAGE } from '../network/messages.js'
import { readFinding } from './finding.js'
import type { FindingsBook } from './findings-book.js'

export interface OldFindingsModules {
  readonly host: Pick<Host, 'request'>
  readonly book: Pick<FindingsBook, 'add'>
  /** Peer ids of the auditors that are asked. */
  readonly auditors: readonly string[]
  readonly log: Logger
}

/** A thousand findings about one provider: the newest. */
const MOST_PAGES = 20
/** An auditor that was away is asked again after so long; one that answered tells news by gossip. */
const AGAIN_MS = 10 * 60_000
const MOST_REMEMBERED = 10_000
const MOST_AUDITORS = 16

/** Answers who asks. */
export async function serveFindings(
  host: Pick<Host, 'handle'>,
  book: Pick<FindingsBook, 'messagesAbout'>,
): Promise<void> {
  await host.handle(FINDINGS_MESSAGE, async ({ provider, after }) => ({
    findings: book.messagesAbout(provider, FINDINGS_AT_ONCE, after),
  }))
}

export class OldFindings {
  readonly #modules: OldFindingsModules
  /** By auditor and provider: when it may be asked again, monotonic milliseconds. */
  readonly #asked = new Map<string, { readonly answer: Promise<void>; againMs: number }>()

  constructor(modules: OldFindingsModules) {
    this.#modules = modules
  }

  /** Resolves when each of them has answered, or has not in time; at once for a provider that is known. Never throws. */
  async about({
    peerId,
    publicKey,
  }: {
    readonly peerId: string
    readonly publicKey: Uint8Array
  }): Promise<void> {
    const { auditors } = this.#modules
    await Promise.all(
      auditors
        .filter((auditor) => auditor !== peerId)
        .slice(0, MOST_AUDITORS)
        .map((auditor) => this.#once(auditor, peerId, publicKey)),
    )
  }

  #once(auditor: string, peerId: string, provider: Uint8Array): Promise<void> {
    const key = `${auditor}/${peerId}`
    const before = this.#asked.get(key)
    if (before !== undefined && performance.now() < before.againMs) return before.answer
    const asked = {
      againMs: Number.POSITIVE_INFINITY,
      answer: this.#ask(auditor, provider).catch((error: unknown) => {
        asked.againMs = performance.now() + AGAIN_MS
        this.#modules.log.debug({ auditor, reason: String(error) }, 'an auditor told no old findings')
      }),
    }
    this.#asked.delete(key)
    this.#asked.set(key, asked)
    const [oldest] = this.#asked.keys()
    if (this.#asked.size > MOST_REMEMBERED && oldest !== undefined) this.#asked.delete(oldest)
    return asked.answer
  }

  async #ask(auditor: string, provider: Uint8Array): Promise<void> {
    const { host, book } = this.#modules
    let after: Uint8Array | undefined
    for (let page = 0; page < MOST_PAGES; page++) {
      const request = { provider, ...(after === undefined ? {} : { after }) }
      const { findings } = await host.request(auditor, FINDINGS_MESSAGE, request)
      for (const message of findings) {
        if (Buffer.compare(readFinding(message).provider, provider) !== 0)
          throw new UserError('it sent a finding about somebody else', { code: 'VERIFICATION_FAILED' })
        await book.add(message)
      }
      const last = findings.at(-1)
      if (findings.length < FINDINGS_AT_ONCE || last === undefined) return
      const next = sha256(last)
      if (after !== undefined && Buffer.compare(next, after) === 0)
        throw new UserError('it sent the same page again', { code: 'BAD_MESSAGE' })
      after = next
    }
  }
}
