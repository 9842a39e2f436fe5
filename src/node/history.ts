/** What goes into the history of challenges: from a payer's result, or from the transcript that a daemon is handed. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { dataPaths } from '../config/paths.js'
import { peerIdOfPublicKey } from '../crypto/peer-id.js'
import { PACKET_BYTES } from '../pob/constants.js'
import { decodeEvidence } from '../pob/evidence.js'
import { sameBytes } from '../pob/party.js'
import { challengeIdOf, Direction, directionName, profileName } from '../pob/request.js'
import { decodeTranscript } from '../pob/transcript.js'
import type { MeasureResult } from '../roles/measure-result.js'
import { appendHistory, type HistoryRecord } from '../store/history.js'
import type { Logger } from '../telemetry/logger.js'

const KBPS_PER_MBPS = 1000
const toKbps = (mbps: number): number => Math.round(mbps * KBPS_PER_MBPS)

export function recordOfResult(result: MeasureResult, payer: string, finishedAtMs: number): HistoryRecord {
  const { idle, loaded } = result.telemetry.latency
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
    ...(idle === null ? {} : { idleMicros: Math.round(idle.medianMs * 1000) }),
    ...(loaded === null ? {} : { loadedMicros: Math.round(loaded.medianMs * 1000) }),
    flags: result.quality,
  }
}

/** Of a transcript that its coordinator handed over; what it says was checked before by whoever signed it. */
export function recordOfTranscript(
  content: Uint8Array,
  ownKey: Uint8Array,
  finishedAtMs: number,
): HistoryRecord {
  const { evidence, estimateKbps, guaranteedKbps } = decodeTranscript(content)
  const { request, slots } = decodeEvidence(evidence)
  const sent = slots
    .flatMap(({ testimonies }) => testimonies)
    .reduce((sum, testimony) => sum + (testimony?.sentPackets ?? 0), 0)
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
    bytes: sent * PACKET_BYTES * (request.direction === Direction.up ? 2 : 1),
    flags: [],
  }
}

/** A history that cannot be written is no reason to lose a result. */
export async function keepInHistory(dataDir: string, log: Logger, make: () => HistoryRecord): Promise<void> {
  try {
    await appendHistory(dataPaths(dataDir).history, make())
  } catch (error) {
    log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'not kept in the history')
  }
}
