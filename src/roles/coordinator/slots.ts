/** The slots of a plan in their order, dirty ones again, until the guarantee suffices. */
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../../errors.js'
import { assess, isDirty, mayRepeat } from '../../pob/assess.js'
import { teamMembers } from '../../pob/committee.js'
import { ENOUGH_CLAIM_SHARE, MAX_ATTEMPTS } from '../../pob/constants.js'
import type { Evidence } from '../../pob/evidence.js'
import { type FirstSend, isFirstSendOf } from '../../pob/joint/first-send.js'
import type { Plan } from '../../pob/plan.js'
import { findSeedFaults } from '../../pob/provable-faults.js'
import { Profile } from '../../pob/request.js'
import { brought, type SlotRecord } from '../../pob/slot.js'
import { FIRST_SEND_MESSAGE } from '../control-messages.js'
import type { CoordinatorRun } from './run.js'
import { runSlot } from './slot.js'

/** Between slots: buffers of the link empty, daemons come to rest. */
const SLOT_GAP_MS = 60

export async function runSlots(
  run: CoordinatorRun,
  head: Omit<Evidence, 'slots'>,
  plan: Plan,
): Promise<void> {
  const { lockstep } = run.order
  for (let slot = 0; slot < plan.teams; slot++) {
    for (let attempt = 0; attempt < (lockstep === undefined ? MAX_ATTEMPTS : 1); attempt++) {
      run.progress({ event: 'slot_started', slot, attempt, of: plan.teams })
      const record = await runSlot(run, plan, slot, attempt)
      run.slots.push(record)
      for (const fault of findSeedFaults({ ...head, slots: [record] }))
        await run.modules.keepFault?.({ challengeId: run.digests.challengeId, ...run.digests.domain }, fault)
      if (lockstep !== undefined) run.firstSends.set(slot, await firstSends(run, plan, record))
      const dirty = isDirty(record, plan.tauMicros)
      const assessment = assess({ ...head, slots: [record] }, { partial: true, outcomes: run.outcomes })
      run.progress({
        event: 'slot_ended',
        slot,
        attempt,
        valueMbps: (assessment.slots[0]?.valueKbps ?? 0) / 1000,
        dirty: dirty && brought(record),
        failed: !brought(record),
      })
      await sleep(SLOT_GAP_MS)
      if (!mayRepeat(run.request.profile, record, plan.tauMicros)) break
    }
    const mayStop = run.request.profile === Profile.standard && lockstep === undefined
    if (mayStop && slot >= plan.faulty && slot + 1 < plan.teams) {
      const { guaranteedKbps } = assess(
        { ...head, slots: run.slots },
        { partial: true, outcomes: run.outcomes },
      )
      if (guaranteedKbps >= ENOUGH_CLAIM_SHARE * run.request.claimKbps) return
    }
  }
}

/** When the team's members began to send, where they testified, and sign it. */
async function firstSends(
  run: CoordinatorRun,
  plan: Plan,
  { slot, attempt, testimonies }: SlotRecord,
): Promise<(FirstSend | null)[]> {
  const { challengeId } = run.digests
  const team = teamMembers(plan, slot)
  const told = await run.each(
    team.filter((_, i) => testimonies[i] !== null),
    'first-send',
    (member, options) =>
      run.modules.control.request(
        run.target(member),
        FIRST_SEND_MESSAGE,
        { challengeId, slot, attempt },
        options,
      ),
  )
  return team.map((member) => {
    const said = told.get(member)
    const publicKey = plan.committee[member]
    if (said === undefined || publicKey === undefined) return null
    return isFirstSendOf(publicKey, run.digests, { slot, attempt }, said) ? said : null
  })
}

/** Nothing that arrived is no measurement: it says nothing about the line. */
export function requireCapture(run: CoordinatorRun): void {
  if (run.slots.some(brought)) return
  throw new UserError(`no slot brought a result: ${run.slotFailure}`, {
    code: 'UNAVAILABLE',
    remedy: 'run `plumbline doctor` on the prover, and measure again',
  })
}
