/** Verification of a joint transcript by anybody: the credit and the verdict follow from what members and provers signed. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { UserError } from '../../errors.js'
import { teamMembers } from '../committee.js'
import type { Evidence } from '../evidence.js'
import { type Fault, FaultList } from '../fault.js'
import { sameBytes } from '../party.js'
import type { Registry } from '../registry.js'
import { Direction, digestsOf, Profile } from '../request.js'
import {
  type Anchors,
  VERDICT_LEVELS,
  type Verdict,
  type VerdictLevel,
  type VerifyLimits,
  verifyTranscript,
} from '../verify.js'
import { DEFAULT_MAX_RECOMPUTED_BYTES, recomputedBytes } from '../workload.js'
import { decodeJointFile, type JointFile } from './file.js'
import { isFirstSendOf } from './first-send.js'
import { ratesTogether } from './rates.js'
import { type JointRates, type SharedLink, sharedLink } from './verdict.js'

/** What lies further apart says nothing of one line. */
const MOST_SPREAD_SECONDS = 3600

export interface JointVerdict {
  /** The lowest of all its transcripts; undefined where anything is wrong. */
  readonly level: VerdictLevel | undefined
  /** Of the joint transcript, then of each of its parts. */
  readonly faults: readonly Fault[]
  readonly missing: Verdict['missing']
  /** By prover, in order. */
  readonly parts: readonly { readonly alone: Verdict; readonly together: Verdict }[]
  /** Where nothing is wrong. */
  readonly rates: JointRates | undefined
  readonly link: SharedLink | undefined
}

/** Recomputes everything in a joint transcript. Never throws on bad content: that is what the verdict says. */
export function verifyJoint(
  content: Uint8Array,
  anchors: Anchors = {},
  limits: VerifyLimits = {},
): JointVerdict {
  const out = new FaultList()
  const wrong = (parts: JointVerdict['parts'], faults: readonly Fault[]): JointVerdict => ({
    level: undefined,
    faults,
    missing: [],
    parts,
    rates: undefined,
    link: undefined,
  })
  let file: JointFile
  try {
    file = decodeJointFile(content)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    out.add('malformed', error.message)
    return wrong([], out.faults)
  }
  const { alone, together, firstSends } = file
  if (alone.length !== together.length || alone.length !== firstSends.length) {
    out.add(
      'joint_shape',
      `${alone.length} provers alone, ${together.length} together, first sends of ${firstSends.length}`,
    )
    return wrong([], out.faults)
  }
  // One budget for all of them.
  let leftBytes = limits.maxRecomputedBytes ?? DEFAULT_MAX_RECOMPUTED_BYTES
  const verify = (transcript: Uint8Array): Verdict => {
    const verdict = verifyTranscript(transcript, anchors, { maxRecomputedBytes: leftBytes })
    if (verdict.assessment !== undefined && verdict.evidence !== undefined)
      leftBytes = Math.max(0, leftBytes - recomputedBytes(verdict.evidence))
    return verdict
  }
  const parts = alone.map((transcript, i) => ({
    alone: verify(transcript),
    together: verify(together[i] ?? new Uint8Array(0)),
  }))
  const verdicts = parts.flatMap(({ alone, together }) => [alone, together])
  const evidences = parts.flatMap(({ alone, together }) =>
    alone.evidence === undefined || together.evidence === undefined
      ? []
      : [{ alone: alone.evidence, together: together.evidence }],
  )
  if (evidences.length === parts.length) {
    checkProvers(evidences, out)
    checkTeams(
      evidences.map((each) => each.together),
      out,
    )
    checkUplinks(
      evidences.map((each) => each.together),
      anchors.registry,
      out,
    )
    for (const [i, { together }] of evidences.entries())
      checkFirstSends(together, i, firstSends[i] ?? [], out)
  }
  const levels = verdicts.map(({ level }) => (level === undefined ? -1 : VERDICT_LEVELS.indexOf(level)))
  const lowest = Math.min(...levels)
  if (out.faults.length > 0 || lowest < 0) return wrong(parts, [...out.faults, ...faultsOf(parts)])
  const challenges = parts.flatMap(({ together: { evidence, assessment } }, i) =>
    evidence === undefined || assessment === undefined
      ? []
      : [{ ...evidence, assessment, firstSends: (slot: number) => firstSends[i]?.[slot] ?? [] }],
  )
  const rates = ratesTogether(challenges)
  const provers = parts.map(({ alone, together }) => ({
    aloneKbps: alone.assessment?.guaranteedKbps ?? 0,
    besideKbps: together.assessment?.guaranteedKbps ?? 0,
  }))
  return {
    level: VERDICT_LEVELS[lowest],
    faults: faultsOf(parts),
    missing: [...new Set(verdicts.flatMap(({ missing }) => missing))],
    parts,
    rates,
    link: sharedLink(provers, rates, challenges[0]?.plan.faulty ?? 0),
  }
}

