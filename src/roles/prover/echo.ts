/** One slot of an uplink: every packet of the member goes back to it as it came. Nothing is signed: it is the member's word. */
import { PACKET_BYTES } from '../../pob/constants.js'
import { Direction } from '../../pob/request.js'
import type { Commitment, SlotId } from '../../pob/slot.js'
import type { ReportedStatistics } from '../control-messages.js'
import type { Remote } from '../modules.js'
import { ensure, Refusal } from '../protocol-error.js'
import { planned, receivedBytes, reported, slotOrder } from './slot.js'
import type { ProverTurn } from './turn.js'

export async function serveEcho(
  turn: ProverTurn,
  body: SlotId & { challengeId: Uint8Array; commitments: readonly (Commitment | null)[] },
  remote: Remote,
): Promise<{ statistics: ReportedStatistics }> {
  const { slot, attempt, commitments } = body
  const challenge = turn.known(body.challengeId, remote)
  ensure(challenge.request.direction === Direction.up, 'bad_request', 'this challenge is of a downlink')
  const { plan, plane } = planned(challenge, slot, commitments.length)
  const name = `${slot}/${attempt}`
  const known = challenge.echoes.get(name)
  if (known !== undefined) return { statistics: known }
  ensure(!challenge.running, 'busy', 'a slot is running')
  challenge.running = true
  try {
    const order = slotOrder(challenge, plan, { slot, attempt }, commitments)
    const [captured] = await Promise.all([
      plane.runSlot({ ...order, echo: true }),
      turn.began(challenge, order),
    ])
    const { packets } = captured.statistics
    // Each went back once.
    await turn.modules.account(receivedBytes(captured) + packets * PACKET_BYTES)
    if (packets === 0) throw new Refusal('not_found', 'nothing arrived in this slot')
    const statistics = reported(captured, plane)
    challenge.echoes.set(name, statistics)
    return { statistics }
  } finally {
    challenge.running = false
    turn.touch(challenge)
  }
}
