/** A verdict in words and as an object. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { addressOfPublicKey } from '../crypto/address.js'
import { peerIdOfPublicKey } from '../crypto/peer-id.js'
import { QUALITY_FLAGS } from '../pob/flags.js'
import { challengeIdOf, directionName, type ProfileName, profileName } from '../pob/request.js'
import type { Verdict, VerdictLevel } from '../pob/verify.js'
import { formatMbps, labelled, plural, printable, wrap } from './format.js'
import { atLayer, type Layer, layerName } from './layer.js'
import type { Style } from './output.js'
import type { TrustAnchors } from './verify.js'

const LABEL_WIDTH = 14
/** More of one code repeat what the first ones say. */
const MAX_SHOWN_FAULTS = 20

export interface VerdictContext {
  readonly path: string
  readonly wanted: VerdictLevel
  readonly anchors: TrustAnchors
  readonly layer: Layer
  /** False for content that is something else, or only a part of a transcript. */
  readonly isTranscript: boolean
}

/** What the transcript says was measured; undefined where it cannot be read. */
function measured({ evidence, assessment, evidenceHash }: Verdict, layer: Layer) {
  if (evidence === undefined || assessment === undefined || evidenceHash === undefined) return undefined
  const { request, plan, acceptedAt } = evidence
  const mbps = (kbps: number) => atLayer(kbps / 1000, layer)
  return {
    challengeId: `0x${bytesToHex(challengeIdOf(request))}`,
    prover: peerIdOfPublicKey(request.prover),
    direction: directionName(request.direction) ?? null,
    profile: profileName(request.profile) ?? null,
    acceptedAt: new Date(acceptedAt * 1000).toISOString(),
    claimMbps: mbps(request.claimKbps),
    estimateMbps: mbps(assessment.estimateKbps),
    guaranteedMbps: mbps(assessment.guaranteedKbps),
    interval: { lowMbps: mbps(assessment.interval.lowKbps), highMbps: mbps(assessment.interval.highKbps) },
    committee: plan.committee.length,
    faulty: plan.faulty,
    quality: assessment.flags,
    evidenceHash: bytesToHex(evidenceHash),
  }
}

export function verdictObject(verdict: Verdict, context: VerdictContext, reached: boolean) {
  const { registry, registryPath, beacon, chain } = context.anchors
  return {
    transcript: context.path,
    level: verdict.level ?? null,
    wanted: context.wanted,
    reached,
    faults: verdict.faults,
    missing: verdict.missing,
    verdict: sentence(verdict, context, reached),
    layer: context.layer,
    trust: {
      registry:
        registry === undefined
          ? null
          : {
              path: registryPath ?? null,
              hash: bytesToHex(registry.hash),
              publisher: publisherOf(context.anchors),
            },
      beacon: beacon === undefined ? null : { kind: beacon.kind, chainHash: bytesToHex(beacon.chainHash) },
      chain:
        chain === undefined
          ? null
          : { chainId: chain.chainId, contract: `0x${bytesToHex(chain.verifyingContract)}` },
    },
    measurement: measured(verdict, context.layer) ?? null,
  }
}

function publisherOf({ registry }: TrustAnchors): string | null {
  return registry?.publisher === undefined ? null : addressOfPublicKey(registry.publisher)
}

const MISSING_REMEDIES = {
  registry: 'name the registry that you trust with --registry',
  beacon: 'name the beacon that you trust with --beacon',
  chain: 'name the chain that it was settled on with --rpc',
} as const

