/** `plumbline verify --joint FILE`: what provers get together, recomputed, and whether they share one link. */
import { readFile, stat } from 'node:fs/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { peerIdOfPublicKey } from '../crypto/peer-id.js'
import { UserError } from '../errors.js'
import { MAX_JOINT_BYTES } from '../pob/joint/file.js'
import { type JointVerdict, verifyJoint } from '../pob/joint/verify.js'
import { challengeIdOf } from '../pob/request.js'
import { VERDICT_LEVELS, type Verdict, type VerdictLevel } from '../pob/verify.js'
import { formatMbps, labelled, plural, printable, wrap } from './format.js'
import type { CommandIo } from './io.js'
import { atLayer, type Layer, layerName } from './layer.js'
import { bothRates, jointTable, SHARED_LINK_VERDICTS } from './measure-joint.js'
import type { TrustAnchors } from './verify.js'

const LABEL_WIDTH = 14
/** More faults repeat what the first ones say. */
const MAX_SHOWN_FAULTS = 20

export interface JointCheck {
  readonly path: string
  readonly wanted: VerdictLevel
  readonly anchors: TrustAnchors
  readonly layer: Layer
  readonly maxRecomputedBytes: number
}

/** @returns the exit status: 0 where the level asked for was reached */
export async function checkJointFile(check: JointCheck, io: CommandIo): Promise<number> {
  const { path, wanted, anchors, maxRecomputedBytes } = check
  const verdict = verifyJoint(await readJointFile(path), anchors, { maxRecomputedBytes })
  const reached =
    verdict.level !== undefined && VERDICT_LEVELS.indexOf(verdict.level) >= VERDICT_LEVELS.indexOf(wanted)
  const found = measured(verdict, check.layer)
  const { level = null, faults, missing } = verdict
  io.output.result(
    {
      jointTranscript: path,
      level,
      wanted,
      reached,
      faults,
      missing,
      verdict: sentence(verdict, wanted, reached),
      layer: check.layer,
      measurement: found ?? null,
    },
    () => textOf(io, check, verdict, reached),
  )
  return reached ? 0 : 1
}

async function readJointFile(path: string): Promise<Uint8Array> {
  const status = await stat(path).catch(() => undefined)
  if (status?.isFile() !== true)
    throw new UserError(`there is no file ${path}`, {
      code: 'NOT_FOUND',
      remedy: 'name a joint transcript, as `measure --with` writes them',
    })
  if (status.size > MAX_JOINT_BYTES)
    throw new UserError(`${path} has ${status.size} bytes: too many for a joint transcript`, {
      code: 'BAD_ARGUMENT',
      remedy: 'name the right file',
    })
  return readFile(path)
}

function measured({ parts, rates, link }: JointVerdict, layer: Layer) {
  if (rates === undefined || link === undefined) return undefined
  const mbps = (kbps: number) => atLayer(kbps / 1000, layer)
  const figures = ({ evidence, assessment }: Verdict) => ({
    challengeId: evidence === undefined ? null : `0x${bytesToHex(challengeIdOf(evidence.request))}`,
    acceptedAt: evidence === undefined ? null : new Date(evidence.acceptedAt * 1000).toISOString(),
    estimateMbps: mbps(assessment?.estimateKbps ?? 0),
    guaranteedMbps: mbps(assessment?.guaranteedKbps ?? 0),
  })
  const plan = parts[0]?.together.evidence?.plan
  return {
    provers: parts.map(({ alone, together }) => ({
      prover: alone.evidence === undefined ? '' : peerIdOfPublicKey(alone.evidence.request.prover),
      alone: figures(alone),
      together: figures(together),
    })),
    sharedLink: link.verdict,
    estimateMbps: mbps(rates.estimateKbps),
    guaranteedMbps: mbps(rates.guaranteedKbps),
    sumMbps: mbps(link.sumKbps),
    creditMbps: mbps(link.creditKbps),
    committee: plan?.committee.length ?? 0,
    faulty: plan?.faulty ?? 0,
  }
}

function sentence({ level, faults, missing }: JointVerdict, wanted: VerdictLevel, reached: boolean): string {
  if (level === undefined) return `REJECTED: ${plural(faults.length, 'fault')}; this is no proof of anything.`
  const meaning =
    level === 'consistent'
      ? 'it agrees with itself; anybody could make one like it with keys of their own'
      : 'everything was recomputed, and the challengers follow from the registry and the beacon you trust'
  if (reached) return `VERIFIED (${level}): ${meaning}.`
  const wanting = missing
    .filter((each) => each !== 'chain')
    .map((each) => `name the ${each} that you trust with --${each}`)
  return `NOT ${wanted.toUpperCase()}, only ${level}: ${meaning}. To get further: ${faults[0]?.message ?? wanting.join(', and ')}.`
}

function textOf({ style }: CommandIo, check: JointCheck, verdict: JointVerdict, reached: boolean): string {
  const row = (label: string, text: string) => labelled(`  ${label}`, text, LABEL_WIDTH)
  const [first = '', ...more] = wrap(sentence(verdict, check.wanted, reached), 80)
  const end = first.indexOf(':')
  const shown = verdict.faults.slice(0, MAX_SHOWN_FAULTS)
  const found = measured(verdict, check.layer)
  const left = verdict.faults.length - shown.length
  return [
    `${style(reached ? 'good' : 'bad', first.slice(0, end))}${first.slice(end)}`,
    ...more,
    ...(shown.length === 0 ? [] : ['']),
    ...shown.map(({ code, message }) => labelled(`  ${code}`, printable(message), 26)),
    ...(left > 0 ? [`  ... and ${left} more`] : []),
    '',
    row('File', check.path),
    ...(found === undefined
      ? []
      : [
          '',
          jointTable(found.provers),
          '',
          row(
            'Together',
            `${bothRates(found)} Mbit/s of ${layerName(check.layer)}; alone ${formatMbps(found.sumMbps)}`,
          ),
          row('Verdict', SHARED_LINK_VERDICTS[found.sharedLink]),
          row(
            'Credit',
            `${formatMbps(found.creditMbps)} to all of them, if at most ${found.faulty} of the ${found.committee} challengers ${found.faulty === 1 ? 'is' : 'are'} corrupt`,
          ),
        ]),
  ].join('\n')
}
