/**
 * The prover: accepts a request, opens a path to every member that sends, receives their trains, and commits to what
 * arrived. It dials out only: no open port, no address of its own needed.
 */
import type { Plan } from '../pob/plan.js'
import { honestProver } from './behaviour.js'
import {
  ECHO_MESSAGE,
  type FinishAnswer,
  type FinishBody,
  PREPARE_MESSAGE,
  REQUEST_MESSAGE,
  SLOT_MESSAGE,
  STEP_MESSAGE,
} from './control-messages.js'
import type { Remote } from './modules.js'
import { serveEcho } from './prover/echo.js'
import type { ProverModules } from './prover/modules.js'
import { openPaths } from './prover/paths.js'
import { acceptPlan, finish } from './prover/plan.js'
import { acceptRequest } from './prover/request.js'
import { serveSlot } from './prover/slot.js'
import { serveStep } from './prover/step.js'
import { ProverTurn } from './prover/turn.js'

export { maxBytesOf } from './prover/challenge.js'
export type { AdmissionPolicy, PolicyRequest, ProverModules } from './prover/modules.js'

export class Prover {
  readonly #turn: ProverTurn

  constructor(readonly modules: ProverModules) {
    this.#turn = new ProverTurn(modules, modules.behaviour ?? honestProver)
  }

  async start(): Promise<void> {
    const { control } = this.modules
    const turn = this.#turn
    await control.handle(REQUEST_MESSAGE, (body, remote) => acceptRequest(turn, body, remote))
    await control.handle(PREPARE_MESSAGE, (body, remote) => openPaths(turn, body, remote))
    await control.handle(SLOT_MESSAGE, (body, remote) => serveSlot(turn, body, remote))
    await control.handle(STEP_MESSAGE, (body, remote) => serveStep(turn, body, remote))
    await control.handle(ECHO_MESSAGE, (body, remote) => serveEcho(turn, body, remote))
  }

  async stop(): Promise<void> {
    await this.#turn.release(this.#turn.current)
  }

  /** Hex id of the challenge under way, for `status`. */
  get active(): string | undefined {
    return this.#turn.current?.id
  }

  /** The coordinator's plan, handed on by the node (a node may be prover and challenger at once). */
  acceptPlan(plan: Plan, planSignature: Uint8Array, remote: Remote): Promise<void> {
    return acceptPlan(this.#turn, plan, planSignature, remote)
  }

  /** The coordinator is done; keeps the transcript. */
  finish(body: FinishBody, remote: Remote): Promise<FinishAnswer> {
    return finish(this.#turn, body, remote)
  }

  /** True where this prover runs that challenge. */
  owns(challengeId: Uint8Array): boolean {
    return this.#turn.owns(challengeId)
  }

  /** Whether that key coordinates the challenge under way: nobody else has anything long to send. */
  coordinates(publicKey: Uint8Array): boolean {
    return this.#turn.coordinates(publicKey)
  }
}
