/** The role provider of a daemon: its models, its offers, and, once the chain is there, its payments. */
import { type Chain, channelsContract, parseAmount, readNode } from '../../chain/index.js'
import { dataPaths } from '../../config/paths.js'
import type { Config } from '../../config/schema.js'
import { addressBytes, addressOfPublicKey } from '../../crypto/address.js'
import type { Identity } from '../../crypto/identity.js'
import { EVIDENCE, Sealing } from '../../crypto/sealing.js'
import { UserError } from '../../errors.js'
import { EvidenceShelf } from '../../inference/audit/evidence-shelf.js'
import { OfferTable } from '../../inference/network/offer-table.js'
import { OffersGossip } from '../../inference/network/offers-gossip.js'
import {
  ChannelKeeper,
  ChannelsUnread,
  Payee,
  paymentDomain,
  RetiredOpenings,
} from '../../inference/payment/index.js'
import type { ProviderBehaviour } from '../../inference/provider/behaviour.js'
import type { LookedKeeper } from '../../inference/provider/channel-looks.js'
import { EvidenceDesk } from '../../inference/provider/evidence-desk.js'
import { HeldOutputs } from '../../inference/provider/held-outputs.js'
import { priceList } from '../../inference/provider/price-list.js'
import { Provider, type ProviderStatus } from '../../inference/provider/provider.js'
import { SoldJobs } from '../../inference/provider/sold-jobs.js'
import type { StandingStill } from '../../inference/standing-still.js'
import type { Host, Remote } from '../../p2p/index.js'
import type { Store } from '../../store/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { collectBetweenJobs } from '../heap.js'
import { type EarningChannel, earningChannel, unredeemedIn, unseenProblem } from './channel-list.js'
import { ChannelRounds, FollowedPaidService, requireRedeemedInTime } from './channel-rounds.js'
import { KeptTrying } from './kept-trying.js'
import { openRandomness } from './randomness.js'
import { openSoldModels } from './sold-models.js'
import { openUpstream } from './sold-upstream.js'
import { ToldOnce } from './told-once.js'

export interface ProviderRoleModules {
  readonly config: Config
  readonly identity: Identity
  readonly host: Host
  readonly store: Store
  readonly log: Logger
  readonly standingStill: StandingStill
  readonly behaviour?: ProviderBehaviour
}

export interface ProviderRole {
  /**
   * The chain is there: resolves when paid jobs are taken, which is tried until it succeeds, or when the role is stopped.
   * @throws UserError BAD_CONFIG with have and need, where vouchers would not be redeemed in time
   */
  payThrough(chain: Chain): Promise<void>
  status(): ProviderRoleStatus
  /** For `plumbline channels list`, which cannot open a running node's ledger. */
  channels(): readonly EarningChannel[]
  stop(): Promise<void>
}

export interface ProviderRoleStatus extends ProviderStatus {
  readonly channels: number
  readonly unredeemedWei: string
  /** Why no paid jobs are taken; absent where they are, or nothing costs anything. */
  readonly paidJobsProblem?: string
  /** Channels that are not on this chain any more; absent where all are. */
  readonly channelsProblem?: string
}

const MIB = 2 ** 20
/** An output waits so long for its payment; then it is credited where it was paid for. */
const HELD_MS = 10 * 60_000
const HELD_BYTES = 256 * MIB
const JOBS_PER_CLIENT = 64
/** One client alone never fills the line, so that whoever comes meanwhile has a place. */
const CLIENT_SHARE = 3 / 4
const MAX_CHANNELS = 4000
/** The present one, and one for each day of the audit window: a client's channel lasts a day at least. */
const CHANNELS_PER_CLIENT = 8
/** A job must be through before its channel ends. */
const LEAST_REMAINING_SECONDS = 600
/** Receipts are kept so long after their channel ended, for auditors. */
const AUDIT_WINDOW_SECONDS = 7 * 86_400
/** What the beacon drew waits so long for auditors: they come every minute, and may be away for a night. */
const AUDIT_KEPT_SECONDS = 86_400
/** A twentieth of a day's recordings: 20 GiB of sold sound, 10 GiB where one client buys all of it. */
const AUDIT_KEPT_BYTES = 2 ** 30
/** Whether a peer is a challenger is asked of the chain so often. */
const AUDITOR_KNOWN_MS = 10 * 60_000
const MOST_AUDITORS = 1000
const PUBLIC_ROUND_SECONDS = 60
const DEVELOPMENT_ROUND_SECONDS = 5
/** A stop does not wait longer for its last redemption. */
const LAST_ROUND_MS = 30_000

