/**
 * What a node does on its chain beside the challenges themselves, so that no coordinator can stall anybody: it settles
 * what its coordinator left unsettled, ends what nobody settled in time, closes what is final, and claims its fees.
 * The chain says what is to do; local records only say which challenges to ask it about.
 */
import { toHex } from 'viem'
import {
  type Chain,
  type ChallengeState,
  chainReason,
  claimFees,
  closeChallenge,
  expireChallenge,
  findClaims,
  formatEther,
  readChallenge,
  settleChallenge,
} from '../../chain/index.js'
import { type Address, addressOfPublicKey } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { decodeEvidence, evidenceHashOf } from '../../pob/evidence.js'
import { digestsOf } from '../../pob/request.js'
import { quorum, resultDigest, signersOf } from '../../pob/result.js'
import { decodeTranscript } from '../../pob/transcript.js'
import type { NoResult } from '../../roles/challenger/no-result.js'
import type { Store } from '../../store/index.js'
import type { Logger } from '../../telemetry/logger.js'

export interface KeeperOptions {
  /** Between two looks at the chain. */
  readonly intervalMs: number
  /** The coordinator settles first; members only after so long, each a little later than the one before it. */
  readonly graceMs: number
  /** Fees are claimed once they are worth so many times the gas... */
  readonly claimWorth: number
  /** ...or after so long. */
  readonly claimAfterMs: number
}

export const PUBLIC_KEEPING: KeeperOptions = {
  intervalMs: 60_000,
  graceMs: 120_000,
  claimWorth: 20,
  claimAfterMs: 7 * 86_400_000,
}
/** A development chain's windows are seconds long. */
export const DEVELOPMENT_KEEPING: KeeperOptions = {
  intervalMs: 1_000,
  graceMs: 10_000,
  claimWorth: 0,
  claimAfterMs: 0,
}

/** Challenges asked about after a restart; older ones are final everywhere. */
const MAX_TRACKED = 500
/** Opening a challenge that was accepted takes no longer. */
const UNOPENED_MS = 1_200_000
/** Gas of a claim: docs/contracts.md, "Gas". */
const CLAIM_GAS = 64_262n
/** The chain cannot be asked now. */
const AWAY: ReadonlySet<string> = new Set(['UNREACHABLE', 'TIMEOUT', 'INTERRUPTED'])
const FINAL_STATUSES: ReadonlySet<string> = new Set(['settled', 'noResult', 'expired'])

export interface KeeperModules {
  readonly chain: Chain
  readonly store: Pick<Store, 'challenges' | 'transcripts'>
  readonly address: Address
  readonly log: Logger
  /** The members' statement that a challenge has no result, where this node was a member: roles/challenger/no-result.ts. */
  readonly gatherNoResult?: (id: string) => Promise<NoResult | undefined>
  /** Spreads the members of a committee; 0..1. */
  readonly random?: () => number
}

interface Tracked {
  readonly id: string
  readonly sinceMs: number
  readonly role: string
}

export class ChainKeeper {
  readonly #modules: KeeperModules
  readonly #options: KeeperOptions
  readonly #tracked = new Map<string, Tracked>()
  /** Nothing is left to do for these. */
  readonly #done = new Set<string>()
  readonly #stop = new AbortController()
  readonly #spread: number
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> | undefined
  #claimsDue = true
  #claimableWei = 0n
  #firstDueMs: number | undefined
  #problem: string | undefined

