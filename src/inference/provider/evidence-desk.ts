/**
 * What a provider keeps for auditors: each paid job until the beacon has drawn, a minute or so, and those drawn for the
 * audit window. Of a job whose payer wanted no audit only the terms are kept, which say so.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { UserError } from '../../errors.js'
import type { Remote } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { epochSeconds } from '../audit/drawing.js'
import type { KeptEvidence } from '../audit/evidence.js'
import type { EvidenceShelf } from '../audit/evidence-shelf.js'
import { drawShelf, type ShelfAuditModules } from '../audit/shelf-audit.js'
import { decodeTerms } from '../network/job-codec.js'
import { type EvidenceReply, refusalOf } from '../network/messages.js'

export interface EvidenceDeskModules extends Pick<ShelfAuditModules, 'beacon' | 'randomness' | 'now'> {
  readonly shelf: EvidenceShelf
  /** Whether a peer may have what was drawn. */
  readonly isAuditor: (remote: Remote) => Promise<boolean>
  readonly log: Logger
}

const NOTHING = new Uint8Array(0)

export class EvidenceDesk {
  readonly #modules: EvidenceDeskModules
  readonly #over = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #drawing: Promise<void> | undefined

  constructor(modules: EvidenceDeskModules) {
    this.#modules = modules
  }

  start(): void {
    this.#timer = setInterval(() => void this.draw(), epochSeconds(this.#modules.beacon) * 1000)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#over.abort()
    await this.#drawing
    await this.#modules.shelf.settled()
  }

  /** Returns at once. */
  keep(evidence: KeptEvidence): void {
    const isAudited = decodeTerms(evidence.terms).audit
    this.#modules.shelf.put(isAudited ? evidence : { ...evidence, input: NOTHING, output: NOTHING })
  }

  /** What the beacon did not draw is thrown away, and what is too old. */
  draw(): Promise<void> {
    this.#drawing ??= this.#draw().finally(() => {
      this.#drawing = undefined
    })
    return this.#drawing
  }

  async answer(remote: Remote, receipt: Uint8Array): Promise<EvidenceReply> {
    const { shelf, isAuditor, log } = this.#modules
    try {
      if (!(await isAuditor(remote)))
        throw new UserError('evidence is for challengers with a seat, and auditors that the operator named', {
          code: 'DENIED',
        })
      const digest = bytesToHex(receipt)
      await this.draw()
      const isDrawn = shelf.list('drawn').some((each) => each.digest === digest)
      const evidence = isDrawn ? await shelf.read(digest) : undefined
      if (evidence === undefined)
        throw new UserError('no receipt of this digest was drawn and is kept', { code: 'NOT_FOUND' })
      const { terms, input, output } = evidence
      log.info({ auditor: remote.peerId, receipt: digest }, 'an auditor hears a job that was drawn')
      return decodeTerms(terms).audit
        ? { kind: 'evidence', terms, input, output }
        : { kind: 'optedOut', terms }
    } catch (error) {
      return refusalOf(error)
    }
  }

  async #draw(): Promise<void> {
    const { shelf, now, log } = this.#modules
    try {
      shelf.sweep(now() / 1000)
      await drawShelf(this.#modules, this.#over.signal)
      for (const { digest } of shelf.list('undrawn')) shelf.remove(digest)
      await shelf.settled()
    } catch (error) {
      if (this.#over.signal.aborted) return
      log.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        'the beacon did not say which jobs auditors may ask for: all are kept meanwhile',
      )
    }
  }
}
