/**
 * Control messages sent a second time: what this member was asked with, in this and the challenge before, goes from its own
 * host to every other member and to the prover, as it was signed by payer, prover and coordinator.
 */
import { decodeEvidence } from '../../pob/evidence.js'
import type { RegistryEntry } from '../../pob/registry.js'
import type { SlotId } from '../../pob/slot.js'
import type { MemberStep } from '../../roles/behaviour.js'
import {
  type Admission,
  ARM_MESSAGE,
  type ControlMessage,
  EVIDENCE_MESSAGE,
  PLAN_MESSAGE,
  type PlanBody,
  REQUEST_MESSAGE,
  SESSION_MESSAGE,
} from '../../roles/control-messages.js'
import type { ControlPlane, PeerTarget } from '../../roles/modules.js'
import type { SideChannel } from './side-channel.js'

/** Messages kept. */
const MAX_KEPT = 16
const DEADLINE_MS = 3000

/** One message, to be sent again to anybody. */
type Kept = (host: Pick<ControlPlane, 'request'>, to: PeerTarget) => Promise<unknown>

export interface ControlReplayerModules {
  /** A host with this member's key, as it would dial with. */
  readonly control: () => Promise<Pick<ControlPlane, 'request'>>
  readonly entries: () => Promise<readonly RegistryEntry[]>
  readonly own: Uint8Array
  readonly prover: PeerTarget
  readonly channel: SideChannel
}

export class ControlReplayer {
  readonly #kept: Kept[] = []
  #isStopped = false

  constructor(readonly modules: ControlReplayerModules) {}

  /** Keeps what came, and sends everything kept again once there is evidence to look back from. */
  see(step: MemberStep, body: unknown): void {
    if (step === 'session') {
      this.#keep(SESSION_MESSAGE, body as Admission)
      const { request, payerSignature } = body as Admission
      this.#keep(REQUEST_MESSAGE, { request, payerSignature })
    } else if (step === 'plan') this.#keep(PLAN_MESSAGE, body as PlanBody)
    else if (step === 'arm') this.#keep(ARM_MESSAGE, body as SlotId & { challengeId: Uint8Array })
    else if (step === 'evidence') {
      // Read once, so that only what is whole is sent on.
      const evidence = body as Uint8Array
      decodeEvidence(evidence)
      this.#keep(EVIDENCE_MESSAGE, { evidence })
      void this.#sendAll([...this.#kept])
    }
  }

  /** What is still to be sent stays unsent: another attack begins. */
  stop(): void {
    this.#isStopped = true
  }

  #keep<Q, R>(message: ControlMessage<Q, R>, body: Q): void {
    this.#kept.push((host, to) => host.request(to, message, body, { deadlineMs: DEADLINE_MS }))
    if (this.#kept.length > MAX_KEPT) this.#kept.shift()
  }

  async #sendAll(kept: readonly Kept[]): Promise<void> {
    const { control, entries, own, prover, channel } = this.modules
    const host = await control()
    const others = (await entries()).filter(({ publicKey }) => Buffer.compare(publicKey, own) !== 0)
    for (const send of kept) {
      if (this.#isStopped) return
      await Promise.all(
        [prover, ...others].map(async (target) => {
          channel.count('messages replayed')
          try {
            await send(host, target)
            channel.count('replayed messages accepted')
          } catch {
            // Refused, as it should be.
          }
        }),
      )
    }
  }
}
