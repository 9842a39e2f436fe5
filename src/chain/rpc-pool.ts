/**
 * Several JSON-RPC servers as one viem transport. Requests go to the first server that is well; one that fails is left
 * alone for a while. Every server must prove that it is on the right chain before it is asked anything, and again after
 * it was away: a restarted test chain or a changed host must not take our transactions.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { custom, RpcRequestError } from 'viem'
import { getHttpRpcClient } from 'viem/utils'
import { UserError } from '../errors.js'
import type { Logger } from '../telemetry/logger.js'

/** A call over many logs takes seconds on public servers; one that hangs must not hold a daemon. */
const REQUEST_TIMEOUT_MS = 10_000
/** How long a server that failed is asked last. */
const COOL_DOWN_MS = 15_000
/** Rounds over all servers before a request is given up. */
const ROUNDS = 3
const ROUND_PAUSE_MS = 250
const MAX_RPCS = 8
/** Answers of a server that is short of something, not of a request that is wrong: another server may do it. */
const LIMIT_CODES = new Set([-32005, -32002, 429])
const LIMIT_TEXT = /rate.?limit|too many requests|quota|temporarily|try again|busy|overloaded/i

interface Endpoint {
  /** Without credentials and path: API keys stand there. */
  readonly name: string
  readonly send: (method: string, params: unknown) => Promise<unknown>
  isVerified: boolean
  coolUntilMs: number
}

export interface RpcPoolOptions {
  readonly urls: readonly string[]
  /** What every server must say; undefined: what the first that answers says. */
  readonly chainId?: number | undefined
  readonly timeoutMs?: number
  readonly log?: Logger | undefined
  readonly signal?: AbortSignal | undefined
}

export class RpcPool {
  readonly #endpoints: readonly Endpoint[]
  readonly #log: Logger | undefined
  readonly #signal: AbortSignal | undefined
  #chainId: number | undefined

  private constructor(options: RpcPoolOptions) {
    this.#chainId = options.chainId
    this.#log = options.log
    this.#signal = options.signal
    this.#endpoints = options.urls.map((url) => endpointOf(url, options.timeoutMs ?? REQUEST_TIMEOUT_MS))
  }

