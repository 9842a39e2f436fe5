/**
 * The provider: sells work of this machine's models to whoever asks over the network. Free jobs are answered with their
 * output; of the others the receipt comes first, and the output once a voucher pays for it (docs/inference.md).
 *
 *     const provider = new Provider({ price, ... }, { host, signer, jobs, log })
 *     await provider.start()
 *     provider.payThrough(chain, payee, keeper)   // once the chain is there
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { addressOfPublicKey } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import type { Signer } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import type { Host, Remote } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import type { JobOutput } from '../job.js'
import { isSpeechTooLong, speechTooLong } from '../local/run-job.js'
import {
  decodeInput,
  decodeTerms,
  encodeOutput,
  hashOf,
  MAX_OUTPUT_BYTES,
  parametersOf,
} from '../network/job-codec.js'
import {
  EVIDENCE_MESSAGE,
  HAVE_MESSAGE,
  JOB_MESSAGE,
  type JobReply,
  type JobRequest,
  OFFER_MESSAGE,
  PAY_MESSAGE,
  RECEIPTS_MESSAGE,
  refusalOf,
  SYNC_MESSAGE,
} from '../network/messages.js'
import { type OfferContent, type OfferedModel, signOffer } from '../network/offer.js'
import { readVoucher, receiptToCbor, type SignedReceipt, voucherToCbor } from '../payment/index.js'
import { sharedAddress } from '../shared-address.js'
import { priceOf, unitsOf } from '../units.js'
import { honestProvider, type ProviderBehaviour } from './behaviour.js'
import type { EvidenceDesk } from './evidence-desk.js'
import type { PaidService } from './paid-service.js'
import { type PriceList, requireSellable } from './price-list.js'
import { type ShownReceiptsModules, showReceipts } from './shown-receipts.js'
import type { ProviderJobs } from './sold-jobs.js'
import { offeredModel, requireNoAudit, requireSameTerms } from './sold-terms.js'
import { Speeds } from './speeds.js'

export interface ProviderOptions {
  readonly prices: PriceList
  /** The operator's words on non-commercial licences. */
  readonly nonCommercial: string | undefined
  /** Jobs that wait or run, at most, for the offer. */
  readonly queue: number
  /** Jobs of one client at once. */
  readonly jobsPerClient: number
  /** How long what the beacon drew is kept for auditors. */
  readonly keptSeconds: number
}

export interface ProviderModules {
  readonly host: Host
  readonly signer: Signer
  readonly jobs: ProviderJobs
  readonly log: Logger
  readonly behaviour?: ProviderBehaviour
}

/** What paid jobs need; absent until the chain is reached. */
export interface Payment {
  readonly service: PaidService
  readonly desk: EvidenceDesk
  readonly domain: TypedDomain
  readonly offered: NonNullable<OfferContent['payment']>
}

export interface ProviderStatus {
  readonly models: readonly string[]
  readonly jobs: number
  readonly served: number
}

const MOST_CLIENTS = 10_000
const MAX_ADDRESSES = 8

export class Provider {
  readonly #options: ProviderOptions
  readonly #modules: ProviderModules
  readonly #behaviour: ProviderBehaviour
  readonly #underWay = new Map<string, number>()
  #sold = new Map<string, OfferedModel>()
  readonly #speeds = new Speeds()
  #payment: Payment | undefined
  #served = 0

  constructor(options: ProviderOptions, modules: ProviderModules) {
    this.#options = options
    this.#modules = modules
    this.#behaviour = modules.behaviour ?? honestProvider
  }

