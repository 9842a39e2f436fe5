/** The control messages of docs/protocol.md section 11: names, schemas, limits. */
import {
  array,
  bytes,
  type Infer,
  integer,
  nothing,
  object,
  optional,
  type Schema,
  text,
} from '../crypto/cbor-schema.js'
import { MAX_ACKS, MAX_COMMITTEE, MAX_EVIDENCE_BYTES } from '../pob/constants.js'
import { firstSendSchema } from '../pob/joint/first-send.js'
import { planSchema } from '../pob/plan.js'
import { hash, requestSchema, signature, unixSeconds } from '../pob/request.js'
import { sealSchema } from '../pob/seal.js'
import {
  attemptNumber,
  captureSchema,
  commitmentSchema,
  nullable,
  slotNumber,
  testimonySchema,
} from '../pob/slot.js'

/** One control exchange. */
export interface ControlMessage<Q, R> {
  /** Protocol `/plumbline/<name>/1`. */
  readonly name: string
  readonly request: Schema<Q>
  readonly response: Schema<R>
  readonly maxRequestBytes: number
  readonly maxResponseBytes: number
  readonly deadlineMs: number
  /** Captures have megabytes: what else a node answers does not count against them. */
  readonly answersIn: 'challenge'
}

const SMALL_BYTES = 64 * 1024
/** Orders of a lossy 10 Gbit/s train still fit. */
const CAPTURE_BYTES = 8 * 1024 * 1024

/** Steps have slot numbers of their own, up to 255. */
const MAX_STEP = 127

/** A member that does not answer by then counts as silent for this step. */
const MEMBER_DEADLINE_MS = 6_000
/** The evidence of a fast link is megabytes, for all who lack it, perhaps from a home line. */
const FINISH_DEADLINE_MS = 60_000
/** The slot itself, its drain and the capture's way back. */
const SLOT_DEADLINE_MS = 15_000
/** Opening and probing all paths. */
const PREPARE_DEADLINE_MS = 15_000
/** Recomputing the longest evidence on a slow machine. */
const EVIDENCE_DEADLINE_MS = 20_000

const admission = {
  request: requestSchema,
  payerSignature: signature,
  acceptedAt: unixSeconds,
  acceptanceSignature: signature,
}
const slotId = { challengeId: hash, slot: slotNumber, attempt: attemptNumber }

function message<Q, R>(
  name: string,
  request: Schema<Q>,
  response: Schema<R>,
  deadlineMs: number,
  limits: { readonly request?: number; readonly response?: number } = {},
): ControlMessage<Q, R> {
  return {
    name,
    request,
    response,
    deadlineMs,
    answersIn: 'challenge',
    maxRequestBytes: limits.request ?? SMALL_BYTES,
    maxResponseBytes: limits.response ?? SMALL_BYTES,
  }
}

const MAX_PROBES = 64
const roundTripMicros = integer({ max: 60_000_000 })
const pathReport = object({
  ready: integer({ min: 0, max: 1 }),
  rttMicros: integer({ max: 60_000_000 }),
  jitterMicros: integer({ max: 60_000_000 }),
  /** Of each probe, in the order of sending; 0 for a lost one. */
  idleMicros: optional(array(roundTripMicros, { max: MAX_PROBES })),
  reason: optional(text({ max: 200 })),
})
export type PathReport = Infer<typeof pathReport>

export const slotStatisticsSchema = object({
  packets: integer({ max: 1e9 }),
  duplicates: integer({ max: 1e9 }),
  badTag: integer({ max: 1e9 }),
  overflow: integer({ max: 1e9 }),
  arrivalSpanMicros: integer({ max: 60_000_000 }),
  jitterMicros: integer({ max: 60_000_000 }),
  reordered: integer({ max: 1e9 }),
  busyPermille: integer({ max: 1000 }),
  kernelTimestamps: integer({ max: 1 }),
  variationMedianMicros: optional(roundTripMicros),
  variationP95Micros: optional(roundTripMicros),
  /** Round trips under load, per member of the team; 0 for a lost probe. */
  loadedMicros: optional(array(array(roundTripMicros, { max: MAX_PROBES }), { max: MAX_COMMITTEE })),
})
export type ReportedStatistics = Infer<typeof slotStatisticsSchema>

