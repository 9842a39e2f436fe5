/** One slot of this member: its commitment, its train, its testimony. */
import { randomBytes } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import { addressOfPublicKey, verifySignature } from '../../crypto/identity.js'
import type { TrainReport } from '../../dataplane/index.js'
import { packetCountOf } from '../../pob/constants.js'
import { addressBytesOf, sameBytes } from '../../pob/party.js'
import type { Plan } from '../../pob/plan.js'
import { prefixOf } from '../../pob/prefix.js'
import { Direction } from '../../pob/request.js'
import {
  ackListDigest,
  type Commitment,
  commitmentDigest,
  type SlotId,
  seedHashOf,
  type Testimony,
  testimonyDigest,
} from '../../pob/slot.js'
import type { Remote } from '../modules.js'
import { ensure, Refusal } from '../protocol-error.js'
import type { Attempt, Challenge } from './challenge.js'
import type { ChallengeTable } from './table.js'
import type { TurnRequest } from './turns.js'

/** How long an armed train waits for the prover's go. */
export const ARMED_MS = 10_000

/** @throws Refusal */
export function requireCoordinator({ request }: Challenge, { publicKey }: Remote): void {
  ensure(sameBytes(publicKey, request.coordinator), 'denied', 'only the coordinator asks')
}

/** The commitment to this member's train, which is ready when it is answered. @throws Refusal */
export async function arm(
  table: ChallengeTable,
  { challengeId, slot, attempt }: SlotId & { challengeId: Uint8Array },
  remote: Remote,
) {
  const challenge = table.known(challengeId)
  requireCoordinator(challenge, remote)
  await table.modules.behaviour.before('arm', { challengeId, slot, attempt })
  const { plan, memberIndex } = challenge
  ensure(plan !== undefined && challenge.sessionOpen, 'conflict', 'there is no plan or no session yet')
  const inTeam = Math.floor(memberIndex / plan.teamSize) === slot && slot < plan.teams
  ensure(inTeam, 'denied', `this member does not send in slot ${slot}`)
  const name = `${slot}/${attempt}`
  const known = challenge.attempts.get(name)
  if (known !== undefined) return known.commitment
  // Asked again while it waits for its turn: another seed would be a second commitment.
  const arming = challenge.arming.get(name)
  if (arming !== undefined) return arming
  ensure(
    attempt === 0 || challenge.attempts.has(`${slot}/${attempt - 1}`),
    'bad_request',
    `attempt ${attempt} of slot ${slot} comes before attempt ${attempt - 1}`,
  )
  const armed = prepare(table, challenge, plan, { slot, attempt }).finally(() =>
    challenge.arming.delete(name),
  )
  challenge.arming.set(name, armed)
  return armed
}

async function prepare(
  table: ChallengeTable,
  challenge: Challenge,
  plan: Plan,
  { slot, attempt }: SlotId,
): Promise<Commitment> {
  const { challengeId } = challenge.digests
  const name = `${slot}/${attempt}`
  await takeTurn(table, challenge, {
    group: `slot ${slot}`,
    rateKbps: plan.memberRateKbps,
    lastsMs: ARMED_MS,
  })
  const seed = table.modules.behaviour.seed(new Uint8Array(randomBytes(32)), challengeId, { slot, attempt })
  const terms = {
    seedHash: await table.modules.behaviour.seedHash(
      seedHashOf(seed, challengeId, addressBytesOf(table.modules.identity.publicKey), { slot, attempt }),
      challengeId,
      { slot, attempt },
    ),
    rateKbps: plan.memberRateKbps,
    packetCount: packetCountOf(plan.memberRateKbps, plan.tauMicros),
  }
  const digest = commitmentDigest(challenge.digests, { slot, attempt }, terms)
  await table.once(challenge, `commitment/${name}`, digest)
  const behaviour = table.modules.behaviour.train()
  await table.modules.plane.prepareTrain({
    sessionId: challenge.sessionId,
    slot,
    attempt,
    seed,
    packetCount: terms.packetCount,
    rateKbps: terms.rateKbps,
    armedForMs: ARMED_MS,
    ...(challenge.request.direction === Direction.up ? { echo: true } : {}),
    ...(behaviour === undefined ? {} : { behaviour }),
  })
  const commitment = { ...terms, signature: table.modules.identity.sign(digest) }
  challenge.attempts.set(name, { seed, commitment, armedUntilMs: table.modules.now() + ARMED_MS })
  return commitment
}