/** @throws UserError BAD_CONFIG where nothing is for sale, or for money without a chain, UNAVAILABLE for a model that does not fit; as `Provider.start` */
export async function startProvider(modules: ProviderRoleModules): Promise<ProviderRole> {
  const { config, identity, host, log, standingStill, behaviour } = modules
  const { provider: terms } = config.inference
  const prices = priceList([...terms.models, ...terms.upstream.models])
  if (prices.names.length === 0)
    throw new UserError('a provider needs something to sell', {
      code: 'BAD_CONFIG',
      remedy: 'give --sell asr-small="2000 gwei", or set inference.provider.models',
      exitStatus: 2,
    })
  if (!prices.isFree && config.chain.rpcUrls.length === 0)
    throw new UserError('jobs that cost something are paid on a chain, and none is configured', {
      code: 'BAD_CONFIG',
      remedy: 'set chain.rpcUrls, or ask for 0 wei',
      exitStatus: 2,
    })
  const upstream = await openUpstream(config)
  const local = await openSoldModels(config, priceList(terms.models).names, log)
  const jobs = new SoldJobs(local, upstream)
  const provider = new Provider(
    {
      prices,
      nonCommercial: terms.nonCommercial,
      queue: terms.queue + terms.parallel,
      jobsPerClient: Math.max(1, Math.min(JOBS_PER_CLIENT, Math.floor(terms.queue * CLIENT_SHARE))),
      keptSeconds: AUDIT_KEPT_SECONDS,
    },
    { host, signer: identity, jobs, log, ...(behaviour === undefined ? {} : { behaviour }) },
  )
  const gossip = new OffersGossip({ host, table: new OfferTable(Date.now), log })
  const opening = new KeptTrying<Payments>({ failure: 'paid jobs are not taken', log })
  let isReached = prices.isFree
  let payments: Payments | undefined
  const paidJobsProblem = (): string | undefined =>
    isReached ? (payments?.problem() ?? opening.problem) : 'the chain has not been reached yet'
  try {
    await local.requireRoom()
    await provider.start()
    gossip.start()
    await gossip.announce(() => provider.offer())
  } catch (error) {
    await jobs.close()
    throw error
  }
  const leave = standingStill.join(jobs)
  const endCollecting = collectBetweenJobs(() => provider.isBusy || standingStill.isHeld)
  return {
    payThrough: async (chain) => {
      if (prices.isFree) return
      isReached = true
      payments = await opening.open(
        () => openPayments(chain, modules),
        (late) => late.stop(),
      )
      if (payments === undefined) return
      provider.payThrough(payments.offered)
      await gossip.publish()
    },
    channels: () => payments?.channels() ?? [],
    status: () => {
      const problem = paidJobsProblem()
      return {
        ...provider.status(),
        ...(payments?.status() ?? { channels: 0, unredeemedWei: '0' }),
        ...(problem === undefined ? {} : { paidJobsProblem: problem }),
      }
    },
    stop: async () => {
      gossip.stop()
      await provider.stop()
      leave()
      endCollecting()
      await jobs.close()
      await opening.stop()
      await payments?.stop()
    },
  }
}

interface Payments {
  readonly offered: Parameters<Provider['payThrough']>[0]
  status(): Pick<ProviderRoleStatus, 'channels' | 'unredeemedWei' | 'channelsProblem'>
  channels(): readonly EarningChannel[]
  /** Why no job is begun at the moment. */
  problem(): string | undefined
  stop(): Promise<void>
}