export const REQUEST_MESSAGE = message(
  'request',
  object({ request: requestSchema, payerSignature: signature }),
  object({ acceptedAt: unixSeconds, signature }),
  MEMBER_DEADLINE_MS,
)
export const PREPARE_MESSAGE = message(
  'prepare',
  object({ challengeId: hash, beaconSignature: bytes({ length: 48 }) }),
  object({ paths: array(pathReport, { max: MAX_COMMITTEE }) }),
  PREPARE_DEADLINE_MS,
)
export const admissionSchema = object({ ...admission, beaconSignature: bytes({ length: 48 }) })
export type Admission = Infer<typeof admissionSchema>
export const SESSION_MESSAGE = message(
  'session',
  admissionSchema,
  object({
    sessionId: bytes({ length: 8 }),
    key: bytes({ length: 16 }),
  }),
  MEMBER_DEADLINE_MS,
)
const planBodySchema = object({ ...admission, plan: planSchema, planSignature: signature })
export type PlanBody = Infer<typeof planBodySchema>
export const PLAN_MESSAGE = message('plan', planBodySchema, nothing, MEMBER_DEADLINE_MS)
export const ARM_MESSAGE = message('arm', object(slotId), commitmentSchema, MEMBER_DEADLINE_MS)
export const SLOT_MESSAGE = message(
  'slot',
  object({ ...slotId, commitments: array(nullable(commitmentSchema), { min: 1, max: MAX_COMMITTEE }) }),
  object({ capture: captureSchema, statistics: slotStatisticsSchema }),
  SLOT_DEADLINE_MS,
  { response: CAPTURE_BYTES },
)
export const REVEAL_MESSAGE = message(
  'reveal',
  object({ ...slotId, roots: array(hash, { max: MAX_ACKS }), signature }),
  testimonySchema,
  MEMBER_DEADLINE_MS,
)
export const ECHO_MESSAGE = message(
  'echo',
  object({ ...slotId, commitments: array(nullable(commitmentSchema), { min: 1, max: MAX_COMMITTEE }) }),
  object({ statistics: slotStatisticsSchema }),
  SLOT_DEADLINE_MS,
)
export const ECHOED_MESSAGE = message('echoed', object(slotId), testimonySchema, MEMBER_DEADLINE_MS)
export const FIRST_SEND_MESSAGE = message('first-send', object(slotId), firstSendSchema, MEMBER_DEADLINE_MS)
const step = {
  challengeId: hash,
  step: integer({ max: MAX_STEP }),
  rateKbps: integer({ min: 1, max: 120_000_000 }),
}
export const STEP_ARM_MESSAGE = message('step-arm', object(step), nothing, MEMBER_DEADLINE_MS)
export const STEP_MESSAGE = message(
  'step',
  object({
    ...step,
    slot: slotNumber,
    armed: array(integer({ max: MAX_COMMITTEE - 1 }), { max: MAX_COMMITTEE }),
  }),
  object({ packets: integer({ max: 1e9 }), growthMicros: roundTripMicros }),
  SLOT_DEADLINE_MS,
)
export const EVIDENCE_MESSAGE = message(
  'evidence',
  object({ evidence: bytes({ max: MAX_EVIDENCE_BYTES }) }),
  object({ signature }),
  EVIDENCE_DEADLINE_MS,
  { request: MAX_EVIDENCE_BYTES + SMALL_BYTES },
)
export const SIGN_MESSAGE = message(
  'sign',
  object({
    challengeId: hash,
    evidenceHash: hash,
    votes: array(nullable(signature), { min: 1, max: MAX_COMMITTEE }),
  }),
  object({ signature }),
  MEMBER_DEADLINE_MS,
)
const servedSchema = object({ slot: slotNumber, attempt: attemptNumber, commitment: commitmentSchema })
/** One commitment of a member: it was there, and ready to send. */
export type Served = Infer<typeof servedSchema>
export const SERVED_MESSAGE = message(
  'served',
  object({ challengeId: hash }),
  object({ served: nullable(servedSchema) }),
  MEMBER_DEADLINE_MS,
)
export const NO_RESULT_MESSAGE = message(
  'no-result',
  object({ challengeId: hash, served: array(nullable(servedSchema), { min: 1, max: MAX_COMMITTEE }) }),
  object({ signature }),
  MEMBER_DEADLINE_MS,
)
const finishSchema = object({
  challengeId: hash,
  /** Left out where the challenge was given up. */
  seal: optional(sealSchema),
  /** For who has not kept it: the prover, and members that did not vote. */
  evidence: optional(bytes({ max: MAX_EVIDENCE_BYTES })),
})
export type FinishBody = Infer<typeof finishSchema>
const finishAnswerSchema = object({ lacksEvidence: integer({ max: 1 }) })
export type FinishAnswer = Infer<typeof finishAnswerSchema>
export const FINISH_MESSAGE = message('finish', finishSchema, finishAnswerSchema, FINISH_DEADLINE_MS, {
  request: MAX_EVIDENCE_BYTES + SMALL_BYTES,
})