/**
 * Waits for this challenge's turn to send (turns.ts). Provers that one coordinator has measured in the same round and the same
 * slot send together. @throws Refusal busy
 */
export async function takeTurn(
  table: ChallengeTable,
  { id, sessionId, request, committee, memberIndex }: Challenge,
  train: Pick<TurnRequest, 'group' | 'rateKbps' | 'lastsMs'>,
): Promise<void> {
  const { remote } = await table.modules.plane.pathStatistics(sessionId)
  await table.turns.take({
    ...train,
    id,
    prefix: remote === undefined ? bytesToHex(request.prover) : prefixOf(remote.host),
    group: `${bytesToHex(request.coordinator)} ${request.beaconRound} ${train.group}`,
    uplinkKbps: committee.members[memberIndex]?.uplinkKbps ?? 0,
  })
}

export async function reveal(
  table: ChallengeTable,
  body: SlotId & { challengeId: Uint8Array; roots: readonly Uint8Array[]; signature: Uint8Array },
  remote: Remote,
): Promise<Testimony> {
  const { challengeId, slot, attempt, roots, signature } = body
  const challenge = table.known(challengeId)
  requireCoordinator(challenge, remote)
  ensure(challenge.request.direction === Direction.down, 'bad_request', 'this challenge is of an uplink')
  await table.modules.behaviour.before('reveal', body)
  const name = `${slot}/${attempt}`
  const made = challenge.attempts.get(name)
  const { plan } = challenge
  ensure(
    made !== undefined && plan !== undefined,
    'not_found',
    `this member was not armed for slot ${slot}, attempt ${attempt}`,
  )
  const ackList = ackListDigest(challenge.digests, { slot, attempt }, roots)
  if (made.testimony !== undefined && sameBytes(made.testimony.ackListHash, ackList)) return made.testimony
  ensure(
    verifySignature(challenge.request.prover, ackList, signature),
    'bad_request',
    'the acks do not carry the signature of the prover',
  )
  const list = { value: roots, signature }
  if (made.testimony !== undefined) {
    await accuseOfSecondList(table, challenge, { slot, attempt }, list)
    throw new Refusal('conflict', 'the prover signed two lists of acks')
  }
  const { plane, identity } = table.modules
  const report = await plane.collectTrain({ sessionId: challenge.sessionId, slot, attempt })
  const path = await plane.pathStatistics(challenge.sessionId)
  const honest = testify(report, roots, {
    seed: made.seed,
    ackListHash: ackList,
    rttMicros: Math.round(path.rttMinMicros),
  })
  const { digests } = challenge
  const context = { digests, id: { slot, attempt }, tauMicros: plan.tauMicros }
  const statement = await table.modules.behaviour.testimony(honest, context)
  const digest = testimonyDigest(challenge.digests, { slot, attempt }, statement)
  await table.once(challenge, `testimony/${name}`, digest)
  made.ackList = list
  if (report.started) made.firstSendMicros = report.firstSendMicros
  made.testimony = { ...statement, signature: identity.sign(digest) }
  table.turns.end(challenge.id)
  return made.testimony
}

/** A prover signs one list an attempt. @param list signed by it, and another than the one testified about */
export async function accuseOfSecondList(
  table: ChallengeTable,
  challenge: Challenge,
  run: SlotId,
  list: NonNullable<Attempt['ackList']>,
): Promise<void> {
  const known = challenge.attempts.get(`${run.slot}/${run.attempt}`)?.ackList
  if (known === undefined) return
  const accused = addressOfPublicKey(challenge.request.prover)
  await table.accuse(challenge, { kind: 'ack-lists', accused, run, lists: [known, list] })
}

/** Own times for the acks whose live root is the list's. */
function testify(
  report: TrainReport,
  roots: readonly Uint8Array[],
  known: { readonly seed: Uint8Array; readonly ackListHash: Uint8Array; readonly rttMicros: number },
): Omit<Testimony, 'signature'> {
  const ownMicros = roots.map(() => 0)
  for (const ack of report.acks) {
    const root = roots[ack.k]
    if (root !== undefined && sameBytes(root, ack.root)) ownMicros[ack.k] = ack.ownMicros
  }
  return {
    ...known,
    ownMicros,
    latenessMicros: Math.max(0, Math.round(report.latenessMicros)),
    sentPackets: report.sentPackets,
  }
}
