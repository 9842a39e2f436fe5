/**
 * Fetches beacon rounds over drand's HTTP API from several servers. None is trusted: a round counts once its signature
 * verifies under the key we were configured with. Source: https://docs.drand.love/developer/http-api
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { type BeaconInfo, timeOfRound, verifyRound } from '../crypto/beacon.js'
import { BLS_SIGNATURE_BYTES } from '../crypto/bls.js'
import { shown, UserError } from '../errors.js'
import { MAX_TIMER_MS, withDeadline } from './deadline.js'

export interface BeaconClientOptions {
  readonly info: BeaconInfo
  /** Base URLs, in order of preference. */
  readonly urls: readonly string[]
  /** How long after a round is due it may come, and after the call for a past round. */
  readonly deadlineMs?: number
  /** Unix milliseconds. */
  readonly now?: () => number
}

const DEADLINE_MS = 15_000
/** One request; another server is asked beside it after {@link STAGGER_MS}. */
const REQUEST_DEADLINE_MS = 5000
/** A near server answers in 0.1 s; a second one is worth asking then, not worth doubling every request for. */
const STAGGER_MS = 700
/** Rounds come some 0.2 to 1 s after their time. */
const RETRY_MS = 250
/** An answer has 300 bytes, an info 600. */
const MAX_ANSWER_BYTES = 16_384
/** What a server answers that serves another beacon, or one that began later. */
const UNKNOWN_THERE = 'HTTP status 404'
/** Of one server, in the line that names all of them. */
const MOST_REASON = 120

export class BeaconClient {
  readonly info: BeaconInfo
  readonly #urls: readonly string[]
  readonly #deadlineMs: number
  readonly #now: () => number

  constructor(options: BeaconClientOptions) {
    this.info = options.info
    this.#urls = options.urls.map((url) => url.replace(/\/+$/, ''))
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS
    this.#now = options.now ?? Date.now
  }

  /**
   * The verified signature of a round, 48 bytes; waits for a round that is not due yet.
   * @throws UserError UNAVAILABLE where no server gave it in time; the signal's reason
   */
  async round(round: number, signal?: AbortSignal): Promise<Uint8Array> {
    const waitMs = Math.max(0, timeOfRound(this.info, round) * 1000 - this.#now())
    const problems = new Map<string, string>()
    try {
      return await withDeadline(waitMs + this.#deadlineMs, [signal], async (deadline) => {
        await sleep(waitMs, deadline)
        for (;;) {
          const signature = await this.#askAll(round, deadline, problems)
          if (signature !== undefined) return signature
          await sleep(RETRY_MS, deadline)
        }
      })
    } catch (cause) {
      if (signal?.aborted) throw cause
      const told = [...problems].map(([url, problem]) => `${url}: ${problem}`)
      const isUnknown = told.length > 0 && [...problems.values()].every((each) => each === UNKNOWN_THERE)
      throw unavailable(`no beacon server gave round ${round}`, told, cause, isUnknown)
    }
  }

