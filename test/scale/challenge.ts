/**
 * One standard challenge of the simulated day, step by step as src/roles/coordinator does it: what each step waits for is
 * simulated time, what it sends is counted, what its slots bring goes through the real aggregation.
 */
import { guaranteed } from '../../src/pob/aggregate/guaranteed.js'
import type { TeamMeasurement } from '../../src/pob/aggregate/team-value.js'
import { ENOUGH_CLAIM_SHARE, MAX_ATTEMPTS, RHO } from '../../src/pob/constants.js'
import { TAU_SECONDS, THETA_BPS } from '../simulator/strict.js'
import { type Party, partyOf } from './conduct.js'
import { type Ask, type Counted, type ExchangeModules, Exchanges } from './exchange.js'

/** The round that draws the committee comes after the acceptance by so much, on average. */
const ROUND_SECONDS = 3
/** A member keeps who asks for its line waiting for so long, and then refuses (src/roles/challenger/turns.ts). */
const MOST_WAIT_SECONDS = 4
/** Go, train, drain and the signature of the acks. */
const TRAIN_SECONDS = TAU_SECONDS + 0.15
const SLOT_GAP_SECONDS = 0.06
/** A prover that cannot be reached in so many slots in a row has gone (src/roles/coordinator/slot.ts). */
const GIVE_UP_SLOTS = 2
const ARM_TRIES = 2
const FINISH_PATIENCE_SECONDS = 2

export type Ending = 'settled' | 'no committee' | 'prover away' | 'nothing captured' | 'no quorum'

export interface Course {
  readonly prover: number
  readonly teamSize: number
  readonly faulty: number
  readonly modules: ExchangeModules
  readonly now: () => number
  /** The committee's nodes, drawn when the round is out. */
  readonly draw: () => readonly number[] | undefined
  /** When each node's line is free again. */
  readonly lineFreeAt: Float64Array
  readonly onArmed: (node: number, waited: boolean, refused: boolean) => void
  readonly onEnd: (ending: Ending, counted: Counted, record: CourseRecord) => void
}

export interface CourseRecord {
  readonly committee: readonly number[]
  readonly slots: number
  readonly attempts: number
  readonly guaranteedShare: number
}