async function openPayments(
  chain: Chain,
  { config, identity, store, log }: ProviderRoleModules,
): Promise<Payments> {
  const { provider: terms } = config.inference
  const contract = channelsContract(chain)
  const exposureWei = parseAmount(terms.clientExposure)
  const leastDepositWei = parseAmount(terms.leastDeposit)
  const isDevelopment = chain.pollMs < 1000
  const roundTerms = {
    roundSeconds: isDevelopment ? DEVELOPMENT_ROUND_SECONDS : PUBLIC_ROUND_SECONDS,
    challengeSeconds: chain.terms.channelChallengeSeconds,
  }
  // A development chain's challenge period is a minute, and its gas costs nothing.
  requireRedeemedInTime(terms.redeemBeforeEndSeconds, roundTerms, !isDevelopment)
  const payee = await Payee.open(
    {
      domain: paymentDomain(chain.chainId, contract),
      signer: identity,
      books: store.paymentsEarned,
      now: () => Math.floor(Date.now() / 1000),
    },
    {
      exposureWei,
      maxJobs: JOBS_PER_CLIENT,
      leastRemainingSeconds: isDevelopment ? 1 : LEAST_REMAINING_SECONDS,
    },
  )
  const credits = await payee.creditAllLost()
  if (credits.length > 0)
    log.warn({ credits: credits.length }, 'outputs that the last stop lost are credited')
  const keeper = new ChannelKeeper(
    {
      policy: {
        thresholdWei: parseAmount(terms.redeemAt),
        beforeEndSeconds: terms.redeemBeforeEndSeconds,
        leastWei: 0n,
      },
      leastDepositWei,
      maxChannels: MAX_CHANNELS,
      maxPerPayer: CHANNELS_PER_CLIENT,
      auditWindowSeconds: AUDIT_WINDOW_SECONDS,
    },
    {
      chain,
      payee,
      address: identity.address,
      retired: new RetiredOpenings(store.retiredOpenings),
      log,
    },
  )
  const { beacon, of } = openRandomness(config)
  const shelf = await EvidenceShelf.open({
    directory: dataPaths(config.dataDir).soldEvidence,
    mostBytes: AUDIT_KEPT_BYTES,
    keptSeconds: AUDIT_KEPT_SECONDS,
    isOwed: true,
    sealing: Sealing.of(identity, EVIDENCE),
    log,
  })
  const desk = new EvidenceDesk({
    shelf,
    beacon,
    randomness: of,
    isAuditor: auditorCheck(chain, terms.auditors),
    payerOf: (channelId) => payee.find(channelId)?.payer,
    log,
    now: () => Date.now(),
  })
  desk.start()
  const held = new HeldOutputs({ mostBytes: HELD_BYTES, mostMs: HELD_MS }, () => performance.now())
  const rounds = new ChannelRounds(roundTerms, () => Date.now())
  await keeper.follow().then(
    () => rounds.ended(),
    (error: unknown) => rounds.failed(error),
  )
  const trouble = new ToldOnce(log)
  const round = async (isClosing = false): Promise<void> => {
    try {
      await keeper.round(isClosing)
      rounds.ended()
      trouble.healed()
    } catch (error) {
      rounds.failed(error)
      const isUnread = error instanceof ChannelsUnread
      trouble.failed(error, isUnread ? 'the channels could not be looked at' : 'vouchers were not redeemed')
    }
  }
  const timer = setInterval(() => void round(), roundTerms.roundSeconds * 1000)
  timer.unref()
  const looked: LookedKeeper = {
    adopt: (payer) => keeper.adopt(payer),
    isMoreComing: (payer) => keeper.isMoreComing(payer),
    isKnown: (payer) => payee.accounts().some((account) => account.payer === payer),
  }
  return {
    offered: {
      service: new FollowedPaidService({ payee, keeper: looked, held }, rounds),
      desk,
      domain: paymentDomain(chain.chainId, contract),
      offered: { chainId: chain.chainId, contract: addressBytes(contract), leastDepositWei, exposureWei },
    },
    status: () => {
      const accounts = payee.accounts()
      const unredeemed = unredeemedIn(accounts)
      const gone = unseenProblem(keeper.unseen)
      return {
        channels: accounts.length,
        unredeemedWei: String(unredeemed),
        ...(gone === undefined ? {} : { channelsProblem: gone }),
      }
    },
    channels: () => payee.accounts().map(earningChannel),
    problem: () => rounds.problem,
    stop: async () => {
      clearInterval(timer)
      await desk.stop()
      // What clients said that they have is kept with the next step of an account: this is one.
      for (const account of payee.accounts()) await payee.setChannel(account.payer, account)
      const late = new Promise<void>((resolve) => setTimeout(resolve, LAST_ROUND_MS).unref())
      // One that is under way redeems only what was due.
      await Promise.race([round().then(() => round(true)), late])
    },
  }
}

/** Who has a seat among the challengers has something to lose; others the operator names. */
function auditorCheck(chain: Chain, named: readonly string[]): (remote: Remote) => Promise<boolean> {
  const known = new Map<string, { readonly isSeated: boolean; readonly atMs: number }>()
  return async ({ peerId, publicKey }) => {
    if (named.includes(peerId)) return true
    const now = performance.now()
    const before = known.get(peerId)
    if (before !== undefined && now - before.atMs < AUDITOR_KNOWN_MS) return before.isSeated
    const address = addressOfPublicKey(publicKey)
    const node = await readNode(chain, address)
    const isSeated = node !== undefined && node.seats > 0 && node.hotKey === address
    known.delete(peerId)
    known.set(peerId, { isSeated, atMs: now })
    const [oldest] = known.keys()
    if (known.size > MOST_AUDITORS && oldest !== undefined) known.delete(oldest)
    return isSeated
  }
}
