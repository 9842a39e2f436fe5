/**
 * Who could do a job, and for how much: the offers that fit, the cheapest first, of these whose work was found good more
 * often, of these who is much faster, of these who has a channel already, of these the nearest; behind them what no audit can judge, and behind all who failed
 * of late.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { formatEther } from '../../chain/index.js'
import { UserError } from '../../errors.js'
import type { KnownModels } from '../catalogue/known-models.js'
import type { Job, JobInput, ServedModel } from '../job.js'
import { MAX_INPUT_BYTES } from '../network/job-codec.js'
import type { Offer, OfferedModel } from '../network/offer.js'
import { smallest } from '../payment/wei.js'
import { priceOf, unitsOf, workOf } from '../units.js'
import type { SpeedHint } from './conduct.js'
import type { FoundOffer } from './offers.js'

/** Of a text: what providers take unless they are made otherwise (local/local-jobs.ts). */
const MOST_CHARACTERS = 20_000
/** Below it nobody waits longer than for a round trip. */
const LEAST_FELT_MS = 100

export interface Candidate extends FoundOffer {
  readonly model: OfferedModel
  readonly units: number
  readonly priceWei: bigint
  /** As `Conduct.arrears`. */
  readonly arrears: number
  /** How often its work was found good, in doublings: one finding more outweighs no shorter way. */
  readonly goodDoublings: number
  /** How long it may take, in doublings: a channel is opened with nobody new for a little less time. */
  readonly slowDoublings: number
  /** Whether a channel with it runs; asked for only where all else is equal. */
  readonly hasChannel: () => boolean
}

export interface CandidateLimits {
  readonly maxPriceWei: bigint | undefined
  /** Neither asked nor listed. */
  readonly isShunned: (offer: Offer) => boolean
  /** As `Conduct.arrears`. */
  readonly arrears: (peerId: string) => number
  /** As `BuyerAudits.goodFindings`. */
  readonly goodFindings: (peerId: string) => number
  /** As `Conduct.expectedMs`. */
  readonly expectedMs: (peerId: string, work: number, hint: SpeedHint) => number
  /** As `Purse.hasChannel`. */
  readonly hasChannel: (offer: Offer) => boolean
  /** Whether what no audit can judge is bought as well. */
  readonly isUnauditedTaken: boolean
}

/** What an offer has for a job. */
export const offeredFor = (
  { task, model }: Pick<Job, 'task' | 'model'>,
  { models }: Offer,
): OfferedModel | undefined => models.find((each) => each.task === task && bytesToHex(each.sha256) === model)

/**
 * @param inputs of the jobs as which it is bought: units are counted whole in each
 * @throws UserError NOT_FOUND, DENIED with have and need
 */
export function candidatesFor(
  job: Job,
  found: readonly FoundOffer[],
  {
    maxPriceWei,
    isShunned,
    arrears,
    goodFindings,
    expectedMs,
    isUnauditedTaken,
    hasChannel,
  }: CandidateLimits,
  inputs: readonly JobInput[] = [job.input],
): readonly Candidate[] {
  const all = found.flatMap((each): Candidate[] => {
    const model = offeredFor(job, each.offer)
    if (model === undefined) return []
    const units = inputs.reduce((sum, input) => sum + unitsOf(model.unit, input), 0)
    const priceWei = priceOf(units, model.priceWeiPerUnit)
    const { peerId } = each.offer
    const goodDoublings = Math.floor(Math.log2(1 + goodFindings(peerId)))
    const { runMsPerSecond } = model
    const expected = expectedMs(peerId, workOf(job.input), { runMsPerSecond, underWay: each.offer.underWay })
    const slowDoublings = Math.floor(Math.log2(1 + expected / LEAST_FELT_MS))
    let known: boolean | undefined
    return [
      {
        ...{ ...each, model, units, priceWei, arrears: arrears(peerId), goodDoublings, slowDoublings },
        hasChannel: () => {
          known ??= hasChannel(each.offer)
          return known
        },
      },
    ]
  })
  if (all.length === 0)
    throw new UserError(`nobody offers the model ${job.model.slice(0, 16)}`, {
      code: 'NOT_FOUND',
      remedy: 'ask which models there are, or name a --provider',
    })
  const auditable = isUnauditedTaken ? all : all.filter(({ model }) => model.unaudited !== true)
  if (auditable.length === 0)
    throw new UserError(
      `the model ${job.model.slice(0, 16)} runs on servers behind its providers (${all.length}): no audit can tell what they answer`,
      {
        code: 'DENIED',
        remedy: 'choose another model, or set inference.client.allowUnaudited to true',
      },
    )
  const offering = auditable.filter(({ offer }) => !isShunned(offer))
  if (offering.length === 0)
    throw new UserError(
      `whoever offers the model ${job.model.slice(0, 16)} has cheated or failed audits (${auditable.length})`,
      {
        code: 'DENIED',
        remedy:
          'plumbline audit --records and purchases/left.json of the data directory tell who and when; name another --provider',
      },
    )
  const fitting =
    maxPriceWei === undefined ? offering : offering.filter(({ priceWei }) => priceWei <= maxPriceWei)
  if (fitting.length === 0) {
    const needWei = offering.map(({ priceWei }) => priceWei).reduce(smallest)
    const haveWei = maxPriceWei ?? 0n
    throw new UserError(
      `too expensive: have ${formatEther(haveWei)}, need ${formatEther(needWei, 'up')} at least`,
      {
        code: 'DENIED',
        remedy: 'raise the highest price (--max-price), or send less',
        details: { haveWei: String(haveWei), needWei: String(needWei) },
      },
    )
  }
  return fitting.sort(inOrder)
}

