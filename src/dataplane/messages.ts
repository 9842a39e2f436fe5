/** What passes between the main thread and a plane's worker. Structured clone; sizes are checked before posting. */

import { type ErrorCode, UserError } from '../errors.js'
import type {
  BackendInfo,
  ConsentClaim,
  Endpoint,
  MemberSession,
  PlaneOptions,
  ProverPath,
  SlotOrder,
  TrainOrder,
} from './types.js'

export type PlaneRole = 'member' | 'prover'

/** control[0]: set when the process ends, so that a worker that sleeps in the kernel leaves. */
export const RUNNING = 0
export const CLOSING = 1

export interface WorkerStart {
  readonly role: PlaneRole
  readonly options: PlaneOptions
  /** One Int32 in shared memory. */
  readonly control: SharedArrayBuffer
}

export interface TrainName {
  readonly sessionId: Uint8Array
  readonly slot: number
  readonly attempt: number
}

export interface ConsentGrant {
  readonly nonce: Uint8Array
  readonly expiresAt: number
  readonly maxBytes: number
  readonly signature: Uint8Array
}

export interface ProbeOptions {
  readonly count: number
  readonly intervalMs: number
  readonly behaviour?: { readonly closeDelayMs: number }
}

export type MemberRequest =
  | { readonly op: 'addSession'; readonly session: MemberSession }
  | { readonly op: 'removeSession'; readonly sessionId: Uint8Array }
  | { readonly op: 'consentVerdict'; readonly claimId: number; readonly accept: boolean }
  | { readonly op: 'prepareTrain'; readonly order: TrainOrder }
  | { readonly op: 'collectTrain'; readonly train: TrainName }
  | { readonly op: 'pathStatistics'; readonly sessionId: Uint8Array }

export type ProverRequest =
  | { readonly op: 'addPath'; readonly path: ProverPath }
  | { readonly op: 'hello'; readonly sessionId: Uint8Array; readonly deadlineMs: number }
  | {
      readonly op: 'consent'
      readonly sessionId: Uint8Array
      readonly consent: ConsentGrant
      readonly deadlineMs: number
    }
  | { readonly op: 'probe'; readonly sessionId: Uint8Array; readonly options: ProbeOptions }
  | { readonly op: 'runSlot'; readonly order: SlotOrder }

export type CommonRequest = { readonly op: 'counters' } | { readonly op: 'close' }
export type PlaneRequest = MemberRequest | ProverRequest | CommonRequest

export interface RequestEnvelope {
  readonly id: number
  readonly request: PlaneRequest
}

export interface WireError {
  readonly message: string
  /** Set for UserErrors. */
  readonly code?: ErrorCode
  readonly remedy?: string
}

export type PlaneEvent = { readonly event: 'consent'; readonly claimId: number; readonly claim: ConsentClaim }

export type WorkerMessage =
  | {
      readonly kind: 'ready'
      readonly backend: BackendInfo
      readonly endpoint: Endpoint
      readonly wakeFd: number
    }
  | { readonly kind: 'failed'; readonly error: WireError }
  | { readonly kind: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError }
  | { readonly kind: 'event'; readonly event: PlaneEvent }

export function toWireError(error: unknown): WireError {
  if (error instanceof UserError)
    return {
      message: error.message,
      code: error.code,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    }
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

export function fromWireError(error: WireError): Error {
  if (error.code === undefined) return new Error(error.message)
  return new UserError(error.message, {
    code: error.code,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
  })
}
