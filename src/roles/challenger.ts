/**
 * The challenger: a member of committees. It admits a challenge, lets the prover open a path, commits to a seed,
 * sends its train, testifies, votes and signs. Each signature is made once: the lock is on disk before it leaves.
 */
import type { MemberPlane } from '../dataplane/index.js'
import { type ChallengerBehaviour, honestChallenger } from './behaviour.js'
import { tellEchoes } from './challenger/echo.js'
import { sign, vote } from './challenger/evidence.js'
import { finish } from './challenger/finish.js'
import { tellFirstSend } from './challenger/first-send.js'
import type { ChallengerOptions } from './challenger/modules.js'
import { gatherNoResult, type NoResult, signNoResult, tellServed } from './challenger/no-result.js'
import { acceptPlan } from './challenger/plan.js'
import { checkConsent, openSession } from './challenger/session.js'
import { arm, reveal } from './challenger/slot.js'
import { armStep } from './challenger/step.js'
import { ChallengeTable } from './challenger/table.js'
import {
  ARM_MESSAGE,
  ECHOED_MESSAGE,
  EVIDENCE_MESSAGE,
  FIRST_SEND_MESSAGE,
  type FinishAnswer,
  type FinishBody,
  NO_RESULT_MESSAGE,
  type PlanBody,
  REVEAL_MESSAGE,
  SERVED_MESSAGE,
  SESSION_MESSAGE,
  SIGN_MESSAGE,
  STEP_ARM_MESSAGE,
} from './control-messages.js'
import type { Remote, RoleModules } from './modules.js'

export type { ChallengerOptions } from './challenger/modules.js'

export class Challenger {
  readonly #table: ChallengeTable

  constructor(
    readonly options: ChallengerOptions,
    readonly modules: RoleModules & { readonly plane: MemberPlane; readonly behaviour?: ChallengerBehaviour },
  ) {
    const behaviour = modules.behaviour ?? honestChallenger
    this.#table = new ChallengeTable({ ...modules, behaviour }, options)
  }

  async start(): Promise<void> {
    const { control, plane } = this.modules
    const table = this.#table
    plane.onConsent((claim) => checkConsent(table, claim))
    await control.handle(SESSION_MESSAGE, (body, remote) => openSession(table, body, remote))
    await control.handle(ARM_MESSAGE, (body, remote) => arm(table, body, remote))
    await control.handle(REVEAL_MESSAGE, (body, remote) => reveal(table, body, remote))
    await control.handle(ECHOED_MESSAGE, (body, remote) => tellEchoes(table, body, remote))
    await control.handle(FIRST_SEND_MESSAGE, (body, remote) => tellFirstSend(table, body, remote))
    await control.handle(STEP_ARM_MESSAGE, (body, remote) => armStep(table, body, remote))
    await control.handle(EVIDENCE_MESSAGE, (body, remote) => vote(table, body.evidence, remote), {
      admit: ({ publicKey }) => this.coordinates(publicKey),
    })
    await control.handle(SIGN_MESSAGE, (body) => sign(table, body.challengeId, body.evidenceHash, body.votes))
    await control.handle(SERVED_MESSAGE, (body, remote) => tellServed(table, body.challengeId, remote))
    await control.handle(NO_RESULT_MESSAGE, (body, remote) => signNoResult(table, body, remote))
  }

  /** The members' late statement that a challenge has no result; undefined where too few make it. @param id hex */
  gatherNoResult(id: string): Promise<NoResult | undefined> {
    return gatherNoResult(this.#table, id)
  }

  async stop(): Promise<void> {
    for (const challenge of this.#table.all()) await this.#table.release(challenge)
    this.#table.turns.close()
  }

  /** Challenges under way, for `status`. */
  get active(): number {
    return this.#table.size
  }

  /** Whether that key coordinates a challenge under way: nobody else has anything long to send. */
  coordinates(publicKey: Uint8Array): boolean {
    return this.#table.coordinates(publicKey)
  }

  /** The coordinator's plan. @throws Refusal */
  acceptPlan(body: PlanBody, remote: Remote): Promise<void> {
    return acceptPlan(this.#table, body, remote)
  }

  /** The coordinator is done; keeps the transcript of the evidence voted for. @throws Refusal */
  finish(body: FinishBody, remote: Remote): Promise<FinishAnswer> {
    return finish(this.#table, body, remote)
  }
}