/** @throws UserError BAD_ARGUMENT for a sound or a text that no provider takes, before anything is paid */
export function requireSendable({ input }: Job): void {
  if (input.kind === 'text') {
    if (input.text.length <= MOST_CHARACTERS) return
    throw new UserError(`the text has ${input.text.length} characters`, {
      code: 'BAD_ARGUMENT',
      remedy: `send at most ${MOST_CHARACTERS} at once: cut it`,
    })
  }
  if (input.pcm16.length <= MAX_INPUT_BYTES) return
  throw new UserError(`the sound has ${input.pcm16.length} bytes`, {
    code: 'BAD_ARGUMENT',
    remedy: `send at most ${MAX_INPUT_BYTES} at once: cut it, or lower its sample rate`,
  })
}

export function inOrder(a: Candidate, b: Candidate): number {
  if (a.arrears !== b.arrears) return a.arrears - b.arrears
  const [aUnaudited, bUnaudited] = [a.model.unaudited === true, b.model.unaudited === true]
  if (aUnaudited !== bUnaudited) return aUnaudited ? 1 : -1
  if (a.priceWei !== b.priceWei) return a.priceWei < b.priceWei ? -1 : 1
  if (a.goodDoublings !== b.goodDoublings) return b.goodDoublings - a.goodDoublings
  if (a.slowDoublings !== b.slowDoublings) return a.slowDoublings - b.slowDoublings
  const [aKnown, bKnown] = [a.hasChannel(), b.hasChannel()]
  if (aKnown !== bKnown) return aKnown ? -1 : 1
  return (a.latencyMs ?? Number.POSITIVE_INFINITY) - (b.latencyMs ?? Number.POSITIVE_INFINITY) || 0
}

/**
 * All that is offered, the cheapest first; what is known here under the name that it has here.
 * @param isUnauditedTaken whether what no audit can judge is among it
 */
export function servedModels(
  found: readonly FoundOffer[],
  known: KnownModels,
  isUnauditedTaken: boolean,
): readonly ServedModel[] {
  return found
    .flatMap(({ offer }) =>
      offer.models
        .filter(({ unaudited }) => isUnauditedTaken || unaudited !== true)
        .map((model) => servedModel(offer, model, known)),
    )
    .sort((a, b) =>
      a.priceWeiPerUnit < b.priceWeiPerUnit ? -1 : a.priceWeiPerUnit > b.priceWeiPerUnit ? 1 : 0,
    )
}

function servedModel(
  offer: Offer,
  { id, sha256, task, languages, licence, unit, priceWeiPerUnit }: OfferedModel,
  known: KnownModels,
): ServedModel {
  const hash = bytesToHex(sha256)
  const standing = known.standing(id, hash)
  return {
    id: standing.names[0] ?? id,
    sha256: hash,
    task,
    languages,
    licence: licence ?? null,
    unit,
    priceWeiPerUnit,
    ownedBy: offer.peerId,
    addedAtMs: offer.sequence,
    standing,
  }
}

/** For messages to people. */
export const providerName = ({ peerId }: Pick<Offer, 'peerId'>): string => `provider ..${peerId.slice(-8)}`
