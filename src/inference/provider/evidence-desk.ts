/**
 * What a provider keeps for auditors: each paid job until the beacon has drawn, a minute or so, and those drawn for the
 * audit window. Of a job whose payer wanted no audit only the terms are kept, which say so.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import type { Remote } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { drawingRound, epochSeconds } from '../audit/drawing.js'
import type { KeptEvidence } from '../audit/evidence.js'
import type { EvidenceShelf } from '../audit/evidence-shelf.js'
import { drawShelf, type ShelfAuditModules } from '../audit/shelf-audit.js'
import { decodeTerms, type JobTerms, MAX_OUTPUT_BYTES } from '../network/job-codec.js'
import { type EvidenceReply, refusalOf } from '../network/messages.js'

export interface EvidenceDeskModules extends Pick<ShelfAuditModules, 'beacon' | 'randomness' | 'now'> {
  readonly shelf: EvidenceShelf
  /** Whether a peer may have what was drawn. */
  readonly isAuditor: (remote: Remote) => Promise<boolean>
  /** Whose channel it is: room is shared out by payer; by nobody unless given. */
  readonly payerOf?: (channelId: Uint8Array) => Address | undefined
  readonly log: Logger
}

/** Receipt, terms, a vector, and what is around them. */
const SMALL_BYTES = 16_384
/** Text and word times: of a second with fifteen phones, each heard as a word. */
const BYTES_A_SECOND_HEARD = 1024
/** Of as many labels as an output may have. */
const LABELS_BYTES = 200_000
/** Someone who speaks slowly, and a voice of 24 kHz: most make half of it. */
const CHARACTERS_A_SECOND_SPOKEN = 10
const BYTES_A_SECOND_SPOKEN = 48_000
const NOTHING = new Uint8Array(0)
/** The round of receipts of so long ago came an epoch ago at least. */
const PUBLISHED_EPOCHS = 4
/** An auditor waits a minute for its answer. */
const DRAWING_MS = 10_000

export class EvidenceDesk {
  readonly #modules: EvidenceDeskModules
  readonly #over = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #drawing: Promise<void> | undefined
  #next: Promise<void> | undefined
  #reading: Promise<unknown> = Promise.resolve()
  /** Of the beacon, as it was told last: it is asked often, and may be away for a night. */
  #problem: string | undefined

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
    await (this.#next ?? this.#drawing)
    await this.#modules.shelf.settled()
  }

  /**
   * Before a job runs: room for what will have to be kept of it, until the function that is given is called.
   * @param payer who gets no more room than it leaves to all others; without, the room is nobody's
   * @throws UserError as `EvidenceShelf.expect`
   */
  expect(terms: Uint8Array, input: Uint8Array, payer?: Address): () => void {
    const decoded = decodeTerms(terms)
    const bytes = decoded.audit ? input.length + outputBytes(decoded, input) : 0
    return this.#modules.shelf.expect(SMALL_BYTES + bytes, clientOf(payer))
  }

  /** Before its receipt is anywhere else. @throws UserError as `EvidenceShelf.put` */
  keep(evidence: KeptEvidence): Promise<void> {
    const isAudited = decodeTerms(evidence.terms).audit
    const { shelf, payerOf } = this.#modules
    return shelf.put(
      isAudited ? evidence : { ...evidence, input: NOTHING, output: NOTHING },
      clientOf(payerOf?.(evidence.receipt.channelId)),
    )
  }

