/** The state of one challenge as its coordinator has it, and how members are asked. */
import { verifySignature } from '../../crypto/identity.js'
import type { OutcomeCache } from '../../pob/assess.js'
import type { Committee } from '../../pob/committee.js'
import { PACKET_BYTES } from '../../pob/constants.js'
import type { FirstSend } from '../../pob/joint/first-send.js'
import type { Plan } from '../../pob/plan.js'
import { Direction, digestsOf, type Request } from '../../pob/request.js'
import type { SlotRecord } from '../../pob/slot.js'
import type { ChallengeDigests } from '../../pob/structures.js'
import { askAgain } from '../ask-again.js'
import { type CoordinatorBehaviour, honestCoordinator } from '../behaviour.js'
import type { PlanBody } from '../control-messages.js'
import type { PeerTarget } from '../modules.js'
import type { ChallengeOrder, CoordinatorModules, ProgressEvent, SlotReport } from './types.js'

/** Members that failed to answer the step before get less time, so that a few silent ones cost seconds, not minutes. */
const SUSPECT_DEADLINE_MS = 1_500
/** Once enough members have voted or signed, the others have this long. */
const GRACE_MS = 750

export class CoordinatorRun {
  /** Members that did not answer when they were asked last. */
  readonly suspects = new Set<number>()
  /** Members that failed to answer at any step. */
  readonly unresponsive = new Set<number>()
  /** Sent to everybody, and again to members that missed it. */
  plan: PlanBody | undefined
  /** Members that have not said yet that they have the plan. */
  readonly untold = new Set<number>()
  /** Slots assessed once are not recomputed. */
  readonly outcomes: OutcomeCache = new WeakMap()
  readonly statistics: SlotReport[] = []
  readonly slots: SlotRecord[] = []
  /** In lockstep with other challenges: by slot, as ChallengeOutcome has it. */
  readonly firstSends = new Map<number, readonly (FirstSend | null)[]>()
  readonly digests: ChallengeDigests
  readonly behaviour: CoordinatorBehaviour
  committee: Committee | undefined
  /** The prover waits for us. */
  accepted = false
  /** Slots in a row in which the prover could not be reached, and why the last slot failed. */
  unreached = 0
  slotFailure = 'nobody sent'
  #trafficBytes = 0

  constructor(
    readonly order: ChallengeOrder,
    readonly modules: CoordinatorModules,
    readonly signal: AbortSignal | undefined,
    readonly request: Request,
  ) {
    this.digests = digestsOf(request)
    this.behaviour = modules.behaviour ?? honestCoordinator
  }

  /** Most layer-3 bytes that this challenge has moved so far, whatever came of them. */
  get trafficBytes(): number {
    return this.#trafficBytes
  }

  /** Told before the bytes are on their way: what fails later has moved them all the same. */
  noteTraffic(bytes: number): void {
    this.#trafficBytes += bytes
    this.modules.onTraffic?.(bytes)
  }

  /** Layer-3 bytes of a train: what its members send, and of an uplink what the prover sends back. */
  trainBytes(members: number, packetCount: number): number {
    const ways = this.request.direction === Direction.up ? 2 : 1
    return ways * members * packetCount * PACKET_BYTES
  }

  progress(event: ProgressEvent): void {
    this.modules.onProgress?.(event)
  }

  options(deadlineMs?: number) {
    return {
      ...(this.signal === undefined ? {} : { signal: this.signal }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    }
  }

  /**
   * Asks members at once. One that fails has no answer in the result, and is given less time until it answers again.
   * With `enough`, the rest is waited for only a little longer once so many have answered, so that silent ones cost
   * nothing; and everybody has the whole deadline, for without so many answers there is no result at all.
   */
  async each<T>(
    members: readonly number[],
    what: string,
    ask: (member: number, options: { deadlineMs?: number; signal?: AbortSignal }) => Promise<T>,
    enough = Number.POSITIVE_INFINITY,
  ): Promise<Map<number, T>> {
    const answers = new Map<number, T>()
    const satisfied = new AbortController()
    const signal =
      this.signal === undefined ? satisfied.signal : AbortSignal.any([this.signal, satisfied.signal])
    let grace: NodeJS.Timeout | undefined
    await Promise.all(
      members.map(async (member) => {
        try {
          const hurried = this.suspects.has(member) && enough === Number.POSITIVE_INFINITY
          const deadline = hurried ? { deadlineMs: SUSPECT_DEADLINE_MS } : {}
          answers.set(member, await askAgain(() => ask(member, { ...deadline, signal }), signal))
          this.suspects.delete(member)
          if (answers.size >= enough) grace ??= setTimeout(() => satisfied.abort(), GRACE_MS)
        } catch (error) {
          if (this.signal?.aborted) throw error
          this.suspects.add(member)
          this.unresponsive.add(member)
          const reason = satisfied.signal.aborted ? 'slower than enough others' : String(error)
          this.modules.log.warn({ member, what, reason }, 'a challenger did not answer')
        }
      }),
    )
    clearTimeout(grace)
    return answers
  }

  target(member: number): PeerTarget {
    const entry = this.committee?.members[member]
    if (entry === undefined) throw new Error(`no member ${member}`)
    return entry
  }

  signedBy(plan: Plan, member: number, digest: Uint8Array, signature: Uint8Array): boolean {
    const key = plan.committee[member]
    return key !== undefined && verifySignature(key, digest, signature)
  }
}