export function* challenge(course: Course): Generator<number, void, void> {
  const { modules, now, faulty, teamSize, onEnd } = course
  const { random, rates, sizes } = modules
  const exchanges = new Exchanges(modules)
  let record: CourseRecord = { committee: [], slots: 0, attempts: 0, guaranteedShare: 0 }
  const end = (ending: Ending) => onEnd(ending, exchanges.counted, record)
  const prover = partyOf(course.prover, now(), rates, random)
  const asked = exchanges.ask(prover, { name: 'request' }, now())
  yield asked.seconds
  if (!asked.isYes) return end('prover away')
  yield ROUND_SECONDS
  const drawn = course.draw()
  if (drawn === undefined) {
    exchanges.ask(prover, { name: 'finish' }, now())
    return end('no committee')
  }
  record = { ...record, committee: drawn }
  const members = drawn.map((node) => partyOf(node, now(), rates, random))
  const teams = Math.floor(members.length / teamSize)
  const quorum = members.length - faulty
  const untold = new Set(members)
  const lacking = new Set(members)
  const farewell = function* (withResult: boolean, evidenceBytes: number) {
    const told = [prover, ...members].map((party) => {
      const whole = withResult && (party === prover || lacking.has(party))
      const answer = exchanges.once(
        party,
        { name: 'finish', extraBytes: party === prover ? evidenceBytes : 0 },
        now(),
      )
      if (whole && party !== prover && answer.isYes)
        exchanges.once(party, { name: 'finish', extraBytes: evidenceBytes }, now() + answer.seconds)
      return answer.seconds
    })
    yield Math.min(FINISH_PATIENCE_SECONDS, Math.max(...told))
  }

  // Paths: the prover asks each sender for a session, then its datagrams open the way.
  const prepared = exchanges.ask(prover, { name: 'prepare' }, now())
  const paths = prepared.isYes ? members.map((party) => exchanges.ask(party, { name: 'path' }, now())) : []
  yield Math.max(prepared.seconds, ...paths.map(({ seconds }) => seconds))
  if (!paths.some(({ isYes }) => isYes)) {
    yield* farewell(false, 0)
    return end('prover away')
  }
  const hasPath = new Set(members.filter((_, i) => paths[i]?.isYes === true))

  const tell = (party: Party, at: number) => {
    if (!untold.has(party)) return undefined
    const answer = exchanges.once(party, { name: 'plan' }, at)
    if (answer.isYes) untold.delete(party)
    return answer
  }
  const planned = exchanges.ask(prover, { name: 'plan' }, now())
  const heard = exchanges.each(members, { name: 'plan' }, now())
  for (const party of heard.answered) untold.delete(party)
  yield Math.max(planned.seconds, heard.seconds)
  if (!planned.isYes) {
    yield* farewell(false, 0)
    return end('prover away')
  }

  const measured: TeamMeasurement[] = []
  let [unreached, attempts, captured] = [0, 0, 0]
  const result = (): number =>
    guaranteed(measured, {
      tauSeconds: TAU_SECONDS,
      capBps: RHO * THETA_BPS,
      faulty,
      cleanTeams: Math.max(0, measured.length - faulty),
    }).bps / THETA_BPS
  for (let slot = 0; slot < teams; slot++) {
    const team = members.slice(slot * teamSize, (slot + 1) * teamSize)
    let testified: readonly boolean[] = team.map(() => false)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      attempts++
      const arm: Ask = { name: 'arm', before: tell, refuses: (party) => takeLine(course, party.node) }
      const armed = exchanges.each(team, arm, now(), { tries: ARM_TRIES })
      yield armed.seconds
      const sending = team.filter((party) => armed.answered.has(party))
      let isGone = false
      let isDirty = false
      testified = team.map(() => false)
      if (sending.length > 0) {
        const caught = exchanges.ask(prover, { name: 'slot' }, now())
        yield caught.seconds + (caught.isYes ? TRAIN_SECONDS : 0)
        isGone = !caught.isYes
        unreached = isGone ? unreached + 1 : 0
        if (!isGone) {
          const revealed = exchanges.each(sending, { name: 'reveal' }, now())
          yield revealed.seconds
          testified = team.map((party) => hasPath.has(party) && revealed.answered.has(party))
          isDirty = sending.some(() => random.chance(rates.dirty))
        }
      }
      if (unreached >= GIVE_UP_SLOTS) break
      yield SLOT_GAP_SECONDS
      if (!isGone && sending.length > 0 && !isDirty) break
    }
    if (unreached >= GIVE_UP_SLOTS) break
    if (testified.includes(true)) captured++
    measured.push(teamOf(testified))
    record = { ...record, slots: measured.length, attempts, guaranteedShare: result() }
    if (slot >= faulty && slot + 1 < teams && record.guaranteedShare >= ENOUGH_CLAIM_SHARE) break
  }
  if (unreached >= GIVE_UP_SLOTS || captured === 0) {
    yield* farewell(false, 0)
    return end(unreached >= GIVE_UP_SLOTS ? 'prover away' : 'nothing captured')
  }

  const evidenceBytes = sizes.of.evidence.question + attempts * sizes.slotRecord
  const vote: Ask = { name: 'evidence', extraBytes: attempts * sizes.slotRecord, before: tell }
  const votes = exchanges.each(members, vote, now(), { enough: quorum })
  yield votes.seconds
  for (const party of votes.answered) lacking.delete(party)
  if (votes.answered.size >= quorum) {
    const signed = exchanges.each([...votes.answered], { name: 'sign' }, now(), { enough: quorum })
    yield signed.seconds
    if (signed.answered.size >= quorum) {
      yield* farewell(true, evidenceBytes)
      return end('settled')
    }
  }
  yield* farewell(false, 0)
  end('no quorum')
}

/** A member's line is one challenge's at a time: who comes meanwhile waits, and is refused where that takes too long. */
function takeLine({ lineFreeAt, now, onArmed }: Course, node: number) {
  const waits = Math.max(0, (lineFreeAt[node] ?? 0) - now())
  const refused = waits > MOST_WAIT_SECONDS
  if (!refused) lineFreeAt[node] = now() + waits + TRAIN_SECONDS
  onArmed(node, waits > 0, refused)
  return { refused, afterSeconds: Math.min(waits, MOST_WAIT_SECONDS) }
}

/** Whoever sent and testified shared the link with the other; the others' bits are not there. */
function teamOf(testified: readonly boolean[]): TeamMeasurement {
  const senders = testified.filter(Boolean).length
  const share = senders === 0 ? 0 : (THETA_BPS * TAU_SECONDS) / testified.length
  return {
    memberCount: testified.length,
    acks: [
      {
        bits: testified.map((each) => (each ? share : 0)),
        ownSeconds: testified.map((each) => (each ? TAU_SECONDS : null)),
      },
    ],
  }
}
