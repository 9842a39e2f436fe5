/**
 * Jobs of the network that the beacon drew: their providers are asked for what belongs to them, and that is run again.
 * What a provider does not have has failed; what it puts off or refuses is asked for again until it need not be kept any
 * more, and has failed then, where the provider was there to refuse it.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Address } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { UserError } from '../../errors.js'
import type { Host } from '../../p2p/index.js'
import { decodeTerms, hashOf } from '../network/job-codec.js'
import { EVIDENCE_MESSAGE, type EvidenceReply } from '../network/messages.js'
import type { SignedReceipt } from '../payment/index.js'
import { Asking, isRefusal, type Patience } from './asking.js'
import { drawingRound } from './drawing.js'
import { DrawnQueues } from './drawn-queues.js'
import type { KeptEvidence } from './evidence.js'
import { closeExecutions, type Executions } from './executions.js'
import { signFinding } from './finding.js'
import { findMissing, type KnownProvider } from './missing.js'
import type { Refusals } from './refusals.js'
import { auditEvidence, type ShelfAuditModules } from './shelf-audit.js'
import type { WaitingReceipt } from './watched-channel.js'

export interface DrawnJobsModules
  extends Pick<ShelfAuditModules, 'beacon' | 'openExecutions' | 'signer' | 'onFinding' | 'log' | 'now'> {
  readonly host: Pick<Host, 'request'>
  readonly domain: TypedDomain
  /** Whether this node has a seat among the challengers: whoever sells owes it evidence then. */
  readonly isSeated: () => Promise<boolean>
  readonly patience: Patience
  readonly refusals: Pick<Refusals, 'before'>
  /**
   * What this node found by now, former runs included: whether it blames the place, or has judged this very receipt.
   * @param receipt its digest
   */
  readonly isFound: (channelId: Uint8Array, index: number, receipt?: Uint8Array) => boolean
  /** Evidence against a provider: what convinces a stranger. */
  readonly keep: (evidence: KeptEvidence) => Promise<void>
  /** That wait at once; {@link MOST_JOBS} unless given. */
  readonly mostDrawnJobs?: number
  /** Monotonic milliseconds; the process's own unless given. */
  readonly elapsedMs?: () => number
}

interface DrawnJob extends WaitingReceipt {
  readonly payee: Address
  readonly asking: Asking
}

type Refused = Extract<EvidenceReply, { readonly kind: 'refused' }>

const MOST_JOBS = 10_000
/** Longer than anything is asked for. */
const ANSWERS_KEPT_SECONDS = 2 * 86_400
/** Who has refused so often is asked for the others in the next round: more at once would be too much for its limits. */
const MOST_REFUSALS_AT_ONCE = 10
/**
 * Of one payee's jobs, and of all, in a round: asking and running. More comes in the next round, so that neither long jobs
 * nor slow answers of one provider keep an auditor from what others owe, or from reading receipts and the chain.
 */
const MOST_PAYEE_MS = 120_000
const MOST_ROUND_MS = 600_000

export class DrawnJobs {
  readonly #modules: DrawnJobsModules
  readonly #jobs: DrawnQueues<DrawnJob>
  /** Since the last round. */
  #withoutRoom = 0
  /** When each last gave what belongs to a receipt, Unix seconds. */
  readonly #answered = new Map<Address, number>()
  /** Who does not take this node for an auditor is told to its operator once. */
  readonly #denied = new Set<string>()

  constructor(modules: DrawnJobsModules) {
    this.#modules = modules
    this.#jobs = new DrawnQueues(modules.mostDrawnJobs ?? MOST_JOBS)
  }

  /** Whether there was room: what finds none is to be brought again. */
  add(waiting: WaitingReceipt, payee: Address): boolean {
    const { patience, refusals, now } = this.#modules
    const { receipt, digest, isHidden } = waiting
    // Who hid a receipt until what belongs to it need not be kept any more owes it from now on.
    const since = isHidden ? now() / 1000 : receipt.issuedAt
    const asking = new Asking(since, patience, refusals.before(bytesToHex(digest)))
    const isAdded = this.#jobs.add({ payee, channelId: receipt.channelId }, { ...waiting, payee, asking })
    if (!isAdded) this.#withoutRoom++
    return isAdded
  }

