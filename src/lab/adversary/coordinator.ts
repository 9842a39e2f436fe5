/**
 * A corrupt coordinator: the real payer, which tells accomplices all it learns, and asks members for second signatures
 * beside the true exchanges. What honest members give it twice is counted: it should be nothing.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { Signer } from '../../crypto/identity.js'
import { decodeEvidence, type Evidence, encodeEvidence, evidenceHashOf } from '../../pob/evidence.js'
import { type Plan, planDigest } from '../../pob/plan.js'
import { voteDigest } from '../../pob/result.js'
import type { SlotId } from '../../pob/slot.js'
import { type CoordinatorBehaviour, honestCoordinator } from '../../roles/behaviour.js'
import { EVIDENCE_MESSAGE, PLAN_MESSAGE, REVEAL_MESSAGE, SIGN_MESSAGE } from '../../roles/control-messages.js'
import type { CoordinatorRun } from '../../roles/coordinator/run.js'
import type { CoordinatorAttack } from './attack.js'
import {
  CORRUPT_FACTS,
  lastPart,
  memberFact,
  secondEvidenceFact,
  secondListFact,
  secondSignatures,
} from './facts.js'
import type { SecondList } from './prover.js'
import type { SideChannel } from './side-channel.js'

/** The second plan has longer slots: another number of packets in every commitment. */
const SECOND_TAU_FACTOR = 1.5
const ASK_MS = 5000

export interface CoordinatorContext {
  readonly identity: Signer
  readonly channel: SideChannel
}

export function corruptCoordinator(
  attacks: readonly CoordinatorAttack[],
  context: CoordinatorContext,
): CoordinatorBehaviour {
  const { channel } = context
  return {
    ...honestCoordinator,
    committed: async (run, id, member, { seedHash }) =>
      channel.tell(
        memberFact('commitment', run.digests.challengeId, id, keyOf(run, member)),
        bytesToHex(seedHash),
      ),
    revealed: async (run, id, member, { seed }) => {
      channel.tell(memberFact('revealed', run.digests.challengeId, id, keyOf(run, member)), bytesToHex(seed))
      await showSecondList(run, id, member, channel)
    },
    ...(attacks.includes('two-plans') ? twoPlans(context) : {}),
    ...(attacks.includes('two-evidence') ? twoEvidence(context) : {}),
  }
}

const keyOf = (run: CoordinatorRun, member: number) => run.target(member).publicKey

/** The prover's second list of acks, where it signed one, to a member that has testified about the first. */
async function showSecondList(
  run: CoordinatorRun,
  id: SlotId,
  member: number,
  channel: SideChannel,
): Promise<void> {
  const { challengeId } = run.digests
  const told = await channel.ask(secondListFact(challengeId, id), 0)
  if (told === undefined) return
  const { roots, signature } = JSON.parse(told) as SecondList
  const body = { challengeId, ...id, roots: roots.map(hexToBytes), signature: hexToBytes(signature) }
  const given = await givers([member], (each) =>
    run.modules.control.request(run.target(each), REVEAL_MESSAGE, body, { deadlineMs: ASK_MS }),
  )
  channel.count('second lists of acks shown')
  channel.count('honest testimonies about a second list', given.size)
}

/**
 * Honest members, the last of the committee first: corrupt ones need no trap. One fewer than f, so that the others' answers
 * make a result even where one of them is slow: a second signature has nothing to contradict without a first.
 */
async function trapped(run: CoordinatorRun, channel: SideChannel, except: readonly number[] = []) {
  const corrupt = (await channel.list(CORRUPT_FACTS)).map(([key]) => lastPart(key))
  const members = run.committee?.members ?? []
  const honest = members.flatMap(({ publicKey }, member) =>
    corrupt.includes(bytesToHex(publicKey)) || except.includes(member) ? [] : [member],
  )
  return honest.slice(-Math.max(1, (run.plan?.plan.faulty ?? 0) - 1))
}

/** Asks each member; which of them gave what was asked for. */
async function givers<T>(members: readonly number[], ask: (member: number) => Promise<T>) {
  const given = new Map<number, T>()
  await Promise.all(
    members.map(async (member) => {
      try {
        given.set(member, await ask(member))
      } catch {
        // It refused.
      }
    }),
  )
  return given
}

