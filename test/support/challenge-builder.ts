/**
 * Genuine challenges in memory: real keys, a local beacon, a registry, a drawn committee, a simulated link, real
 * keystream digests and signatures. What it builds verifies as *anchored*; tests then break one thing at a time.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { type BeaconInfo, localBeacon, signRound, timeOfRound, verifyRound } from '../../src/crypto/beacon.js'
import { Identity } from '../../src/crypto/identity.js'
import { arrivalDigests } from '../../src/crypto/keystream.js'
import { encodeOrder } from '../../src/pob/arrival-order.js'
import { assess } from '../../src/pob/assess.js'
import { drawCommittee, teamMembers } from '../../src/pob/committee.js'
import { offeredKbps, PACKET_BITS, PROTOCOL_VERSION, packetCountOf } from '../../src/pob/constants.js'
import { type EchoMarks, echoMarks } from '../../src/pob/echo.js'
import { type Evidence, encodeEvidence, evidenceHashOf } from '../../src/pob/evidence.js'
import { addressBytesOf } from '../../src/pob/party.js'
import { advisedTauMicros, makePlan, type Plan, planDigest } from '../../src/pob/plan.js'
import { buildRegistry, type Registry } from '../../src/pob/registry.js'
import {
  acceptanceDigest,
  Direction,
  type DirectionName,
  digestsOf,
  Profile,
  type ProfileName,
  type Request,
} from '../../src/pob/request.js'
import { resultDigest, voteDigest } from '../../src/pob/result.js'
import {
  ackListDigest,
  type Capture,
  type Commitment,
  capturedRoots,
  commitmentDigest,
  NO_ACK_LIST,
  type SlotId,
  type SlotRecord,
  seedHashOf,
  type Testimony,
  testimonyDigest,
} from '../../src/pob/slot.js'
import { encodeTranscript, type Transcript } from '../../src/pob/transcript.js'
import { seededRandom } from '../simulator/random.js'
import { type Recording, recordSlot } from './recording.js'

export interface ChallengeOptions {
  /** Names the keys: the same label gives the same parties. */
  readonly label?: string
  /** Names the prover alone, and what else makes another challenge of the same parties. */
  readonly prover?: string
  readonly salt?: string
  /** After all others. */
  readonly laterSeconds?: number
  /** Uplinks over what one challenge needs. */
  readonly uplinkShare?: number
  readonly profile?: ProfileName
  readonly claimKbps?: number
  /** The link's true rate; the claim by default. */
  readonly thetaKbps?: number
  readonly committeeSize?: number
  readonly faulty?: number
  /** Strict only. */
  readonly teams?: number
  readonly betaMillionths?: number
  readonly deltaMillionths?: number
  /** Members a team should have: sets the registry's uplinks. */
  readonly teamSize?: number
  readonly chainId?: number
  readonly verifyingContract?: Uint8Array
  readonly rttMicros?: (member: number) => number
  /** Slots to run; all by default. */
  readonly slotsRun?: number
  readonly bufferSeconds?: number
  readonly direction?: DirectionName
  /** What each member of an uplink says came back. */
  readonly echo?: (slot: number) => EchoMarks
  /** What the prover recorded, in place of the simulated link. */
  readonly record?: (slot: number) => Recording
}

const GENESIS_SECONDS = 1_700_000_000
const ACCEPTED_AT = 1_750_000_000
const PERIOD_SECONDS = 3

const identities = new Map<string, Identity>()

/** The identity of a name, always the same. */
export function identityOf(name: string): Identity {
  const known = identities.get(name)
  if (known !== undefined) return known
  const made = Identity.fromSecret(sha256(utf8ToBytes(`plumbline test key ${name}`)))
  identities.set(name, made)
  return made
}

export function testBeacon(label = 'challenge'): { readonly info: BeaconInfo; readonly secret: Uint8Array } {
  // Below the group's order: the first byte is small.
  const secret = sha256(utf8ToBytes(`plumbline test beacon ${label}`))
  secret[0] = 1
  const info = localBeacon(secret, { genesisTimeSeconds: GENESIS_SECONDS, periodSeconds: PERIOD_SECONDS })
  return { info, secret }
}

export interface Signers {
  readonly prover: Identity
  readonly payer: Identity
  readonly coordinator: Identity
  /** In committee order. */
  readonly members: readonly Identity[]
}

export interface BuiltChallenge {
  readonly signers: Signers
  readonly beacon: BeaconInfo
  readonly beaconSecret: Uint8Array
  readonly registry: Registry
  readonly evidence: Evidence
}

