/** Buying from the network, for commands and the gateway: a host, and a ledger and a chain once something costs money. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Chain, channelsContract, parseAmount } from '../../chain/index.js'
import { dataPaths } from '../../config/paths.js'
import type { Config } from '../../config/schema.js'
import type { Address } from '../../crypto/address.js'
import type { Identity } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import { readKnownModels } from '../../inference/catalogue/known-models.js'
import { ChannelNotes } from '../../inference/client/channel-notes.js'
import { Channels } from '../../inference/client/channels.js'
import { DailyBudget } from '../../inference/client/daily-budget.js'
import { LeftProviders } from '../../inference/client/left-providers.js'
import { NetworkJobs, type NetworkJobsOptions } from '../../inference/client/network-jobs.js'
import { Openings } from '../../inference/client/openings.js'
import type { ClientPayments } from '../../inference/client/payments.js'
import { Payer, paymentDomain } from '../../inference/payment/index.js'
import type { Host } from '../../p2p/index.js'
import type { Store } from '../../store/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { openNodeChain } from '../chain/link.js'
import { collectBetweenJobs } from '../heap.js'
import { createNodeHost } from '../host.js'
import { clientLedger, openLedger } from './client-ledger.js'
import { openOwnAudits, runOwnAudits } from './own-audits.js'
import { ToldOnce } from './told-once.js'

export interface NetworkClientOptions
  extends Pick<NetworkJobsOptions, 'providers' | 'maxPriceWei' | 'audit' | 'onRecipient' | 'onChainWait'> {
  readonly config: Config
  readonly identity: Identity
  readonly log: Logger
  /**
   * It is there for long: it audits what it buys (otherwise `plumbline audit` does), and looks after the deposits of this key
   * from the beginning, whether it ever pays again or not.
   */
  readonly isLasting?: boolean
  /** Told before money is locked in a channel. */
  readonly onLock?: (what: {
    readonly payee: Address
    readonly amountWei: bigint
    readonly isNew: boolean
  }) => void
  /** Told in a line of a channel that another ledger of this key used: it ends, and is not paid from. */
  readonly onGivenUp?: (line: string) => void
}

export interface NetworkClient {
  readonly jobs: NetworkJobs
  readonly host: Host
  /** Why nothing that costs something can be bought: another program pays with this key. Whether it still does is tried beside it. */
  unpayable(): string | undefined
  close(): Promise<void>
}

const SECONDS_PER_DAY = 86_400
/** Deposits come back within it, where a client runs. */
const REFUND_MS = 3_600_000
const DEVELOPMENT_REFUND_MS = 10_000
/** A stop does not wait for a chain that does not answer. */
const LAST_REFUND_MS = 1000
const FIRST_AGAIN_MS = 10_000
/** Jobs of this client under way with one provider. */
const MAX_JOBS = 64

/** Two that pay from one ledger would sign over the same money. */
const WHERE_IT_RUNS =
  'stop it first, or ask the gateway that runs: curl http://127.0.0.1:4030/v1/models, unless it listens elsewhere'