  /**
   * Asks every server for its chain.
   * @throws UserError BAD_CONFIG for a malformed URL or a server of another chain; UNREACHABLE where none answers
   */
  static async open(options: RpcPoolOptions): Promise<RpcPool> {
    if (options.urls.length === 0 || options.urls.length > MAX_RPCS)
      throw new UserError(`chain: ${options.urls.length} RPC servers are configured`, {
        code: 'BAD_CONFIG',
        remedy: `give 1 to ${MAX_RPCS} with --rpc or chain.rpcUrls`,
      })
    const pool = new RpcPool(options)
    const answers = await Promise.allSettled(pool.#endpoints.map((endpoint) => chainIdOf(endpoint)))
    options.signal?.throwIfAborted()
    answers.forEach((answer, i) => {
      const endpoint = pool.#endpoints[i]
      if (endpoint === undefined) return
      if (answer.status === 'rejected') pool.#fail(endpoint, answer.reason)
      else pool.#accept(endpoint, answer.value)
    })
    if (answers.every(({ status }) => status === 'rejected')) {
      const reasons = answers.map((answer, i) =>
        answer.status === 'rejected' ? `${pool.#endpoints[i]?.name}: ${reasonOf(answer.reason)}` : '',
      )
      throw unreachable(reasons)
    }
    return pool
  }

  get chainId(): number {
    if (this.#chainId === undefined) throw new Error('no RPC server has named its chain')
    return this.#chainId
  }

  /** For viem's clients. */
  get transport() {
    const request = (args: { method: string; params?: unknown }) => this.request(args)
    return custom({ request }, { key: 'pool', name: 'RPC pool', retryCount: 0 })
  }

  /** @throws RpcRequestError for an answer that is an error; UserError UNREACHABLE where no server answers */
  async request({ method, params }: { method: string; params?: unknown }): Promise<unknown> {
    const reasons = new Map<string, string>()
    for (let round = 0; round < ROUNDS; round++) {
      if (round > 0) await sleep(ROUND_PAUSE_MS * 2 ** round, undefined, { signal: this.#signal })
      for (const endpoint of this.#inOrder()) {
        this.#signal?.throwIfAborted()
        try {
          if (!endpoint.isVerified) this.#accept(endpoint, await chainIdOf(endpoint))
          return await endpoint.send(method, params)
        } catch (error) {
          if (isAnswer(error, method)) throw error
          reasons.set(endpoint.name, reasonOf(error))
          this.#fail(endpoint, error)
        }
      }
    }
    throw unreachable([...reasons].map(([name, reason]) => `${name}: ${reason}`))
  }

  /** The well ones in the configured order, then those that failed lately. */
  #inOrder(): readonly Endpoint[] {
    const now = Date.now()
    return [...this.#endpoints].sort(
      (a, b) => Math.max(0, a.coolUntilMs - now) - Math.max(0, b.coolUntilMs - now),
    )
  }

  #accept(endpoint: Endpoint, chainId: number): void {
    this.#chainId ??= chainId
    if (chainId !== this.#chainId)
      throw new UserError(`the RPC ${endpoint.name} is on chain ${chainId}, not on chain ${this.#chainId}`, {
        code: 'BAD_CONFIG',
        remedy: 'remove it from --rpc or chain.rpcUrls, or correct --chain-id or chain.chainId',
        details: { have: chainId, need: this.#chainId },
      })
    endpoint.isVerified = true
  }

  #fail(endpoint: Endpoint, error: unknown): void {
    if (endpoint.coolUntilMs <= Date.now())
      this.#log?.warn({ rpc: endpoint.name, reason: reasonOf(error) }, 'an RPC server does not serve us')
    endpoint.isVerified = false
    endpoint.coolUntilMs = Date.now() + COOL_DOWN_MS
  }
}

function endpointOf(url: string, timeoutMs: number): Endpoint {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw badUrl()
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') throw badUrl()
  const client = getHttpRpcClient(url, { timeout: timeoutMs })
  const send = async (method: string, params: unknown): Promise<unknown> => {
    const body = params === undefined ? { method } : { method, params }
    const { result, error } = await client.request({ body })
    // The URL would show API keys in viem's messages.
    if (error !== undefined) throw new RpcRequestError({ body, error, url: parsed.host })
    return result
  }
  return { name: parsed.host, send, isVerified: false, coolUntilMs: 0 }
}

function badUrl(): UserError {
  return new UserError('an RPC server is not an http or https URL', {
    code: 'BAD_CONFIG',
    remedy: 'write it like https://rpc.example.org or http://127.0.0.1:8545',
  })
}

async function chainIdOf(endpoint: Endpoint): Promise<number> {
  const answer = await endpoint.send('eth_chainId', [])
  const chainId = typeof answer === 'string' ? Number(answer) : Number.NaN
  if (!Number.isSafeInteger(chainId) || chainId < 1) throw new Error('it does not say which chain it serves')
  return chainId
}

/**
 * An answer of the chain (a revert, a refused transaction), which another server would repeat. Limits on logs are told
 * to the caller, who asks for fewer blocks.
 */
function isAnswer(error: unknown, method: string): boolean {
  if (!(error instanceof RpcRequestError)) return false
  return method === 'eth_getLogs' || !(LIMIT_CODES.has(error.code) || LIMIT_TEXT.test(error.details))
}

/** A short reason without the URL, whose path may be a secret. */
function reasonOf(error: unknown): string {
  if (error instanceof UserError) return error.message
  if (!(error instanceof Error)) return 'failed'
  const { name } = error
  if (name === 'TimeoutError') return 'no answer in time'
  const status = 'status' in error && typeof error.status === 'number' ? `HTTP ${error.status}` : undefined
  if (name === 'HttpRequestError') return status ?? codeOf(error) ?? 'no connection'
  if (error instanceof RpcRequestError) return error.details.slice(0, 120)
  return error.message.slice(0, 120)
}

/** `ECONNREFUSED` and the like, from whichever error caused the others. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const own = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return codeOf(error.cause) ?? own
}

function unreachable(reasons: readonly string[]): UserError {
  return new UserError(`no RPC server of the chain answers (${reasons.join('; ')})`, {
    code: 'UNREACHABLE',
    remedy: 'check the network and --rpc or chain.rpcUrls',
  })
}