  /** What is being asked for, by the digest of its receipt. */
  *asked(): Iterable<readonly [string, Asking]> {
    for (const { digest, asking } of this.#jobs.all()) yield [bytesToHex(digest), asking]
  }

  /** Asks for what is due, and judges what comes. */
  async audit(providers: ReadonlyMap<Address, KnownProvider>, signal: AbortSignal): Promise<void> {
    // Who did not answer once, or refuses, is not waited for in this round any more.
    const passed = new Set<Address>()
    const refusals = new Map<Address, number>()
    const onRefusal = (payee: Address): void => {
      const count = (refusals.get(payee) ?? 0) + 1
      refusals.set(payee, count)
      if (count >= MOST_REFUSALS_AT_ONCE) passed.add(payee)
    }
    const { now, elapsedMs = () => performance.now(), openExecutions, isFound } = this.#modules
    const spentMs = new Map<Address, number>()
    const startedMs = elapsedMs()
    const done = new Set<DrawnJob>()
    let executions: Executions | undefined
    try {
      await this.#end(providers, done)
      const turns = this.#jobs.turns({
        isOver: (payee) => passed.has(payee) || (spentMs.get(payee) ?? 0) >= MOST_PAYEE_MS,
        isDue: (job) => !done.has(job) && job.asking.isDue(now() / 1000),
      })
      for (const job of turns) {
        const begunMs = elapsedMs()
        if (begunMs - startedMs >= MOST_ROUND_MS) break
        const { payee } = job
        const provider = providers.get(payee)
        if (provider === undefined) continue
        // What was found of its place while it waited stands: a good one that was signed beside takes nothing of it back.
        if (isFound(job.receipt.channelId, job.receipt.index, job.digest)) {
          done.add(job)
          continue
        }
        const reply = await this.#ask(provider, job, signal)
        if (reply === 'silent') passed.add(payee)
        else if (reply === undefined) onRefusal(payee)
        else if (reply.kind === 'refused') {
          onRefusal(payee)
          if (await this.#isSettled(provider, job, reply)) done.add(job)
        } else {
          this.#answered.set(payee, now() / 1000)
          if (reply.kind === 'evidence') executions ??= await openExecutions()
          await this.#judge(provider, job, reply, executions, signal)
          done.add(job)
        }
        spentMs.set(payee, (spentMs.get(payee) ?? 0) + elapsedMs() - begunMs)
      }
    } finally {
      this.#jobs.delete(done)
      if (executions !== undefined) await closeExecutions(executions)
    }
  }

