/** One slot: commitments, the train, what the prover caught, and the testimonies. */
import { verifySignature } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import { packetCountOf } from '../../pob/constants.js'
import type { Plan } from '../../pob/plan.js'
import { Direction } from '../../pob/request.js'
import {
  ackListDigest,
  type Capture,
  type Commitment,
  capturedRoots,
  captureFault,
  commitmentDigest,
  type SlotId,
  type SlotRecord,
  type Testimony,
  testimonyDigest,
} from '../../pob/slot.js'
import { ARM_MESSAGE, REVEAL_MESSAGE, SLOT_MESSAGE } from '../control-messages.js'
import { runEcho } from './echo.js'
import { tell } from './plan.js'
import type { CoordinatorRun } from './run.js'

/** A commitment lost on the way would cost the whole slot: asking again is harmless, the answer is the same. */
const ARM_TRIES = 2
/** A prover that cannot be reached in so many slots or attempts in a row has gone. */
const GIVE_UP_SLOTS = 2

export async function runSlot(
  run: CoordinatorRun,
  plan: Plan,
  slot: number,
  attempt: number,
): Promise<SlotRecord> {
  const { control, log } = run.modules
  const { challengeId } = run.digests
  const id = { slot, attempt }
  const team = Array.from({ length: plan.teamSize }, (_, i) => slot * plan.teamSize + i)
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  await run.order.lockstep?.meet(`slot ${slot}`, null)
  const armed = await run.each(team, 'arm', async (member, options) => {
    const commitment = await arm(run, member, { challengeId, ...id }, options)
    const terms = commitment.rateKbps === plan.memberRateKbps && commitment.packetCount === packetCount
    const digest = commitmentDigest(run.digests, id, commitment)
    if (!terms || !run.signedBy(plan, member, digest, commitment.signature))
      throw new Error('its commitment is invalid')
    await run.behaviour.committed(run, id, member, commitment)
    return commitment
  })
  // All trains are ready: now they start together.
  await run.order.lockstep?.meet(`armed ${slot}`, null)
  const commitments = team.map((member): Commitment | null => armed.get(member) ?? null)
  const nobody = { ...id, commitments, capture: null, testimonies: team.map(() => null) }
  if (armed.size === 0) return nobody
  run.noteTraffic(run.trainBytes(armed.size, packetCount))
  const failed = (error: unknown): SlotRecord => {
    if (run.signal?.aborted) throw error
    noteFailure(run, error)
    log.warn({ slot, attempt, reason: String(error) }, 'the slot failed')
    return nobody
  }
  if (run.request.direction === Direction.up)
    try {
      const testimonies = await runEcho(run, plan, id, team, commitments)
      run.unreached = 0
      return { ...nobody, testimonies }
    } catch (error) {
      return failed(error)
    }
  let capture: Capture
  try {
    const body = { challengeId, ...id, commitments }
    const answer = await control.request(run.order.prover, SLOT_MESSAGE, body, run.options())
    capture = answer.capture
    run.statistics.push({ ...answer.statistics, slot })
  } catch (error) {
    return failed(error)
  }
  run.unreached = 0
  const fault = captureFault(capture, plan.teamSize)
  if (fault !== undefined) {
    log.warn({ slot, attempt, fault }, 'the capture is malformed')
    return nobody
  }
  const roots = capturedRoots(capture)
  const ackList = ackListDigest(run.digests, id, roots)
  if (!verifySignature(run.request.prover, ackList, capture.signature)) {
    log.warn({ slot, attempt }, 'the prover did not sign its acks')
    return nobody
  }
  const revealed = await run.each(
    team.filter((member) => armed.has(member)),
    'reveal',
    async (member, options) => {
      const body = { challengeId, ...id, roots, signature: capture.signature }
      const testimony = await control.request(run.target(member), REVEAL_MESSAGE, body, options)
      const digest = testimonyDigest(run.digests, id, testimony)
      const fits = testimony.ownMicros.length <= roots.length
      if (!fits || !run.signedBy(plan, member, digest, testimony.signature))
        throw new Error('its testimony is invalid')
      await run.behaviour.revealed(run, id, member, testimony)
      return testimony
    },
  )
  const testimonies = team.map((member): Testimony | null => revealed.get(member) ?? null)
  return { ...id, commitments, capture, testimonies }
}

async function arm(
  run: CoordinatorRun,
  member: number,
  body: SlotId & { challengeId: Uint8Array },
  options: { deadlineMs?: number; signal?: AbortSignal },
): Promise<Commitment> {
  for (let left = ARM_TRIES - 1; ; left--)
    try {
      await tell(run, member, options)
      return await run.modules.control.request(run.target(member), ARM_MESSAGE, body, options)
    } catch (error) {
      if (left === 0 || run.signal?.aborted || run.suspects.has(member)) throw error
    }
}

/** @throws UserError where the prover has gone: waiting for it in every slot would take minutes */
function noteFailure(run: CoordinatorRun, error: unknown): void {
  run.slotFailure = error instanceof Error ? error.message : String(error)
  const isGone = error instanceof UserError && (error.code === 'UNREACHABLE' || error.code === 'TIMEOUT')
  run.unreached = isGone ? run.unreached + 1 : 0
  if (run.unreached < GIVE_UP_SLOTS) return
  throw new UserError(`the prover stopped answering: ${run.slotFailure}`, {
    code: 'UNREACHABLE',
    remedy: 'see whether it runs, and measure again',
  })
}