  /** Reads the catalogue, and answers. @throws UserError NOT_FOUND for a model that is not there, DENIED by its licence */
  async start(): Promise<void> {
    const { prices, nonCommercial } = this.#options
    const { host, jobs, log } = this.#modules
    for (const model of await jobs.models()) {
      const priceWeiPerUnit = prices.priceOf(model.id)
      requireSellable(model, priceWeiPerUnit, nonCommercial)
      if (model.licence === null && priceWeiPerUnit > 0n)
        log.warn(
          { model: model.id },
          'the licence of a model that is sold is not known: its card says nothing',
        )
      this.#sold.set(model.sha256, offeredModel(model, priceWeiPerUnit))
    }
    await host.handle(OFFER_MESSAGE, async () => ({ offer: this.offer() }))
    await host.handle(JOB_MESSAGE, (request, remote, signal) => this.#job(request, remote, signal), {
      isCancelled: true,
    })
    await host.handle(PAY_MESSAGE, async ({ jobId, voucher }, remote) => {
      try {
        const paid = await this.#paid().service.pay(remote, jobId, readVoucher(voucher))
        return 'output' in paid
          ? { kind: 'output' as const, output: paid.output }
          : { kind: 'credited' as const, receipts: paid.credits.map(receiptToCbor) }
      } catch (error) {
        return this.#refusal(error)
      }
    })
    await host.handle(HAVE_MESSAGE, async ({ channelId, jobIds }, remote) => {
      this.#paid().service.have(remote, channelId, jobIds)
      return null
    })
    await host.handle(RECEIPTS_MESSAGE, async (request, remote) => {
      const { service, desk, domain } = this.#paid()
      const modules: ShownReceiptsModules = {
        payerOf: (channelId) => service.payerOf(channelId),
        receipts: (channelId, from) => service.receipts(channelId, from),
        isAuditor: (asker) => desk.isAuditor(asker),
        shown: (receipts) =>
          this.#behaviour.shownReceipts(
            receipts.filter((each) => this.#produces(each)),
            domain,
          ),
      }
      return showReceipts(modules, request, remote)
    })
    await host.handle(EVIDENCE_MESSAGE, async ({ receipt }, remote) => {
      const { desk } = this.#paid()
      return this.#behaviour.evidence(receipt, () => desk.answer(remote, receipt))
    })
    await host.handle(SYNC_MESSAGE, async ({ channelId, voucher, from, asked }, remote) => {
      const given = voucher === undefined ? undefined : readVoucher(voucher)
      const request = { channelId, voucher: given, from, asked }
      const { receipts, voucher: newest, ...stand } = await this.#paid().service.sync(remote, request)
      return {
        ...{ ...stand, receipts: receipts.map(receiptToCbor) },
        ...(newest === undefined ? {} : { voucher: voucherToCbor(newest) }),
      }
    })
  }

  async stop(): Promise<void> {
    const { host } = this.#modules
    for (const message of [
      OFFER_MESSAGE,
      JOB_MESSAGE,
      PAY_MESSAGE,
      HAVE_MESSAGE,
      RECEIPTS_MESSAGE,
      EVIDENCE_MESSAGE,
      SYNC_MESSAGE,
    ])
      await host.unhandle(message)
  }

  /** From now on paid jobs are taken. */
  payThrough(payment: Payment): void {
    this.#payment = payment
  }

  /** Signed, as it is at the moment: paid models only where they can be paid. */
  offer(): Uint8Array {
    const { host, signer } = this.#modules
    const payment = this.#payment?.offered
    const models = [...this.#sold]
      .filter(([, { priceWeiPerUnit }]) => priceWeiPerUnit === 0n || payment !== undefined)
      .map(([sha256, model]) => ({ ...model, ...this.#speeds.of(sha256) }))
    const content: OfferContent = {
      addresses: host.addresses().slice(0, MAX_ADDRESSES),
      models,
      ...(payment === undefined ? {} : { payment }),
      queue: this.#options.queue,
      underWay: this.#modules.jobs.length,
      keptSeconds: payment === undefined ? 0 : this.#options.keptSeconds,
      audited: true,
    }
    return signOffer(signer, content, Date.now())
  }

  /** Whether somebody waits for a job. */
  get isBusy(): boolean {
    return this.#underWay.size > 0
  }

  status(): ProviderStatus {
    return {
      models: [...this.#sold.values()].map(({ id }) => id),
      jobs: this.#modules.jobs.length,
      served: this.#served,
    }
  }

  async #job(request: JobRequest, remote: Remote, signal: AbortSignal): Promise<JobReply> {
    const { peerId } = remote
    const count = this.#underWay.get(peerId) ?? 0
    try {
      if (count >= this.#options.jobsPerClient || (count === 0 && this.#underWay.size >= MOST_CLIENTS))
        throw new UserError(`${count} jobs of yours are under way`, {
          code: 'BUSY',
          remedy: 'wait for one of them',
          details: { retryAfterSeconds: this.#modules.jobs.retryAfterSeconds },
        })
      this.#underWay.set(peerId, count + 1)
      try {
        return await this.#run(request, remote, signal)
      } finally {
        const left = (this.#underWay.get(peerId) ?? 1) - 1
        if (left > 0) this.#underWay.set(peerId, left)
        else this.#underWay.delete(peerId)
      }
    } catch (error) {
      if (signal.aborted) throw error
      return this.#refusal(error)
    }
  }

  async #run(request: JobRequest, remote: Remote, signal: AbortSignal): Promise<JobReply> {
    const { jobId, model, terms: encodedTerms, input: encodedInput } = request
    const sha256 = bytesToHex(model)
    const sold = this.#sold.get(sha256)
    if (sold === undefined)
      throw new UserError('this model is not offered', {
        code: 'NOT_FOUND',
        remedy: 'ask for the offer again',
      })
    const input = decodeInput(encodedInput)
    const terms = decodeTerms(encodedTerms)
    const units = unitsOf(sold.unit, input)
    requireSameTerms(terms, sold, units)
    requireNoAudit(terms, sold)
    const priceWei = priceOf(units, sold.priceWeiPerUnit)
    const isFree = priceWei === 0n
    const payment = isFree ? undefined : this.#paid()
    const paid = payment?.service
    let room: (() => void) | undefined
    let channelId: Uint8Array | undefined
    let workedMs: (() => number) | undefined
    try {
      channelId = await paid?.admit(remote, request, priceWei, signal)
      // Only now: room for evidence is nothing that a stranger without a channel can hold.
      room = payment?.desk.expect(encodedTerms, encodedInput, addressOfPublicKey(remote.publicKey))
      const started = performance.now()
      let runMs = 0
      const run = async (instead = sha256): Promise<Uint8Array> => {
        const job = { task: terms.task, model: instead, input, parameters: parametersOf(terms) }
        const answer = await this.#modules.jobs.run(job, {
          signal,
          client: clientOf(remote, isFree),
          onBegun: (counted) => {
            workedMs = counted
          },
        })
        runMs = Math.round(answer.runSeconds * 1000)
        this.#speeds.learn(instead, answer.runSeconds, input)
        return encoded(answer.output)
      }
      const asked = { model: sha256, input: encodedInput, terms: encodedTerms, sold: this.#sold }
      const running = this.#behaviour.output(asked, run)
      // Hashed while the model runs.
      const hashes = { input: hashOf(encodedInput), terms: hashOf(encodedTerms) }
      const output = await running
      this.#served++
      this.#modules.log.debug(
        { peerId: remote.peerId, model: sold.id, units, wallMs: Math.round(performance.now() - started) },
        'a job ran',
      )
      if (payment === undefined || paid === undefined || channelId === undefined)
        return { kind: 'output', output, runMs }
      const work = this.#behaviour.work({
        jobId,
        model,
        ...hashes,
        output: hashOf(output),
        units,
        priceWei,
      })
      const { domain, desk } = payment
      const provider = this.#modules.signer.publicKey
      const receipt = await paid.issue(channelId, work, output, async (signed) => {
        if (!this.#produces(signed)) return
        const belongings = { terms: encodedTerms, input: encodedInput, output }
        await desk.keep({ receipt: signed, ...belongings, provider, domain })
      })
      return { kind: 'receipt', receipt: receiptToCbor(receipt), runMs }
    } catch (error) {
      // A text that takes too long is spoken in vain, and what takes longer than any job may is worked for in vain, as what is given up is.
      const doneShare = isSpeechTooLong(error)
        ? 1
        : (signal.aborted || isTimeout(error)) && workedMs !== undefined
          ? this.#speeds.doneShare(sha256, workedMs(), input)
          : 0
      if (channelId !== undefined) paid?.dismiss(channelId, jobId, shareOf(priceWei, doneShare))
      throw error
    } finally {
      room?.()
    }
  }

  #produces(receipt: SignedReceipt): boolean {
    return this.#behaviour.producesReceipt(receipt, Date.now() / 1000)
  }

  #paid(): Payment {
    if (this.#payment !== undefined) return this.#payment
    throw new UserError('this provider has not reached its chain yet', {
      code: 'UNAVAILABLE',
      remedy: 'ask again in a moment',
      details: { retryAfterSeconds: 5 },
    })
  }

  #refusal(error: unknown): ReturnType<typeof refusalOf> {
    if (!(error instanceof UserError)) this.#modules.log.error({ err: error }, 'a job failed')
    return refusalOf(error)
  }
}

/** @throws UserError {@link speechTooLong}; UNAVAILABLE: what else came of a job is not the job's fault */
function encoded(output: JobOutput): Uint8Array {
  if (output.kind === 'speech' && output.pcm16.length > MAX_OUTPUT_BYTES)
    throw speechTooLong(MAX_OUTPUT_BYTES)
  try {
    return encodeOutput(output)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(`what the model made cannot be sent: ${error.message}`, {
      code: 'UNAVAILABLE',
      remedy: 'ask for less at once',
      cause: error,
    })
  }
}

const isTimeout = (error: unknown): boolean => error instanceof UserError && error.code === 'TIMEOUT'

/** Rounded up. */
const shareOf = (wei: bigint, share: number): bigint => (wei * BigInt(Math.ceil(1000 * share)) + 999n) / 1000n

/** Who shares the line: a key costs nothing where jobs cost nothing, an address does. Through a relay there is only the key. */
function clientOf({ peerId, address, limited }: Remote, isFree: boolean): string {
  const [, , host] = address.split('/')
  return isFree && !limited && host !== undefined ? sharedAddress(host) : peerId
}
