/**
 * Findings that were told before one came: gossip passes on what is new, and who is new asks. Anybody is answered who asks a
 * node that keeps some; asked are the auditors that this node trusts, once about each provider, in a line for each auditor, and
 * what they send counts only where it is signed and about that provider. Whom somebody blames is asked about again: what
 * acquits it may have been told to nobody.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { peerIdOfPublicKey } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import type { Host } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { FINDINGS_AT_ONCE, FINDINGS_MESSAGE } from '../network/messages.js'
import { type Asked, AskingLine, type AskingLineOptions } from './asking-line.js'
import { CLOCK_SLACK_SECONDS, type Finding, readFinding } from './finding.js'
import type { FindingsBook } from './findings-book.js'

export interface OldFindingsModules extends AskingLineOptions {
  readonly host: Pick<Host, 'request'>
  readonly book: Pick<FindingsBook, 'add' | 'followBlames' | 'isAvoided'>
  /** Peer ids of the auditors that are asked. */
  readonly auditors: readonly string[]
  readonly log: Logger
}

/** Whom findings are about. */
export interface About {
  readonly peerId: string
  readonly publicKey: Uint8Array
}

/** A thousand findings about one provider: what it is blamed for, and then the newest. */
const MOST_PAGES = 20
const MOST_AUDITORS = 16
/** From one time that a provider which is blamed is asked about to the next: others may judge the receipt a little later. */
const BLAMED_AGAIN_MS = 5 * 60_000
/** What is more is asked about with a later blame. */
const MOST_BLAMED = 1000

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
  /** By auditor. */
  readonly #lines: ReadonlyMap<string, AskingLine>
  /** By peer id, those asked about not long ago since they were blamed, and whether that is done once more. */
  readonly #blamed = new Map<string, { isDue: boolean }>()

  constructor(modules: OldFindingsModules) {
    this.#modules = modules
    const { auditors, log } = modules
    this.#lines = new Map(
      auditors.slice(0, MOST_AUDITORS).map((auditor) => {
        const onFailure = (error: unknown): void =>
          log.debug({ auditor, reason: String(error) }, 'an auditor told no old findings')
        const ask = (asked: Asked) => this.#ask(auditor, asked)
        return [auditor, new AskingLine(modules, { ask, onFailure })]
      }),
    )
    modules.book.followBlames((blame) => this.#askAgain(blame))
  }

  /** Of the other auditors at once, and of all once more a little later; a provider not more than once in that time. */
  #askAgain({ provider: publicKey, auditor }: Finding): void {
    const peerId = peerIdOfPublicKey(publicKey)
    const known = this.#blamed.get(peerId)
    if (known !== undefined) {
      known.isDue = true
      return
    }
    if (this.#blamed.size >= MOST_BLAMED) return
    const state = { isDue: true }
    this.#blamed.set(peerId, state)
    const ask = (except?: string): void => {
      for (const [each, line] of this.#lines)
        if (each !== peerId && each !== except) line.askAgain({ peerId, publicKey })
    }
    const rest = (): void => {
      setTimeout(() => {
        if (!state.isDue) {
          this.#blamed.delete(peerId)
          return
        }
        state.isDue = false
        ask()
        rest()
      }, BLAMED_AGAIN_MS).unref()
    }
    ask(peerIdOfPublicKey(auditor))
    rest()
  }

  /** Resolves when each auditor has told all, or is away; at once for a provider that is known. Never throws. */
  async about(provider: About): Promise<void> {
    await this.meet([provider])
  }

  /**
   * Those that are waited for, before all that wait already and in this order; behind all, those that may be of use later.
   * Resolves when each auditor has told all of the first, or is away. Never throws.
   */
  async meet(first: readonly About[], later: readonly About[] = []): Promise<void> {
    const waits: Promise<void>[] = []
    for (const [auditor, line] of this.#lines) {
      const others = (all: readonly About[]) => all.filter(({ peerId }) => peerId !== auditor)
      waits.push(line.ask(others(first)))
      line.askLater(others(later))
    }
    await Promise.all(waits)
  }

  /** A page. @returns what the next is asked by; undefined after the last */
  async #ask(
    auditor: string,
    { peerId, publicKey: provider, after, pages, isAgain }: Asked,
  ): Promise<Uint8Array | undefined> {
    const { host, book } = this.#modules
    const request = { provider, ...(after === undefined ? {} : { after }) }
    const { findings } = await host.request(auditor, FINDINGS_MESSAGE, request)
    let isNew = false
    for (const message of findings) {
      const finding = readFinding(message)
      if (Buffer.compare(finding.provider, provider) !== 0)
        throw new UserError('it sent a finding about somebody else', { code: 'VERIFICATION_FAILED' })
      // By a clock that was ahead it would outlast, and outweigh, what is signed by one that is right.
      if (finding.at > Date.now() / 1000 + CLOCK_SLACK_SECONDS) continue
      if (await book.add(message)) isNew = true
    }
    const last = findings.at(-1)
    if (findings.length < FINDINGS_AT_ONCE || last === undefined || pages + 1 >= MOST_PAGES) return undefined
    const next = sha256(last)
    if (after !== undefined && Buffer.compare(next, after) === 0)
      throw new UserError('it sent the same page again', { code: 'BAD_MESSAGE' })
    // What acquits one that is convicted may lie behind what gossip has brought since.
    if (isAgain && !isNew && !book.isAvoided(peerId, Date.now() / 1000)) return undefined
    return next
  }
}
