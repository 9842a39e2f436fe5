/**
 * A daemon's tie to its chain. A chain that cannot be reached stops nothing: challenges without a chain go on, those of
 * the chain are refused for the moment, and the tie is made again.
 */
import {
  type Chain,
  chainReason,
  openConfiguredChain,
  openSeatCache,
  readNode,
  readProverAccount,
  type SeatCache,
} from '../../chain/index.js'
import { expandPath } from '../../config/paths.js'
import type { Config, Role } from '../../config/schema.js'
import type { Address } from '../../crypto/address.js'
import type { BeaconInfo } from '../../crypto/beacon.js'
import type { Signer } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import type { Committee } from '../../pob/committee.js'
import type { Request } from '../../pob/request.js'
import type { CommitteeSource } from '../../roles/committee-source.js'
import type { Admission } from '../../roles/control-messages.js'
import { Refusal } from '../../roles/protocol-error.js'
import type { Store } from '../../store/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { ChainKeeper, DEVELOPMENT_KEEPING, type KeeperModules, PUBLIC_KEEPING } from './keeper.js'
import { KeptFigures } from './kept-figures.js'
import { ChainSource } from './source.js'

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000

export interface ChainStatus {
  /** Null while the chain was never reached. */
  readonly chainId: number | null
  /** Whether it ever said what this node has there; otherwise registration, balance and deposit say nothing. */
  readonly isKnown: boolean
  readonly registered: boolean
  /** Seats that this node is drawn by. */
  readonly seats: number
  readonly pendingTransactions: number
  /** For gas, in wei. */
  readonly balanceWei: string
  /** A prover's deposit that no challenge binds, in wei. */
  readonly depositWei: string
  /** Fees earned and not yet paid out, in wei. */
  readonly claimableWei: string
  readonly problems: readonly string[]
}

export interface ChainLinkModules {
  readonly config: Config
  readonly identity: Signer & { readonly address: Address }
  readonly roles: readonly Role[]
  readonly beacon: BeaconInfo
  readonly store: Store
  readonly log: Logger
}

/** What the chain is asked for with each status. */
interface ChainFigures {
  readonly registered: boolean
  readonly seats: number
  readonly balanceWei: bigint
  readonly depositWei: bigint
}

interface Tie {
  readonly chain: Chain
  readonly seats: SeatCache
  readonly source: ChainSource
  readonly keeper: ChainKeeper
  readonly figures: KeptFigures<ChainFigures>
}

/** Opens the configured chain for reading and sending. */
export async function openNodeChain(
  modules: Pick<ChainLinkModules, 'config' | 'identity' | 'store' | 'log'>,
  signal?: AbortSignal,
): Promise<Chain> {
  const { config, identity, store, log } = modules
  const { addresses, ...settings } = config.chain
  return openConfiguredChain(
    { ...settings, addresses: addresses === undefined ? undefined : expandPath(addresses) },
    { dataDir: config.dataDir, identity, store, log, signal },
  )
}

export class ChainLink implements CommitteeSource {
  readonly #modules: ChainLinkModules
  readonly #stopping = new AbortController()
  #tie: Tie | undefined
  #gatherNoResult: KeeperModules['gatherNoResult']
  #problem: string | undefined
  #retryMs = FIRST_RETRY_MS
  #timer: NodeJS.Timeout | undefined
  #opening: Promise<void> | undefined
  #onOpen: ((chain: Chain) => void)[] = []

  constructor(modules: ChainLinkModules) {
    this.#modules = modules
  }

  /** Resolves after the first try. @throws UserError for a configuration that no retry mends */
  async start(): Promise<void> {
    await this.#open()
  }

  /** The challenger of this node, once there is one. */
  serveWith(gatherNoResult: NonNullable<KeeperModules['gatherNoResult']>): void {
    this.#gatherNoResult = gatherNoResult
  }