const faultsOf = (parts: JointVerdict['parts']): Fault[] =>
  parts.flatMap(({ alone, together }, i) => [
    ...alone.faults.map((fault) => ({ ...fault, message: `prover ${i} alone: ${fault.message}` })),
    ...together.faults.map((fault) => ({ ...fault, message: `prover ${i} together: ${fault.message}` })),
  ])

interface Both {
  readonly alone: Evidence
  readonly together: Evidence
}

/** Different provers, the same alone and together, each challenge once, all of them downlinks. */
function checkProvers(evidences: readonly Both[], out: FaultList): void {
  for (const [i, { alone, together }] of evidences.entries())
    if (!sameBytes(alone.request.prover, together.request.prover))
      out.add('joint_provers', `prover ${i} alone is not prover ${i} together`)
  const provers = new Set(evidences.map(({ together }) => bytesToHex(together.request.prover)))
  if (provers.size !== evidences.length) out.add('joint_provers', 'a prover stands there twice')
  const all = evidences.flatMap(({ alone, together }) => [alone, together])
  const challenges = new Set(all.map(({ request }) => bytesToHex(digestsOf(request).challengeId)))
  if (challenges.size !== all.length) out.add('joint_provers', 'a challenge stands there twice')
  const times = all.map(({ acceptedAt }) => acceptedAt)
  if (Math.max(...times) - Math.min(...times) > MOST_SPREAD_SECONDS)
    out.add(
      'joint_times',
      `more than ${MOST_SPREAD_SECONDS / 60} minutes lie between the first measurement and the last`,
    )
  // Another claim, or other members, would make a sum that those together cannot reach.
  const termsOf = ({ request: { claimKbps, committeeSize, faulty, teams } }: Evidence) =>
    [claimKbps, committeeSize, faulty, teams].join()
  if (new Set(all.map(termsOf)).size !== 1)
    out.add('joint_teams', 'claim, challengers, faulty ones and teams are not the same alone and together')
  const isUsual = ({ request: { direction, profile, chainId } }: Evidence) =>
    direction === Direction.down && profile === Profile.standard && chainId === 0
  if (!all.every(isUsual))
    out.add('joint_provers', 'only downlinks by the standard profile without a chain are measured together')
}

/** One coordinator, round and claim; the same members in the same teams, all of whose slots ran once. */
function checkTeams(evidences: readonly Evidence[], out: FaultList): void {
  const [first] = evidences
  if (first === undefined) return
  const termsOf = ({ request, plan }: Evidence) =>
    [
      bytesToHex(request.coordinator),
      bytesToHex(request.beaconChain),
      request.beaconRound,
      request.claimKbps,
      plan.tauMicros,
      plan.teams,
      plan.teamSize,
      plan.faulty,
      plan.committee.slice(0, plan.teams * plan.teamSize).map(bytesToHex),
    ].join()
  if (evidences.some((each) => termsOf(each) !== termsOf(first)))
    out.add('joint_teams', 'the challenges were not run together: terms or teams differ')
  for (const [i, { plan, slots }] of evidences.entries())
    if (slots.length !== plan.teams || slots.some(({ attempt }) => attempt !== 0))
      out.add('joint_teams', `prover ${i}: not every slot ran once`)
}

/** A challenger that cannot send all of it would read as a shared link. */
function checkUplinks(evidences: readonly Evidence[], registry: Registry | undefined, out: FaultList): void {
  const [first] = evidences
  if (first === undefined || registry === undefined) return
  const neededKbps = evidences.reduce((sum, { plan }) => sum + plan.memberRateKbps, 0)
  const { plan } = first
  const senders = new Set(plan.committee.slice(0, plan.teams * plan.teamSize).map(bytesToHex))
  const weak = registry.entries.filter(
    ({ publicKey, uplinkKbps }) => uplinkKbps < neededKbps && senders.has(bytesToHex(publicKey)),
  )
  if (weak.length > 0)
    out.add(
      'joint_uplinks',
      `${weak.length} challengers cannot send the ${neededKbps} kbit/s of all provers together`,
    )
}

function checkFirstSends(
  { request, plan }: Evidence,
  prover: number,
  told: JointFile['firstSends'][number],
  out: FaultList,
): void {
  if (told.length !== plan.teams || told.some((slot) => slot.length !== plan.teamSize)) {
    out.add(
      'first_send_shape',
      `prover ${prover}: first sends are not of ${plan.teams} slots of ${plan.teamSize} members`,
    )
    return
  }
  const digests = digestsOf(request)
  for (let slot = 0; slot < plan.teams; slot++)
    for (const [i, member] of teamMembers(plan, slot).entries()) {
      const said = told[slot]?.[i] ?? null
      const publicKey = plan.committee[member]
      if (said === null || publicKey === undefined) continue
      if (!isFirstSendOf(publicKey, digests, { slot, attempt: 0 }, said))
        out.add(
          'first_send_signature',
          `prover ${prover}, slot ${slot}: the first send is not signed by member ${member}`,
        )
    }
}
