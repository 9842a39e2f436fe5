/** One slot of an uplink: the prover sends back, the member says what came (docs/protocol.md section 7.1). */
import { marksFault } from '../../pob/echo.js'
import type { Plan } from '../../pob/plan.js'
import { type Commitment, type SlotId, type Testimony, testimonyDigest } from '../../pob/slot.js'
import { ECHO_MESSAGE, ECHOED_MESSAGE } from '../control-messages.js'
import type { CoordinatorRun } from './run.js'

/** The testimonies of the team's members, null for who gave none. @throws where the prover did not run the slot */
export async function runEcho(
  run: CoordinatorRun,
  plan: Plan,
  id: SlotId,
  team: readonly number[],
  commitments: readonly (Commitment | null)[],
): Promise<(Testimony | null)[]> {
  const { control } = run.modules
  const body = { challengeId: run.digests.challengeId, ...id }
  const { statistics } = await control.request(
    run.order.prover,
    ECHO_MESSAGE,
    { ...body, commitments },
    run.options(),
  )
  run.statistics.push({ ...statistics, slot: id.slot })
  const told = await run.each(
    team.filter((_, i) => commitments[i] !== null),
    'echoed',
    async (member, options) => {
      const testimony = await control.request(run.target(member), ECHOED_MESSAGE, body, options)
      const { echoCounts: counts = [], ownMicros, sentPackets } = testimony
      const packetCount = commitments[team.indexOf(member)]?.packetCount ?? 0
      const fault = marksFault({ counts, ownMicros }, { packetCount, sentPackets })
      const digest = testimonyDigest(run.digests, id, testimony)
      if (fault !== undefined || !run.signedBy(plan, member, digest, testimony.signature))
        throw new Error(`its testimony is invalid${fault === undefined ? '' : `: it ${fault}`}`)
      return testimony
    },
  )
  return team.map((member) => told.get(member) ?? null)
}