/** The verdict in one sentence, with what to do where it falls short. */
export function sentence(
  verdict: Verdict,
  { wanted, isTranscript }: VerdictContext,
  reached: boolean,
): string {
  const { level, faults, missing } = verdict
  if (!isTranscript) return 'REJECTED: this is no plumbline transcript, or only a part of one.'
  const [first] = faults
  // Nothing was found wrong with it, and nothing was found right.
  if (level === undefined && first?.code === 'too_much_traffic')
    return `NOT CHECKED: ${first.message}; raise --max-gib to go on.`
  if (level === undefined) return `REJECTED: ${plural(faults.length, 'fault')}; this is no proof of anything.`
  const meaning = {
    consistent: 'the transcript agrees with itself; anybody could make one like it with keys of their own',
    anchored:
      'everything was recomputed, and the committee follows from the registry (or chain) and the beacon you trust',
    settled: 'everything was recomputed, and the chain holds the same value',
  }[level]
  if (reached) return `VERIFIED (${level}): ${meaning}.`
  const obstacle = faults[0]?.message
  const wanting = missing.filter((each) => wanted === 'settled' || each !== 'chain')
  const reason = obstacle ?? wanting.map((each) => MISSING_REMEDIES[each]).join(', and ')
  return `NOT ${wanted.toUpperCase()}, only ${level}: ${meaning}. To get further: ${reason}.`
}

export function verdictText(
  verdict: Verdict,
  context: VerdictContext,
  reached: boolean,
  style: Style,
): string {
  const row = (label: string, text: string) => labelled(`  ${label}`, text, LABEL_WIDTH)
  const found = measured(verdict, context.layer)
  const { registry, registryPath, beacon, chain } = context.anchors
  const publisher = publisherOf(context.anchors)
  const faults = verdict.faults
    .slice(0, MAX_SHOWN_FAULTS)
    .map((fault) => labelled(`  ${fault.code}`, printable(fault.message), 26))
  const more = verdict.faults.length - faults.length
  const lines = wrap(sentence(verdict, context, reached), 80)
  return [
    ...lines.map((line, i) => (i === 0 ? emphasized(line, reached, style) : line)),
    ...(faults.length === 0 ? [] : ['', ...faults, ...(more > 0 ? [`  ... and ${more} more`] : [])]),
    '',
    row('Transcript', context.path),
    ...(found === undefined
      ? []
      : [
          row('Challenge', found.challengeId),
          row('Prover', found.prover),
          row(
            'Accepted',
            `${found.acceptedAt}, ${found.direction === 'up' ? 'uplink' : 'downlink'}, profile ${found.profile ?? 'unknown'}`,
          ),
          row('Estimate', `${formatMbps(found.estimateMbps)} of ${layerName(context.layer)}`),
          row(
            'Guaranteed',
            `${formatMbps(found.guaranteedMbps)} ${assumption(found.faulty, found.committee, found.profile)}`,
          ),
          ...found.quality.map((flag) => row('Remark', `${flag}: ${QUALITY_FLAGS[flag]}`)),
        ]),
    ...(registry === undefined || !context.isTranscript
      ? []
      : [row('Registry', `${registryPath}${publisher === null ? '' : `, signed by ${publisher}`}`)]),
    ...(beacon === undefined || !context.isTranscript
      ? []
      : [row('Beacon', `${beacon.kind} ${bytesToHex(beacon.chainHash).slice(0, 16)}...`)]),
    ...(chain === undefined || !context.isTranscript
      ? []
      : [row('Chain', `${chain.chainId}, contract 0x${bytesToHex(chain.verifyingContract)}`)]),
  ].join('\n')
}

function assumption(faulty: number, committee: number, profile: ProfileName | null): string {
  if (profile === 'published') return 'by the published rule, which a prover that delays probes can break'
  if (profile === 'strict') return 'with the probability that the request asked for'
  if (committee === 1) return 'if its only challenger is honest'
  if (faulty === 0) return `if none of the ${committee} challengers is corrupt`
  return `if at most ${faulty} of the ${committee} challengers ${faulty === 1 ? 'is' : 'are'} corrupt`
}

function emphasized(line: string, reached: boolean, style: Style): string {
  const end = line.indexOf(':')
  return `${style(reached ? 'good' : 'bad', line.slice(0, end))}${line.slice(end)}`
}
