/** The main thread's handle on a member's plane: checks arguments, asks the worker, answers its consent claims. */
import { checkMemberSession, checkPlaneOptions, checkTrainOrder } from './checks.js'
import { PlaneHost } from './plane-host.js'
import type {
  BackendInfo,
  ConsentClaim,
  Endpoint,
  MemberPlane,
  MemberSession,
  PathStatistics,
  PlaneCounters,
  PlaneOptions,
  TrainOrder,
  TrainReport,
} from './types.js'

type ConsentHandler = (claim: ConsentClaim) => Promise<boolean>

class WorkerMemberPlane implements MemberPlane {
  readonly #host: PlaneHost
  #consentHandler: ConsentHandler = async () => false

  constructor(host: PlaneHost) {
    this.#host = host
    host.onEvent((event) => void this.#onConsentClaim(event.claimId, event.claim))
  }

  get backend(): BackendInfo {
    return this.#host.backend
  }

  get endpoint(): Endpoint {
    return this.#host.endpoint
  }

  async addSession(session: MemberSession): Promise<void> {
    checkMemberSession(session)
    await this.#host.call({ op: 'addSession', session })
  }

  async removeSession(sessionId: Uint8Array): Promise<void> {
    await this.#host.call({ op: 'removeSession', sessionId })
  }

  onConsent(handler: ConsentHandler): void {
    this.#consentHandler = handler
  }

  onError(handler: (error: Error) => void): void {
    this.#host.onError(handler)
  }

  async prepareTrain(order: TrainOrder): Promise<void> {
    checkTrainOrder(order)
    await this.#host.call({ op: 'prepareTrain', order })
  }

  async collectTrain(train: {
    readonly sessionId: Uint8Array
    readonly slot: number
    readonly attempt: number
  }): Promise<TrainReport> {
    const { sessionId, slot, attempt } = train
    return await this.#host.call({ op: 'collectTrain', train: { sessionId, slot, attempt } })
  }

  async pathStatistics(sessionId: Uint8Array): Promise<PathStatistics> {
    return await this.#host.call({ op: 'pathStatistics', sessionId })
  }

  async counters(): Promise<PlaneCounters> {
    return await this.#host.call({ op: 'counters' })
  }

  async close(): Promise<void> {
    await this.#host.close()
  }

  async #onConsentClaim(claimId: number, claim: ConsentClaim): Promise<void> {
    let accept = false
    try {
      accept = await this.#consentHandler(claim)
    } catch {
      // A handler that throws has not consented.
    }
    try {
      await this.#host.call({ op: 'consentVerdict', claimId, accept })
    } catch {
      // The plane was closed meanwhile.
    }
  }
}

/** @throws UserError where the address cannot be bound or the backend asked for is missing. */
export async function openMemberPlane(options: PlaneOptions): Promise<MemberPlane> {
  checkPlaneOptions(options)
  return new WorkerMemberPlane(await PlaneHost.open('member', options))
}