function twoPlans({ identity, channel }: CoordinatorContext): Partial<CoordinatorBehaviour> {
  let tellSecond: (run: CoordinatorRun, members: readonly number[]) => Promise<ReadonlyMap<number, unknown>>
  let first: readonly number[] = []
  return {
    beforePlan: async (run, body) => {
      const plan: Plan = {
        ...body.plan,
        tauMicros: Math.min(1_000_000, Math.round(body.plan.tauMicros * SECOND_TAU_FACTOR)),
      }
      const second = { ...body, plan, planSignature: identity.sign(planDigest(run.digests, plan)) }
      tellSecond = (asked, members) =>
        givers(members, (member) =>
          asked.modules.control.request(asked.target(member), PLAN_MESSAGE, second, { deadlineMs: ASK_MS }),
        )
      first = await trapped(run, channel)
      const accepted = await tellSecond(run, first)
      channel.count('second plans taken first', accepted.size)
    },
    afterPlan: async (run, { plan }) => {
      // Everybody but them has the first plan by now, and they were asked for it in vain.
      const others = plan.committee.map((_, member) => member).filter((member) => !first.includes(member))
      const had = others.filter((member) => !run.untold.has(member))
      const both = await tellSecond(run, had)
      const trappedTwice = first.filter((member) => !run.untold.has(member))
      channel.count('second plans asked for', had.length + first.length)
      channel.count('plans taken twice', both.size + trappedTwice.length)
    },
  }
}

function twoEvidence({ channel }: CoordinatorContext): Partial<CoordinatorBehaviour> {
  let second: Uint8Array | undefined
  const secondVotes = new Map<number, Uint8Array>()
  let firstAsked: readonly number[] = []
  const askVotes = async (run: CoordinatorRun, members: readonly number[], evidence: Uint8Array) => {
    const digest = voteDigest(run.digests, evidenceHashOf(evidence))
    const given = await givers(members, (member) =>
      run.modules.control.request(run.target(member), EVIDENCE_MESSAGE, { evidence }, { deadlineMs: ASK_MS }),
    )
    return [...given].filter(([member, { signature }]) =>
      run.plan === undefined ? false : run.signedBy(run.plan.plan, member, digest, signature),
    )
  }
  return {
    beforeVotes: async (run, evidence) => {
      secondVotes.clear()
      const made = await secondEvidence(evidence, channel)
      second = made.bytes
      firstAsked = await trapped(run, channel, made.refusedBy)
      for (const [member, { signature }] of await askVotes(run, firstAsked, second))
        secondVotes.set(member, signature)
      channel.count('votes for the second evidence first', secondVotes.size)
    },
    afterResult: async (run, evidence, votes, signatures) => {
      if (second === undefined) return
      const bytes = second
      const { challengeId } = run.digests
      const honest = await honestMembers(run, channel)
      const evidenceHash = evidenceHashOf(bytes)
      for (const [member, { signature }] of await askVotes(run, honest, bytes))
        secondVotes.set(member, signature)
      for (const [key, signature] of await channel.list(secondSignatures('vote', challengeId))) {
        const member = evidence.plan.committee.findIndex((each) => bytesToHex(each) === lastPart(key))
        if (member >= 0) secondVotes.set(member, hexToBytes(signature))
      }
      const list = evidence.plan.committee.map((_, member) => secondVotes.get(member) ?? null)
      const results = await givers(honest, (member) =>
        run.modules.control.request(
          run.target(member),
          SIGN_MESSAGE,
          { challengeId, evidenceHash, votes: list },
          { deadlineMs: ASK_MS },
        ),
      )
      const twice = (given: ReadonlyMap<number, unknown>, before: readonly (Uint8Array | null)[]) =>
        honest.filter((member) => given.has(member) && (before[member] ?? null) !== null).length
      channel.count('second votes asked for', honest.length)
      channel.count('honest votes given twice', twice(secondVotes, votes))
      channel.count('honest results signed twice', twice(results, signatures))
      channel.count('votes for the second evidence', secondVotes.size)
    },
  }
}

async function honestMembers(run: CoordinatorRun, channel: SideChannel): Promise<readonly number[]> {
  const corrupt = (await channel.list(CORRUPT_FACTS)).map(([key]) => lastPart(key))
  return (run.committee?.members ?? []).flatMap(({ publicKey }, member) =>
    corrupt.includes(bytesToHex(publicKey)) ? [] : [member],
  )
}

/** What equivocating members made, or the evidence without the testimony of one member, who will notice. */
async function secondEvidence(
  evidence: Evidence,
  channel: SideChannel,
): Promise<{ readonly bytes: Uint8Array; readonly refusedBy: readonly number[] }> {
  const { challengeId, teamSize } = evidence.plan
  const second = [...evidence.slots]
  const at = second.findLastIndex(({ testimonies }) => testimonies.some((each) => each !== null))
  const record = second[at]
  const place = record?.testimonies.findIndex((each) => each !== null) ?? -1
  if (record !== undefined && place >= 0)
    second[at] = {
      ...record,
      testimonies: record.testimonies.map((each, i) => (i === place ? null : each)),
    }
  const made = await channel.ask(secondEvidenceFact(challengeId), 0)
  if (made !== undefined) {
    const bytes = hexToBytes(made)
    decodeEvidence(bytes)
    return { bytes, refusedBy: [] }
  }
  const refusedBy = record === undefined ? [] : [record.slot * teamSize + place]
  return { bytes: encodeEvidence({ ...evidence, slots: second }), refusedBy }
}