/** @throws UserError as the host and, with the first paid job, the chain */
export async function openNetworkClient(options: NetworkClientOptions): Promise<NetworkClient> {
  const { config, identity, log, onLock, onGivenUp, isLasting = false, ...rest } = options
  const { client } = config.inference
  const exposureWei = parseAmount(client.exposure)
  const configured = client.maxPrice === undefined ? undefined : parseAmount(client.maxPrice)
  const maxPriceWei = options.maxPriceWei ?? configured
  const isAudited = options.audit ?? client.audit
  const paths = dataPaths(config.dataDir)
  const budget = await DailyBudget.open(paths.spending, parseAmount(client.dailyBudget))
  const left = await LeftProviders.open(paths.leftProviders)
  const host = await createNodeHost({ config, identity, log, clientOnly: true })
  const audits =
    config.chain.rpcUrls.length === 0
      ? undefined
      : await openOwnAudits({ config, identity, host, log }).catch(async (error: unknown) => {
          await host.stop()
          throw error
        })
  const running =
    audits !== undefined && isAudited && isLasting ? runOwnAudits(audits, { host, identity, log }) : undefined
  const opened: { store?: Store; chain?: Chain } = {}
  let ledgerProblem: string | undefined
  const ledgerTried = Promise.withResolvers<void>()
  const directory = clientLedger(config.dataDir, identity.address)
  const stopping = new AbortController()
  let refunds: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  const openOwnLedger = async (): Promise<Store> => {
    try {
      const store = await openLedger(directory, WHERE_IT_RUNS)
      ledgerProblem = undefined
      return store
    } catch (error) {
      if (error instanceof UserError && error.code === 'LOCKED') ledgerProblem = error.line
      throw error
    } finally {
      ledgerTried.resolve()
    }
  }
  const open = async (): Promise<ClientPayments> => {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const store = opened.store ?? (await openOwnLedger())
    opened.store = store
    const chain = opened.chain ?? (await openNodeChain({ config, identity, store, log }))
    opened.chain = chain
    const contract = channelsContract(chain)
    const domain = paymentDomain(chain.chainId, contract)
    const books = store.paymentsMade
    const payer = await Payer.open({ domain, signer: identity, books }, { exposureWei, maxJobs: MAX_JOBS })
    const terms = {
      depositWei: parseAmount(client.deposit),
      lifeSeconds: client.channelDays * SECONDS_PER_DAY,
      ...(client.mostLocked === undefined ? {} : { mostLockedWei: parseAmount(client.mostLocked) }),
    }
    const { address } = identity
    const channels = new Channels(terms, {
      chain,
      payer,
      address,
      log,
      openings: await Openings.open(paths.openings),
      notes: await ChannelNotes.open(store.channelNotes),
      ...(onGivenUp === undefined ? {} : { onGivenUp }),
      ...(onLock === undefined ? {} : { onLock }),
    })
    const trouble = new ToldOnce(log)
    let isRefunding = false
    const refund = (): void => {
      // A chain that hangs is not asked again before it has answered or was given up.
      if (isRefunding) return
      isRefunding = true
      refunds = channels
        .refundOver(stopping.signal)
        .then(
          () => trouble.healed(),
          (error: unknown) => {
            if (!stopping.signal.aborted) trouble.failed(error, 'deposits were not looked after')
          },
        )
        .finally(() => {
          isRefunding = false
        })
    }
    refund()
    timer ??= setInterval(refund, chain.pollMs < 1000 ? DEVELOPMENT_REFUND_MS : REFUND_MS).unref()
    return { payer, channels, domain, chainId: chain.chainId, contract }
  }
  let payments: Promise<ClientPayments> | undefined
  const openPayments = (): Promise<ClientPayments> => {
    payments ??= open().catch((error: unknown) => {
      // The next job may find the chain again.
      payments = undefined
      throw error
    })
    return payments
  }
  const watching =
    isLasting && audits !== undefined && existsSync(directory)
      ? untilOpen(openPayments, { signal: stopping.signal, log })
      : undefined

  // Whether another program has the ledger is known when this returns.
  if (watching !== undefined) await Promise.race([ledgerTried.promise, watching])

  const jobs = new NetworkJobs(
    {
      ...rest,
      audit: isAudited,
      allowUnaudited: client.allowUnaudited,
      exposureWei,
      ...(maxPriceWei === undefined ? {} : { maxPriceWei }),
    },
    {
      host,
      log,
      left,
      budget,
      knownModels: () => readKnownModels(config.dataDir, log),
      ...(audits === undefined
        ? {}
        : { openPayments, audits: isAudited ? audits.buyer : { ...audits.buyer, isTimely: () => true } }),
    },
  )
  jobs.start()
  const endCollecting = collectBetweenJobs(() => jobs.underWay > 0)
  return {
    jobs,
    host,
    unpayable: () => {
      if (ledgerProblem !== undefined) openPayments().catch(() => undefined)
      return ledgerProblem
    },
    close: async () => {
      endCollecting()
      await jobs.close()
      clearInterval(timer)
      // What was sent is in the journal: the next one that runs takes it up.
      stopping.abort(new Error('the client stops'))
      await watching
      const opening = payments?.then(() => refunds).catch(() => undefined)
      await Promise.race([opening, sleep(LAST_REFUND_MS, undefined, { ref: false })])
      await running?.stop()
      await audits?.shelf.settled()
      await host.stop()
      await opened.chain?.close()
      await opened.store?.close()
    },
  }
}

/** A chain that is away comes again: who has deposits there goes on trying. */
async function untilOpen(
  openPayments: () => Promise<ClientPayments>,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  const trouble = new ToldOnce(log)
  for (let waitMs = FIRST_AGAIN_MS; !signal.aborted; waitMs = Math.min(2 * waitMs, REFUND_MS)) {
    try {
      await Promise.race([openPayments(), aborted(signal)])
      return
    } catch (error) {
      if (signal.aborted) return
      trouble.failed(error, 'deposits cannot be looked after yet')
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