  /** What need not be kept any more is blamed where it was withheld, and let go. */
  async #end(providers: ReadonlyMap<Address, KnownProvider>, done: Set<DrawnJob>): Promise<void> {
    const { log, now, isFound } = this.#modules
    if (this.#withoutRoom > 0) log.info({ jobs: this.#withoutRoom }, 'drawn jobs wait until there is room')
    this.#withoutRoom = 0
    let unaudited = 0
    for (const job of this.#jobs.all()) {
      if (!job.asking.isOver(now() / 1000)) continue
      const provider = providers.get(job.payee)
      if (provider !== undefined && job.asking.isWithheld) await this.#withheld(provider, job)
      else unaudited++
      const { isWithheld, isPassedOver } = job.asking
      // What this node's own audits found of it meanwhile stands.
      const { channelId, index } = job.receipt
      if (provider !== undefined && !isWithheld && isPassedOver && !isFound(channelId, index, job.digest))
        await this.#passedOver(provider, job)
      done.add(job)
    }
    for (const [payee, at] of this.#answered)
      if (at + ANSWERS_KEPT_SECONDS < now() / 1000) this.#answered.delete(payee)
    if (unaudited > 0) log.warn({ jobs: unaudited }, 'drawn jobs were not audited while they had to be kept')
  }

  /** Undefined where the exchange itself refused. */
  async #ask(
    { target, name }: KnownProvider,
    { payee, digest, asking }: DrawnJob,
    signal: AbortSignal,
  ): Promise<EvidenceReply | 'silent' | undefined> {
    const { host, log, now } = this.#modules
    try {
      return await host.request(target, EVIDENCE_MESSAGE, { receipt: digest }, { signal })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof UserError)) throw error
      log.debug({ provider: name, reason: error.message }, 'a provider gave no evidence')
      if (isRefusal(error)) {
        asking.refused(now() / 1000)
        return undefined
      }
      asking.unanswered(now() / 1000, this.#answered.get(payee))
      return 'silent'
    }
  }

  /** Whether a refusal is the last word. */
  async #isSettled(provider: KnownProvider, job: DrawnJob, reply: Refused): Promise<boolean> {
    const { log, now, isSeated } = this.#modules
    if (reply.code === 'NOT_FOUND') {
      await this.#missing(provider, job, 'the provider does not have what belongs to the receipt')
      return true
    }
    // Nobody owes a stranger anything. Whoever is told to come again is none: that is asked first.
    if (reply.code === 'DENIED' && !(await isSeated())) {
      if (!this.#denied.has(provider.name))
        log.warn({ provider: provider.name, reason: reply.message }, 'a provider gives this node no evidence')
      this.#denied.add(provider.name)
      return true
    }
    log.debug({ provider: provider.name, reason: reply.message }, 'a provider puts evidence off')
    job.asking.refused(now() / 1000, reply.retryAfterSeconds)
    return false
  }

  async #judge(
    provider: KnownProvider,
    job: DrawnJob,
    reply: Exclude<EvidenceReply, Refused>,
    executions: Executions | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { receipt, digest } = job
    const { domain, log } = this.#modules
    // Other bytes than the receipt names are none.
    if (Buffer.compare(hashOf(reply.terms), receipt.terms) !== 0)
      return this.#missing(provider, job, 'the provider shows other terms than the receipt names')
    if (reply.kind === 'optedOut') {
      if (isAudited(reply.terms))
        await this.#missing(provider, job, 'the provider keeps back a job that may be audited')
      return
    }
    const { terms, input, output } = reply
    if (!isNamed(receipt, input, output))
      return this.#missing(provider, job, 'the provider shows another input or output than the receipt names')
    if (executions === undefined) throw new Error('an audit without an execution')
    const evidence = { receipt, terms, input, output, provider: provider.publicKey, domain }
    const { verdict } = await auditEvidence(this.#modules, executions, evidence, signal)
    const detail = { provider: provider.name, receipt: bytesToHex(digest), ...verdict }
    if (verdict.verdict === 'bad') await this.#modules.keep(evidence)
    if (verdict.verdict === 'bad') log.warn(detail, 'an audit failed a job')
    else log.info(detail, 'a job was audited')
  }

  #withheld(provider: KnownProvider, job: DrawnJob): Promise<void> {
    return this.#missing(
      provider,
      job,
      'the provider refused what belongs to the receipt as long as it had to keep it',
    )
  }

  /** It blames nobody: a slow line looks the same. But so much of a provider's record it takes back. */
  async #passedOver({ publicKey, name }: KnownProvider, { receipt, digest }: DrawnJob): Promise<void> {
    const { beacon, signer, onFinding, now, log } = this.#modules
    const { channelId, index, issuedAt } = receipt
    log.info(
      { provider: name, receipt: bytesToHex(digest) },
      'a provider was silent about one drawn job, and answered for others',
    )
    const round = drawingRound(beacon, issuedAt)
    const place = { provider: publicKey, channelId, index, receipt: digest, round }
    const at = Math.floor(now() / 1000)
    await onFinding(signFinding(signer, { ...place, verdict: 'undecided', reason: UNANSWERED, at }))
  }

  #missing(provider: KnownProvider, { receipt, digest }: DrawnJob, reason: string): Promise<void> {
    const { channelId, index, issuedAt } = receipt
    const round = drawingRound(this.#modules.beacon, issuedAt)
    return findMissing(this.#modules, provider, { channelId, index, receipt: digest, round, reason })
  }
}

const UNANSWERED =
  'the provider answered for others, and was silent about this one as long as it had to keep it'

const isNamed = (receipt: SignedReceipt, input: Uint8Array, output: Uint8Array): boolean =>
  Buffer.compare(hashOf(input), receipt.input) === 0 && Buffer.compare(hashOf(output), receipt.output) === 0

/** Terms that cannot be read are no consent to anything. */
function isAudited(terms: Uint8Array): boolean {
  try {
    return decodeTerms(terms).audit
  } catch (error) {
    if (error instanceof UserError) return false
    throw error
  }
}