  /**
   * The number of the newest round that some server has and that verifies: a check of the clock as much as of the
   * servers.
   * @throws UserError UNAVAILABLE
   */
  async latestRound(signal?: AbortSignal): Promise<number> {
    const problems: string[] = []
    for (const url of this.#urls) {
      try {
        return (await this.#ask(url, 'latest', signal)).round
      } catch (error) {
        signal?.throwIfAborted()
        problems.push(`${url}: ${reasonOf(error)}`)
      }
    }
    throw unavailable('no beacon server gave its latest round', problems)
  }

  /**
   * Asks each server to describe itself.
   * @throws UserError UNAVAILABLE where none answers; VERIFICATION_FAILED where one describes another beacon
   */
  async checkServers(signal?: AbortSignal): Promise<void> {
    const { chainHash, publicKey, genesisTimeSeconds, periodSeconds } = this.info
    let problem: unknown
    for (const url of this.#urls) {
      try {
        const answer = await fetchJson(`${url}/${bytesToHex(chainHash)}/info`, signal)
        const { public_key: key, genesis_time: genesis, period } = answer
        if (key === bytesToHex(publicKey) && genesis === genesisTimeSeconds && period === periodSeconds)
          return
        throw new UserError(`${url} serves a beacon with other parameters than the configured ones`, {
          code: 'VERIFICATION_FAILED',
          remedy: 'check beacon.* in the configuration',
        })
      } catch (error) {
        signal?.throwIfAborted()
        if (error instanceof UserError && error.code === 'VERIFICATION_FAILED') throw error
        problem = error
      }
    }
    throw unavailable('no beacon server answers', this.#urls, problem)
  }

  /** All servers, the next one when the one before is slow or fails; the first valid answer wins. */
  async #askAll(
    round: number,
    signal: AbortSignal,
    problems: Map<string, string>,
  ): Promise<Uint8Array | undefined> {
    const done = new AbortController()
    try {
      return await withDeadline(REQUEST_DEADLINE_MS, [signal, done.signal], async (shared) => {
        const tries: Promise<Uint8Array>[] = []
        for (const [i, url] of this.#urls.entries()) {
          const before = tries.at(-1)
          const attempt = async (): Promise<Uint8Array> => {
            // The next server's turn comes when the one before failed, or is slow.
            if (before !== undefined) await Promise.race([sleep(i * STAGGER_MS, shared), failureOf(before)])
            return (await this.#ask(url, round, shared)).signature
          }
          tries.push(
            attempt().catch((error: unknown) => {
              if (!shared.aborted) problems.set(url, reasonOf(error))
              throw error
            }),
          )
        }
        return Promise.any(tries)
      })
    } catch {
      signal.throwIfAborted()
      return undefined
    } finally {
      done.abort()
    }
  }

  async #ask(
    url: string,
    wanted: number | 'latest',
    signal?: AbortSignal,
  ): Promise<{ readonly round: number; readonly signature: Uint8Array }> {
    const answer = await fetchJson(`${url}/${bytesToHex(this.info.chainHash)}/public/${wanted}`, signal)
    const { round, signature } = answer
    const isWanted = wanted === 'latest' || round === wanted
    if (
      typeof round !== 'number' ||
      !isWanted ||
      typeof signature !== 'string' ||
      !HEX_SIGNATURE.test(signature)
    )
      throw new Error('its answer is no round')
    const bytes = hexToBytes(signature)
    if (verifyRound(this.info, round, bytes) === false) throw new Error('its signature does not verify')
    return { round, signature: bytes }
  }
}

/** The number of the newest verified round. @throws UserError UNAVAILABLE */
export function fetchLatestRound(options: BeaconClientOptions, signal?: AbortSignal): Promise<number> {
  return new BeaconClient(options).latestRound(signal)
}

/** @param isUnknown the servers are there, and know no such beacon or round */
function unavailable(
  what: string,
  problems: readonly string[],
  cause?: unknown,
  isUnknown = false,
): UserError {
  return new UserError(`${what}${problems.length > 0 ? ` (${problems.join('; ')})` : ''}`, {
    code: 'UNAVAILABLE',
    remedy: isUnknown
      ? 'the beacon there has another chainHash or genesisTimeSeconds than the configuration (copy its section beacon ' +
        'again), or the clock of this machine is ahead'
      : 'check beacon.urls, the network and the clock of this machine',
    // Without the round, which is another one each time.
    details: { problems: problems.join('; ') },
    cause,
  })
}

/** A parser's complaint quotes the answer. */
const reasonOf = (error: unknown): string =>
  error instanceof Error ? shown(error.message, MOST_REASON) : 'failed'

/** Resolves when `work` fails, never when it succeeds. */
function failureOf(work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => work.catch(() => resolve()))
}

const HEX_SIGNATURE = new RegExp(`^[0-9a-f]{${BLS_SIGNATURE_BYTES * 2}}$`)

/** A JSON object of bounded size; redirects are refused. */
async function fetchJson(url: string, signal?: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
  const limit = AbortSignal.timeout(REQUEST_DEADLINE_MS)
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`HTTP status ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > MAX_ANSWER_BYTES) throw new Error('its answer is too long')
    chunks.push(chunk)
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  if (typeof value !== 'object' || value === null) throw new Error('its answer is no object')
  return value as Readonly<Record<string, unknown>>
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (ms <= 0) return
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(finish, Math.min(ms, MAX_TIMER_MS))
    signal.addEventListener('abort', fail, { once: true })
    function finish(): void {
      signal.removeEventListener('abort', fail)
      resolve()
    }
    function fail(): void {
      clearTimeout(timer)
      reject(signal.reason)
    }
  })
}
