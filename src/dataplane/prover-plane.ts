/** The main thread's handle on a prover's plane: checks arguments and asks the worker. */
import {
  checkConsent,
  checkDeadline,
  checkPlaneOptions,
  checkProbeOptions,
  checkProverPath,
  checkSlotOrder,
} from './checks.js'
import type { ConsentGrant, ProbeOptions } from './messages.js'
import { PlaneHost } from './plane-host.js'
import type {
  BackendInfo,
  Endpoint,
  PlaneCounters,
  PlaneOptions,
  ProbeResult,
  ProverPath,
  ProverPlane,
  SlotCapture,
  SlotOrder,
} from './types.js'

class WorkerProverPlane implements ProverPlane {
  readonly #host: PlaneHost

  constructor(host: PlaneHost) {
    this.#host = host
  }

  get backend(): BackendInfo {
    return this.#host.backend
  }

  get endpoint(): Endpoint {
    return this.#host.endpoint
  }

  onError(handler: (error: Error) => void): void {
    this.#host.onError(handler)
  }

  async addPath(path: ProverPath): Promise<void> {
    checkProverPath(path)
    await this.#host.call({ op: 'addPath', path })
  }

  async hello(sessionId: Uint8Array, deadlineMs: number): Promise<Uint8Array> {
    checkDeadline(deadlineMs)
    return await this.#host.call({ op: 'hello', sessionId, deadlineMs })
  }

  async consent(sessionId: Uint8Array, consent: ConsentGrant, deadlineMs: number): Promise<void> {
    checkConsent(consent)
    checkDeadline(deadlineMs)
    await this.#host.call({ op: 'consent', sessionId, consent, deadlineMs })
  }

  async probe(sessionId: Uint8Array, options: ProbeOptions): Promise<ProbeResult> {
    checkProbeOptions(options)
    return await this.#host.call({ op: 'probe', sessionId, options })
  }

  async runSlot(order: SlotOrder): Promise<SlotCapture> {
    checkSlotOrder(order)
    return await this.#host.call({ op: 'runSlot', order })
  }

  async counters(): Promise<PlaneCounters> {
    return await this.#host.call({ op: 'counters' })
  }

  async close(): Promise<void> {
    await this.#host.close()
  }
}

/** @throws UserError where the address cannot be bound or the backend asked for is missing. */
export async function openProverPlane(options: PlaneOptions): Promise<ProverPlane> {
  checkPlaneOptions(options)
  return new WorkerProverPlane(await PlaneHost.open('prover', options))
}