  /** What the beacon did not draw is thrown away, and what is too old: all that is due when this is called. */
  draw(): Promise<void> {
    // A run that is under way may have passed over what has become due since it began.
    if (this.#drawing !== undefined)
      this.#next ??= this.#drawing.then(() => {
        this.#next = undefined
        return this.draw()
      })
    else
      this.#drawing = this.#draw().finally(() => {
        this.#drawing = undefined
      })
    return this.#next ?? this.#drawing ?? Promise.resolve()
  }

  /** Whether a peer may have what was drawn, and see which receipts there are. */
  isAuditor(remote: Remote): Promise<boolean> {
    return this.#modules.isAuditor(remote)
  }

  async answer(remote: Remote, receipt: Uint8Array): Promise<EvidenceReply> {
    const { shelf, isAuditor, log } = this.#modules
    try {
      if (!(await isAuditor(remote)))
        throw new UserError('evidence is for challengers with a seat, and auditors that the operator named', {
          code: 'DENIED',
        })
      const digest = bytesToHex(receipt)
      await shelf.settled()
      if (shelf.find(digest)?.state === 'pending') await this.#drawInTime()
      const state = shelf.find(digest)?.state
      if (state === 'pending') throw undecided(epochSeconds(this.#modules.beacon))
      if (state !== 'drawn')
        throw new UserError('no receipt of this digest was drawn and is kept', { code: 'NOT_FOUND' })
      const evidence = await this.#read(digest)
      if (evidence === undefined)
        throw new UserError('the disk does not give what belongs to the receipt', { code: 'UNAVAILABLE' })
      const { terms, input, output } = evidence
      log.info({ auditor: remote.peerId, receipt: digest }, 'an auditor hears a job that was drawn')
      return decodeTerms(terms).audit
        ? { kind: 'evidence', terms, input, output }
        : { kind: 'optedOut', terms }
    } catch (error) {
      return refusalOf(error)
    }
  }

  /** One at a time: what was read is in memory before it is known whether there is room for its answer. */
  #read(digest: string): ReturnType<EvidenceShelf['read']> {
    const reading = this.#reading.then(() => this.#modules.shelf.read(digest))
    this.#reading = reading.then(
      () => {},
      () => {},
    )
    return reading
  }

  /** A beacon that takes long holds nobody up. */
  async #drawInTime(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAWING_MS)
    })
    await Promise.race([this.draw(), late]).finally(() => clearTimeout(timer))
  }

  /**
   * What auditors may not ask for any more is thrown away where the beacon has come as far as this node's clock: by one that
   * was ahead for a moment all of it would be, and the provider blamed for what it lacks.
   */
  async #sweep(): Promise<undefined> {
    const { shelf, now, beacon, randomness } = this.#modules
    const nowSeconds = now() / 1000
    if (!shelf.hasOld(nowSeconds)) return undefined
    // One that is there by now, and that draws something where jobs are sold.
    await randomness(
      drawingRound(beacon, nowSeconds - PUBLISHED_EPOCHS * epochSeconds(beacon)),
      this.#over.signal,
    )
    shelf.sweep(nowSeconds)
    return undefined
  }

  async #draw(): Promise<void> {
    const { shelf, log } = this.#modules
    let isGiven = false
    const randomness = async (round: number, signal?: AbortSignal): Promise<Uint8Array> => {
      const drawn = await this.#modules.randomness(round, signal)
      isGiven = true
      return drawn
    }
    try {
      const over = await this.#sweep().catch((error: unknown) => ({ error }))
      await drawShelf({ ...this.#modules, randomness }, this.#over.signal, (digest) => shelf.remove(digest))
      await shelf.settled()
      if (over !== undefined) throw over.error
      // Where nothing was due nobody asked.
      if (!isGiven || this.#problem === undefined) return
      log.info('the beacon says again which jobs auditors may ask for')
      this.#problem = undefined
    } catch (error) {
      if (this.#over.signal.aborted) return
      const problem = problemOf(error)
      if (problem === this.#problem) return
      this.#problem = problem
      log.warn(
        {
          reason:
            error instanceof UserError ? error.line : error instanceof Error ? error.message : String(error),
        },
        'the beacon did not say which jobs auditors may ask for: all are kept meanwhile',
      )
    }
  }
}

/** More than the output will have, in all likelihood; what is longer takes the shelf above its bound. */
function outputBytes({ task, unit, units, speedPermille = 1000 }: JobTerms, input: Uint8Array): number {
  switch (task) {
    case 'speak': {
      const seconds = input.length / CHARACTERS_A_SECOND_SPOKEN / (speedPermille / 1000)
      return Math.min(MAX_OUTPUT_BYTES, Math.ceil(seconds * BYTES_A_SECOND_SPOKEN))
    }
    case 'transcribe':
    case 'translate':
      return Math.min(MAX_OUTPUT_BYTES, unit === 'audio-second' ? units * BYTES_A_SECOND_HEARD : 0)
    case 'identify':
      return LABELS_BYTES
    case 'embed':
      return 0
  }
}

/** What stays the same from round to round. */
function problemOf(error: unknown): string {
  if (error instanceof UserError && typeof error.details.problems === 'string') return error.details.problems
  return error instanceof Error ? error.message : String(error)
}

const clientOf = (payer: Address | undefined): string | undefined => payer?.slice(2).toLowerCase()

/** Its round has not come by this node's clock, or the beacon does not give it: an auditor that knows it comes again. */
const undecided = (retryAfterSeconds: number): UserError =>
  new UserError('the receipt is kept, and not drawn here yet', {
    code: 'BUSY',
    remedy: 'ask again in a moment',
    details: { retryAfterSeconds },
  })