  constructor(modules: KeeperModules, options: KeeperOptions) {
    this.#modules = modules
    this.#options = options
    this.#spread = (modules.random ?? Math.random)()
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#working ??= this.#tick().finally(() => {
        this.#working = undefined
      })
    }, this.#options.intervalMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stop.abort()
    await this.#working?.catch(() => {})
  }

  /** Earned and not yet claimed. */
  get claimableWei(): bigint {
    return this.#claimableWei
  }

  /** Why the last look failed, in one line; undefined where it did not. */
  get problem(): string | undefined {
    return this.#problem
  }

  async #tick(): Promise<void> {
    try {
      await this.#refresh()
      let problem: string | undefined
      // What one challenge lacks holds up no other, nor the claims: only a chain that is away ends the look.
      const tried = async (work: () => Promise<void>) => {
        try {
          await work()
        } catch (error) {
          if (!(error instanceof UserError) || AWAY.has(error.code)) throw error
          problem ??= error.message
        }
      }
      for (const tracked of [...this.#tracked.values()]) await tried(() => this.#keep(tracked))
      if (this.#claimsDue) await tried(() => this.#claim())
      if (problem !== undefined && problem !== this.#problem)
        this.#modules.log.warn({ reason: problem }, 'a part of the chain work waits')
      this.#problem = problem
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const reason = chainReason(error)
      if (reason !== this.#problem) this.#modules.log.warn({ reason }, 'the chain work waits')
      this.#problem = reason
    }
  }

  /** Challenges of the store that were not looked at to the end. */
  async #refresh(): Promise<void> {
    const { challenges } = this.#modules.store
    for (const { id } of challenges.archive.list(MAX_TRACKED)) {
      if (this.#done.has(id) || this.#tracked.has(id)) continue
      const record = await challenges.get(id)
      if (record !== undefined) this.#tracked.set(id, { id, sinceMs: record.createdAtMs, role: record.role })
    }
    for (const id of this.#done) if (!challenges.archive.has(id)) this.#done.delete(id)
  }

  async #keep(tracked: Tracked): Promise<void> {
    const { chain } = this.#modules
    const challengeId = toHex(Buffer.from(tracked.id, 'hex'))
    const state = await readChallenge(chain, challengeId)
    const ageMs = Date.now() - tracked.sinceMs
    if (state.status === 'none') {
      // Never opened, or one without a chain.
      if (ageMs > UNOPENED_MS) this.#finished(tracked)
      return
    }
    if (state.status === 'void') return this.#finished(tracked)
    if (state.closed) {
      // Somebody else was first to see that it is final; our fee is still there.
      this.#claimsDue = true
      return this.#finished(tracked)
    }
    const { timestamp } = await chain.clock()
    if (FINAL_STATUSES.has(state.status)) {
      if (timestamp <= state.finalAt) return
      // Whose money it releases closes it: the prover its bond, the payer its refund.
      if (tracked.role === 'prover')
        await this.#attempt('close', () => closeChallenge(chain, { challengeId }))
      this.#claimsDue = true
      return this.#finished(tracked)
    }
    if (timestamp > state.settleBy) {
      await this.#attempt('expire', () => expireChallenge(chain, { challengeId }))
      return
    }
    const graceMs = this.#options.graceMs * (1 + this.#spread)
    if (state.status !== 'fixed') return
    // Counted from this node's last step, mostly its signature under the result: from then on the coordinator has all it needs.
    const quietMs =
      Date.now() - ((await this.#modules.store.challenges.get(tracked.id))?.updatedAtMs ?? tracked.sinceMs)
    if (quietMs <= graceMs) return
    if (await this.#settle(tracked, state)) return
    const expiresAt = state.settleBy - chain.terms.settleWindowSeconds
    if (timestamp > expiresAt + graceMs / 1000) await this.#settleNoResult(tracked, state)
  }

  /** With the transcript made of the coordinator's seal, where its signatures suffice. */
  async #settle({ id }: Tracked, state: ChallengeState): Promise<boolean> {
    const { chain, store } = this.#modules
    const bytes = await store.transcripts.get(id)
    if (bytes === undefined) return false
    const { evidence, signatures, guaranteedKbps, estimateKbps, owed } = decodeTranscript(bytes)
    const { plan, request } = decodeEvidence(evidence)
    const result = { evidenceHash: evidenceHashOf(evidence), guaranteedKbps, estimateKbps, owed }
    // Of whatever origin: too few signatures settle nothing, and need not be tried.
    const signers = signersOf(plan.committee, resultDigest(digestsOf(request), result), signatures)
    if (signers.length < quorum(plan.committee.length, plan.faulty)) return false
    const committee = plan.committee.map(addressOfPublicKey)
    await this.#attempt('settle', () =>
      settleChallenge(chain, { challengeId: state.challengeId, committee, result, signatures }),
    )
    return true
  }

  async #settleNoResult({ id }: Tracked, { challengeId }: ChallengeState): Promise<void> {
    const { chain, gatherNoResult } = this.#modules
    const gathered = await gatherNoResult?.(id)
    if (gathered === undefined) return
    const { result, signatures } = gathered
    const committee = gathered.committee.map(addressOfPublicKey)
    await this.#attempt('settle without a result', () =>
      settleChallenge(chain, { challengeId, committee, result, signatures }),
    )
  }

  /** Somebody else may have done it meanwhile: then there is nothing to do. */
  async #attempt(what: string, work: () => Promise<{ readonly hash: string }>): Promise<void> {
    try {
      const { hash } = await work()
      this.#modules.log.info({ what, transaction: hash }, 'done on the chain')
    } catch (error) {
      const isDone = error instanceof UserError && error.details.revert === 'WrongStatus'
      if (!isDone) throw error
    }
  }

  async #claim(): Promise<void> {
    const { chain, address, log } = this.#modules
    const claims = await findClaims(chain, address, { signal: this.#stop.signal })
    const due = claims.filter(({ isDue }) => isDue)
    const sum = (of: typeof claims) => of.reduce((total, { amountWei }) => total + amountWei, 0n)
    this.#claimableWei = sum(claims)
    this.#claimsDue = claims.length > 0
    if (due.length === 0) return
    this.#firstDueMs ??= Date.now()
    const gasPrice = await chain.client.getGasPrice()
    const isWorth = sum(due) >= BigInt(this.#options.claimWorth) * CLAIM_GAS * gasPrice
    if (!isWorth && Date.now() - this.#firstDueMs < this.#options.claimAfterMs) return
    const { amountWei } = await claimFees(chain, { member: address, items: due })
    this.#firstDueMs = undefined
    this.#claimableWei -= amountWei
    log.info({ amount: formatEther(amountWei), challenges: due.length }, 'fees claimed to the cold wallet')
  }

  #finished({ id }: Tracked): void {
    this.#tracked.delete(id)
    this.#done.add(id)
  }
}
