/** What goes into the history of challenges: from a payer's result, or from the transcript that a daemon is handed. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { dataPaths } from '../config/paths.js'
import { peerIdOfPublicKey } from '../crypto/peer-id.js'
import { PACKET_BYTES } from '../pob/constants.js'
import { decodeEvidence } from '../pob/evidence.js'
import { statedFlags } from '../pob/flags.js'
import { sameBytes } from '../pob/party.js'
import { isAllOn } from '../pob/plan.js'
import { challengeIdOf, Direction, directionName, profileName } from '../pob/request.js'
import type { SlotRecord } from '../pob/slot.js'
import { decodeTranscript } from '../pob/transcript.js'
import type { MeasureResult } from '../roles/measure-result.js'
import type { SeenBeside } from '../roles/modules.js'
import { type Telemetry, telemetryOf } from '../roles/telemetry.js'
import { appendHistory, type HistoryRecord, type JointRecord } from '../store/history.js'
import type { Logger } from '../telemetry/logger.js'

const KBPS_PER_MBPS = 1000
const toKbps = (mbps: number): number => Math.round(mbps * KBPS_PER_MBPS)

const PPM_A_PERCENT = 10_000
const toPpm = (percent: number): number => Math.round(percent * PPM_A_PERCENT)
const toMicros = (ms: number): number => Math.round(ms * 1000)

export function recordOfResult(
  result: MeasureResult,
  payer: string,
  finishedAtMs: number,
  joint?: JointRecord,
): HistoryRecord {
  const { available } = result
  return {
    challengeId: result.challengeId.replace(/^0x/, ''),
    finishedAtMs,
    role: 'payer',
    prover: result.prover,
    payer,
    direction: result.direction,
    profile: result.profile,
    claimKbps: toKbps(result.claimMbps),
    estimateKbps: toKbps(result.estimateMbps),
    guaranteedKbps: toKbps(result.guaranteedMbps),
    bytes: result.bytes,
    trafficBytes: result.trafficBytes,
    tauMicros: toMicros(result.tauMs),
    lossPpm: toPpm(result.lossPct),
    ...telemetryFields(result.telemetry),
    ...(available === undefined
      ? {}
      : { availableKbps: toKbps(available.rateMbps), isAvailableLimited: available.isLimited }),
    ...(joint === undefined ? {} : { joint }),
    flags: result.quality,
  }
}

/** What was told, and nothing in the place of what was not. */
function telemetryFields({ latency, delayVariationMs, reordering }: Telemetry): Partial<HistoryRecord> {
  const { idle, loaded, increaseMs, grade, rpm, isStillRising } = latency
  return {
    ...(idle === null ? {} : { idleMicros: toMicros(idle.medianMs), idleLossPpm: toPpm(idle.lossPct) }),
    ...(loaded === null
      ? {}
      : { loadedMicros: toMicros(loaded.medianMs), loadedLossPpm: toPpm(loaded.lossPct) }),
    ...(increaseMs === null ? {} : { increaseMicros: toMicros(increaseMs) }),
    ...(grade === null ? {} : { grade }),
    ...(rpm === null ? {} : { rpm }),
    ...(isStillRising === null ? {} : { isStillRising }),
    ...(delayVariationMs === null
      ? {}
      : {
          variationMicros: toMicros(delayVariationMs.median),
          variationP95Micros: toMicros(delayVariationMs.p95),
        }),
    reorderedPpm: toPpm(reordering.reorderedPct),
    reorderExtent: reordering.maxExtent,
  }
}

/** Of a transcript that its coordinator handed over; what it says was checked before by whoever signed it. */
export function recordOfTranscript(
  content: Uint8Array,
  ownKey: Uint8Array,
  finishedAtMs: number,
  beside: SeenBeside = {},
): HistoryRecord {
  const transcript = decodeTranscript(content)
  const { estimateKbps, guaranteedKbps } = transcript
  const evidence = decodeEvidence(transcript.evidence)
  const { request, plan, slots } = evidence
  const testimonies = slots.flatMap((slot) => slot.testimonies).filter((each) => each !== null)
  const sent = testimonies.reduce((sum, { sentPackets }) => sum + sentPackets, 0)
  const arrived = slots.reduce((sum, slot) => sum + arrivedPackets(slot), 0)
  const isUplink = request.direction === Direction.up
  const { paths = [], statistics = [] } = beside
  return {
    challengeId: bytesToHex(challengeIdOf(request)),
    finishedAtMs,
    role: sameBytes(request.prover, ownKey) ? 'prover' : 'challenger',
    prover: peerIdOfPublicKey(request.prover),
    payer: peerIdOfPublicKey(request.payer),
    direction: directionName(request.direction) ?? 'down',
    profile: profileName(request.profile) ?? 'standard',
    claimKbps: request.claimKbps,
    estimateKbps,
    guaranteedKbps,
    bytes: sent * PACKET_BYTES * (isUplink ? 2 : 1),
    tauMicros: plan.tauMicros,
    ...(sent === 0 ? {} : { lossPpm: toPpm(Math.max(0, 100 * (1 - arrived / sent))) }),
    ...telemetryFields(telemetryOf({ paths, plan, statistics, evidence })),
    flags:
      beside.flags ??
      statedFlags({
        claimKbps: request.claimKbps,
        estimateKbps,
        allOn: isAllOn(request, plan),
        isUplink,
        roundTripMicros: testimonies.map(({ rttMicros }) => rttMicros),
      }),
  }
}

/** At the prover; of an uplink, back at the members. */
function arrivedPackets({ capture, testimonies }: SlotRecord): number {
  const counts = capture?.counts.at(-1) ?? testimonies.map((each) => each?.echoCounts?.at(-1) ?? 0)
  return counts.reduce((sum, count) => sum + count, 0)
}

/** A history that cannot be written is no reason to lose a result. */
export async function keepInHistory(dataDir: string, log: Logger, make: () => HistoryRecord): Promise<void> {
  try {
    await appendHistory(dataPaths(dataDir).history, make())
  } catch (error) {
    log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'not kept in the history')
  }
}