export function buildChallenge(options: ChallengeOptions = {}): BuiltChallenge {
  const label = options.label ?? 'default'
  const profile = options.profile ?? 'standard'
  const strict = profile === 'strict'
  const claimKbps = options.claimKbps ?? 3000
  const committeeSize = options.committeeSize ?? 6
  const faulty = strict ? 0 : (options.faulty ?? 1)
  const single = profile === 'quick' || profile === 'published'
  const teams = single ? 1 : strict ? (options.teams ?? 5) : 2 * faulty + 1
  const teamSize = options.teamSize ?? (single ? committeeSize : Math.floor(committeeSize / teams))
  const prover = identityOf(options.prover ?? `${label} prover`)
  const payer = identityOf(`${label} payer`)
  const beacon = testBeacon(label)

  const candidates = Array.from({ length: committeeSize }, (_, i) => identityOf(`${label} member ${i}`))
  const registry = buildRegistry(
    candidates.map(({ publicKey }, i) => ({
      publicKey,
      operator: `operator ${i}`,
      host: `192.0.${i}.1`,
      udpPort: 4000 + i,
      addresses: [`/ip4/192.0.${i}.1/tcp/4001`],
      uplinkKbps: Math.ceil((offeredKbps(claimKbps) / teamSize) * 1.01 * (options.uplinkShare ?? 1)),
    })),
  )
  const acceptedAt = ACCEPTED_AT + (options.laterSeconds ?? 0)
  const beaconRound = Math.ceil((acceptedAt + 5 - GENESIS_SECONDS) / PERIOD_SECONDS) + 1
  const request: Request = {
    version: PROTOCOL_VERSION,
    chainId: options.chainId ?? 0,
    verifyingContract: options.verifyingContract ?? new Uint8Array(20),
    prover: prover.publicKey,
    payer: payer.publicKey,
    coordinator: payer.publicKey,
    direction: Direction[options.direction ?? 'down'],
    profile: Profile[profile],
    claimKbps,
    committeeSize,
    faulty,
    teams,
    betaMillionths: strict ? (options.betaMillionths ?? 100_000) : 0,
    deltaMillionths: strict ? (options.deltaMillionths ?? 50_000) : 0,
    registryHash: registry.hash,
    beaconChain: beacon.info.chainHash,
    beaconRound,
    expiresAt: timeOfRound(beacon.info, beaconRound) + 120,
    salt: sha256(utf8ToBytes(options.salt ?? `${label} salt`)),
  }
  const beaconSignature = signRound(beacon.secret, beaconRound)
  const randomness = verifyRound(beacon.info, beaconRound, beaconSignature)
  if (randomness === false) throw new Error('the local beacon signs wrongly')
  const drawn = drawCommittee({
    request,
    registryHash: registry.hash,
    entries: registry.entries,
    randomness,
  })
  if (typeof drawn === 'string') throw new Error(`no committee: ${drawn}`)
  const members = drawn.members.map(({ publicKey }) => {
    const found = candidates.find((each) => bytesToHex(each.publicKey) === bytesToHex(publicKey))
    if (found === undefined) throw new Error('a member that is no candidate')
    return found
  })
  const rttMicros = options.rttMicros ?? ((member: number) => 2000 + 500 * member)
  const digests = digestsOf(request)
  const tauMicros = advisedTauMicros(
    request.profile,
    members.map((_, member) => rttMicros(member)),
  )
  const plan = makePlan(digests.challengeId, beaconSignature, drawn, tauMicros)
  const signers: Signers = { prover, payer, coordinator: payer, members }
  const thetaBps = (options.thetaKbps ?? claimKbps) * 1000
  const random = seededRandom(1)
  /** A link that passes theta from a round trip after the start on. */
  const echoOf = (slot: number): EchoMarks => {
    if (options.echo !== undefined) return options.echo(slot)
    const packetCount = packetCountOf(plan.memberRateKbps, tauMicros)
    const packetMicros = (PACKET_BITS * 1e6) / thetaBps
    const arrivals = Array.from({ length: packetCount }, (_, i) => rttMicros(slot) + (i + 1) * packetMicros)
    return echoMarks(arrivals, tauMicros)
  }
  const slots = Array.from({ length: options.slotsRun ?? plan.teams }, (_, slot) => {
    if (options.direction === 'up')
      return makeEchoSlot({ request, plan, signers, rttMicros }, { slot, attempt: 0 }, echoOf(slot))
    const recording =
      options.record?.(slot) ??
      recordSlot(
        {
          link: { thetaBps, burstBits: 20_000, bufferBits: (options.bufferSeconds ?? 0.05) * thetaBps },
          tauMicros,
          memberRateKbps: plan.memberRateKbps,
          packetCount: packetCountOf(plan.memberRateKbps, tauMicros),
          rttMicros: teamMembers(plan, slot).map(rttMicros),
        },
        random,
      )
    return makeSlot({ request, plan, signers, rttMicros }, { slot, attempt: 0 }, recording)
  })
  const evidence: Evidence = {
    version: PROTOCOL_VERSION,
    request,
    payerSignature: payer.sign(digests.challengeId),
    acceptedAt,
    acceptanceSignature: prover.sign(acceptanceDigest(digests, acceptedAt)),
    plan,
    planSignature: payer.sign(planDigest(digests, plan)),
    slots,
  }
  return { signers, beacon: beacon.info, beaconSecret: beacon.secret, registry, evidence }
}

interface SlotContext {
  readonly request: Request
  readonly plan: Plan
  readonly signers: Signers
  readonly rttMicros?: (member: number) => number
  readonly latenessMicros?: number
}