  /** Called with the chain, now or as soon as it is reached. */
  onOpen(use: (chain: Chain) => void): void {
    if (this.#tie !== undefined) use(this.#tie.chain)
    else this.#onOpen.push(use)
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    clearTimeout(this.#timer)
    await this.#opening?.catch(() => {})
    await this.#tie?.keeper.stop()
    await this.#tie?.chain.close()
  }

  judges(request: Request): boolean {
    // While the chain is away nobody can say whether the contract is ours: better asked again than refused for good.
    return this.#tie?.source.judges(request) ?? request.chainId !== 0
  }

  requireAcceptable(request: Request, nowMs: number): Promise<void> {
    return this.#source().requireAcceptable(request, nowMs)
  }

  committeeOf(admission: Admission): Promise<Committee> {
    return this.#source().committeeOf(admission)
  }

  graceMs(request: Request, nowMs: number): number {
    return this.#source().graceMs(request, nowMs)
  }

  isPaid(request: Request, challengeId: Uint8Array): Promise<boolean> {
    return this.#source().isPaid(request, challengeId)
  }

  isOverdue(request: Request, challengeId: Uint8Array): Promise<boolean> {
    return this.#source().isOverdue(request, challengeId)
  }

  #source(): ChainSource {
    if (this.#tie !== undefined) return this.#tie.source
    throw new Refusal('busy', 'this node has not reached its chain yet; ask again in a moment')
  }

  async status(): Promise<ChainStatus> {
    const tie = this.#tie
    const nothing = {
      chainId: null,
      isKnown: false,
      registered: false,
      seats: 0,
      pendingTransactions: 0,
      balanceWei: '0',
      depositWei: '0',
      claimableWei: '0',
    }
    if (tie === undefined)
      return { ...nothing, problems: [this.#problem ?? 'the chain has not been reached yet'] }
    const { chain, keeper, figures } = tie
    const { last, problem } = await figures.get()
    // The keeper's is the same trouble in other words.
    const problems = [problem ?? keeper.problem].filter((each) => each !== undefined)
    const known = {
      ...nothing,
      chainId: chain.chainId,
      claimableWei: String(keeper.claimableWei),
      pendingTransactions: chain.queue?.pending ?? 0,
    }
    if (last === undefined) return { ...known, problems }
    const { registered, seats, balanceWei, depositWei } = last
    return {
      ...known,
      isKnown: true,
      registered,
      seats,
      balanceWei: String(balanceWei),
      depositWei: String(depositWei),
      problems: [...problems, ...this.#lacks(last)],
    }
  }

  /** What this node needs on the chain and does not have. */
  #lacks({ registered, seats, balanceWei }: ChainFigures): string[] {
    const { roles, identity } = this.#modules
    const lacks: string[] = []
    if (!registered && roles.some((role) => ON_THE_REGISTER.has(role)))
      lacks.push('this key is not registered on the chain: run "plumbline chain register"')
    else if (roles.includes('challenger') && seats === 0)
      lacks.push('this challenger has no seat on the chain, so it is never drawn')
    if (balanceWei === 0n) lacks.push(`no ether for gas: send some to ${identity.address}`)
    return lacks
  }

  async #open(): Promise<void> {
    this.#opening = this.#try()
    await this.#opening
  }

  async #try(): Promise<void> {
    const { identity, store, log, beacon } = this.#modules
    try {
      const { signal } = this.#stopping
      const chain = await openNodeChain(this.#modules, signal)
      const seats = await openSeatCache(chain, { signal }).catch(async (error: unknown) => {
        await chain.close()
        throw error
      })
      const keeping = chain.pollMs < 1000 ? DEVELOPMENT_KEEPING : PUBLIC_KEEPING
      const { address } = identity
      const gatherNoResult = async (id: string) => this.#gatherNoResult?.(id)
      const keeper = new ChainKeeper({ chain, store, address, log, gatherNoResult }, keeping)
      const source = new ChainSource({ chain, seats, beacon, address })
      const figures = new KeptFigures({ read: () => readFigures(chain, address) })
      this.#tie = { chain, seats, source, keeper, figures }
      // So that there is something to tell where nobody asked before the chain went away.
      void figures.get()
      this.#problem = undefined
      keeper.start()
      log.info({ chainId: chain.chainId, seats: seats.seatCount }, 'the chain is open')
      for (const use of this.#onOpen.splice(0)) use(chain)
    } catch (error) {
      const isPassing = error instanceof UserError && PASSING.has(error.code)
      if (!isPassing || this.#stopping.signal.aborted) throw error
      const reason = chainReason(error)
      if (reason !== this.#problem) log.warn({ reason }, 'the chain cannot be reached; trying again')
      this.#problem = reason
      this.#timer = setTimeout(
        () => void this.#open().catch((late: unknown) => this.#giveUp(late)),
        this.#retryMs,
      )
      this.#timer.unref()
      this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2)
    }
  }

  #giveUp(error: unknown): void {
    if (this.#stopping.signal.aborted) return
    this.#problem = chainReason(error)
    this.#modules.log.error({ reason: this.#problem }, 'the chain of the configuration cannot be used')
  }
}

async function readFigures(chain: Chain, address: Address): Promise<ChainFigures> {
  const [node, account, balanceWei] = await Promise.all([
    readNode(chain, address),
    readProverAccount(chain, address),
    chain.client.getBalance({ address }),
  ])
  const registered = node !== undefined && node.record !== 0
  return { registered, seats: registered ? node.seats : 0, balanceWei, depositWei: account.freeWei }
}

/** Roles that the chain must know a node by; to sell work, a key is enough. */
const ON_THE_REGISTER: ReadonlySet<Role> = new Set(['prover', 'challenger'])

/** Codes of what may mend itself. */
const PASSING: ReadonlySet<string> = new Set(['UNREACHABLE', 'TIMEOUT', 'VERIFICATION_FAILED'])