/** The seed of a member in one attempt: a fixed function of its key, so that vectors stay the same. */
export function seedOf(member: Identity, { slot, attempt }: SlotId): Uint8Array {
  return sha256(utf8ToBytes(`seed of ${member.address} for ${slot}/${attempt}`))
}

/** The members that send in a slot, with what they commit to. */
function committedTeam({ request, plan, signers }: SlotContext, id: SlotId) {
  const digests = digestsOf(request)
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  const team = teamMembers(plan, id.slot).flatMap((member) => signers.members[member] ?? [])
  const commitments = team.map((member): Commitment => {
    const seedHash = seedHashOf(seedOf(member, id), digests.challengeId, addressBytesOf(member.publicKey), id)
    const terms = { seedHash, rateKbps: plan.memberRateKbps, packetCount }
    return { ...terms, signature: member.sign(commitmentDigest(digests, id, terms)) }
  })
  return { team, digests, packetCount, commitments }
}

/** A whole attempt, everything signed. */
export function makeSlot(context: SlotContext, id: SlotId, recording: Recording): SlotRecord {
  const { plan } = context
  const { team, digests, packetCount, commitments } = committedTeam(context, id)
  const byMember = team.map((member, i) => {
    const order = recording.orders[i] ?? []
    const counts = recording.counts.map((ack) => ack[i] ?? 0)
    return arrivalDigests(seedOf(member, id), runsOf(order), counts)
  })
  const capture = signCapture(context, id, {
    orders: recording.orders.map((order) => encodeOrder(order)),
    counts: recording.counts,
    digests: recording.counts.map((_, k) => byMember.map((own) => own[k] ?? new Uint8Array(32))),
  })
  const ackListHash = ackListDigest(digests, id, capturedRoots(capture))
  const testimonies = team.map((member, i) =>
    signTestimony(context, id, member, {
      seed: seedOf(member, id),
      ackListHash,
      ownMicros: recording.ownMicros[i] ?? [],
      rttMicros: context.rttMicros?.(id.slot * plan.teamSize + i) ?? 1000,
      latenessMicros: context.latenessMicros ?? 200,
      sentPackets: packetCount,
    }),
  )
  return { ...id, commitments, capture, testimonies }
}

/** An attempt at a slot of an uplink, everything signed. */
export function makeEchoSlot(context: SlotContext, id: SlotId, marks: EchoMarks): SlotRecord {
  const { plan } = context
  const { team, packetCount, commitments } = committedTeam(context, id)
  const testimonies = team.map((member, i) =>
    signTestimony(context, id, member, {
      seed: seedOf(member, id),
      ackListHash: NO_ACK_LIST,
      ownMicros: marks.ownMicros,
      rttMicros: context.rttMicros?.(id.slot * plan.teamSize + i) ?? 1000,
      latenessMicros: context.latenessMicros ?? 200,
      sentPackets: packetCount,
      echoCounts: marks.counts,
    }),
  )
  return { ...id, commitments, capture: null, testimonies }
}

function* runsOf(order: readonly number[]) {
  for (const first of order) yield { first, length: 1 }
}

export function signCapture(
  context: Pick<SlotContext, 'request' | 'signers'>,
  id: SlotId,
  content: Omit<Capture, 'signature'>,
): Capture {
  const digest = ackListDigest(digestsOf(context.request), id, capturedRoots(content))
  return { ...content, signature: context.signers.prover.sign(digest) }
}

export function signTestimony(
  context: Pick<SlotContext, 'request'>,
  id: SlotId,
  member: Identity,
  content: Omit<Testimony, 'signature'>,
): Testimony {
  return { ...content, signature: member.sign(testimonyDigest(digestsOf(context.request), id, content)) }
}

/** The transcript that a committee signs over evidence, sound or not. */
export function sealTranscript(challenge: BuiltChallenge, evidence = challenge.evidence): Transcript {
  const bytes = encodeEvidence(evidence)
  const evidenceHash = evidenceHashOf(bytes)
  const digests = digestsOf(evidence.request)
  const { guaranteedKbps, estimateKbps, owed } = assess(evidence)
  const vote = voteDigest(digests, evidenceHash)
  const result = resultDigest(digests, { evidenceHash, guaranteedKbps, estimateKbps, owed })
  const { members } = challenge.signers
  return {
    version: PROTOCOL_VERSION,
    evidence: bytes,
    votes: members.map((member) => member.sign(vote)),
    guaranteedKbps,
    estimateKbps,
    owed,
    signatures: members.map((member) => member.sign(result)),
  }
}

/** {@link sealTranscript}, encoded. */
export function sealed(challenge: BuiltChallenge, evidence = challenge.evidence): Uint8Array {
  return encodeTranscript(sealTranscript(challenge, evidence))
}

/** The evidence with one slot record replaced. */
export function withSlot(
  evidence: Evidence,
  index: number,
  change: (record: SlotRecord) => SlotRecord,
): Evidence {
  return {
    ...evidence,
    slots: evidence.slots.map((record, i) => (i === index ? change(record) : record)),
  }
}
