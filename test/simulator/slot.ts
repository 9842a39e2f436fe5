/** One team's slot over the link: trains, arrivals, acks, own times. Gives what the real aggregation reads. */
import type { TeamAck, TeamMeasurement } from '../../src/pob/aggregate/team-value.js'
import { ACK_STEPS_PER_TAU, FIRST_ACK_TAU_SHARE, PACKET_BITS } from '../../src/pob/constants.js'
import { carry, type Delivery, deliveredBy, type Train } from './link.js'
import type { Random } from './random.js'
import { memberRateBps, type Path, packetsOf, rttOf, type Scene } from './scene.js'
import type { Collusion, Grief, OwnTimeClaim, Sending, Strategy } from './strategy.js'

/** An honest sender's scheduling noise. */
const START_NOISE_SECONDS = 0.001
/** Both copies of an ack get lost. */
const ACK_LOSS = 0.003
/** An honest prover decides that the arrivals have stopped. */
const ARRIVALS_STOPPED_SECONDS = 0.01
const MIN_ACK_STEP_SECONDS = 0.002
const HONEST_SENDING: Sending = { rate: 1, share: 1, lateSeconds: 0 }

interface Member {
  readonly path: Path
  readonly corrupt: boolean
  readonly grief: Grief | undefined
  /** Lost on the way or undercounted, where the prover wants it. */
  readonly victim: boolean
  /** True time of its first send. */
  readonly startSeconds: number
  readonly sending: Sending
}

/** Own times as a testimony has them: whole microseconds, rounded up. */
function ownSeconds({ path, startSeconds }: Member, arrivalSeconds: number): number {
  const shown = (seconds: number) => seconds + path.clockOffsetSeconds
  return Math.ceil((shown(arrivalSeconds) - shown(startSeconds)) * 1e6) / 1e6
}

function claimedOwn(claim: OwnTimeClaim, trueSeconds: number, random: Random): number | null {
  if (claim.kind === 'absent') return null
  const value = {
    true: trueSeconds,
    scaled: trueSeconds * claim.value,
    shifted: trueSeconds + claim.value,
    constant: claim.value,
    random: random.next() * claim.value,
  }[claim.kind]
  // 0 microseconds means that there was no ack.
  return Math.max(1, Math.ceil(value * 1e6)) / 1e6
}

/** True times at which an honest prover sends its acks. */
export function honestAckTimes(deliveries: readonly Delivery[], tauSeconds: number): number[] {
  const arrivals = deliveries.flatMap(({ seconds }) => seconds).sort((a, b) => a - b)
  const [first, last] = [arrivals[0], arrivals.at(-1)]
  if (first === undefined || last === undefined) return []
  const step = Math.max(MIN_ACK_STEP_SECONDS, tauSeconds / ACK_STEPS_PER_TAU)
  const times: number[] = []
  let due = first + FIRST_ACK_TAU_SHARE * tauSeconds
  for (const arrival of arrivals)
    if (arrival >= due) {
      times.push(arrival)
      while (due <= arrival) due += step
    }
  return [...times, last + ARRIVALS_STOPPED_SECONDS]
}

function corruptAckTimes(plan: Collusion, honest: readonly number[], tauSeconds: number, random: Random) {
  const first = (honest[0] ?? 0) - FIRST_ACK_TAU_SHARE * tauSeconds
  const spread = {
    regular: [0.75, 1.6],
    dense: [0.78, 1.05],
    late: [1, 4],
    random: [0, 3],
  }[plan.ackTimes]
  const [low = 0, high = 1] = spread
  return Array.from({ length: plan.acks }, () => first + random.between(low, high) * tauSeconds).sort(
    (a, b) => a - b,
  )
}

/** Runs team `g` of the scene. */
export function simulateSlot(scene: Scene, g: number, strategy: Strategy, random: Random): TeamMeasurement {
  const { tauSeconds, teamSize } = scene
  const { collusion } = strategy
  const packets = packetsOf(scene)
  const indices = Array.from({ length: teamSize }, (_, i) => g * teamSize + i)
  const paths = indices.flatMap((member) => scene.paths[member] ?? [])
  const longestRtt = Math.max(...paths.map(rttOf))
  const members = paths.map((path, i): Member => {
    const member = indices[i] ?? 0
    const corrupt = strategy.corrupt.has(member)
    const grief = strategy.griefs.get(member)
    const sending = corrupt ? (grief?.sending ?? collusion?.sending ?? HONEST_SENDING) : HONEST_SENDING
    // go travels the return path, the train the forward path: with these delays first packets meet at the prover.
    const aligned = path.returnSeconds + longestRtt - rttOf(path)
    const startSeconds =
      aligned +
      random.between(0, START_NOISE_SECONDS) +
      sending.lateSeconds +
      (corrupt || collusion === undefined ? 0 : random.between(0, collusion.staggerSeconds))
    const victim = !corrupt && collusion !== undefined && random.chance(collusion.victims)
    return { path, corrupt, grief, victim, startSeconds, sending }
  })
  const interval = PACKET_BITS / memberRateBps(scene)
  const trains = members.map(({ path, startSeconds, sending, victim }): Train => {
    const loss = victim ? (collusion?.victimLoss ?? 0) : 0
    return {
      firstSeconds: startSeconds + path.forwardSeconds,
      intervalSeconds: sending.rate > 0 ? interval / sending.rate : interval,
      // Rushing is not only sending sooner: more than was committed to crowds the others out.
      packets: sending.rate === 0 ? 0 : Math.floor(packets * sending.share * Math.max(1, sending.rate)),
      ...(loss > 0 ? { dropped: () => random.chance(loss) } : {}),
    }
  })
  const deliveries = carry(scene.link, trains).map(({ seconds, sequences }): Delivery => {
    // The prover knows no sequence beyond the committed ones.
    const kept = sequences.flatMap((sequence, i) => (sequence < packets ? [i] : []))
    return {
      seconds: kept.map((i) => seconds[i] ?? 0),
      sequences: kept.map((i) => sequences[i] ?? 0),
    }
  })
  const honestTimes = honestAckTimes(deliveries, tauSeconds)
  const acks =
    collusion === undefined
      ? honestTimes.map((at) => honestAck(members, deliveries, at, random))
      : corruptAcks(collusion, members, deliveries, { packets, tauSeconds, honestTimes }, random)
  return { memberCount: teamSize, acks }
}

function honestAck(
  members: readonly Member[],
  deliveries: readonly Delivery[],
  at: number,
  random: Random,
): TeamAck {
  const bits = members.map((member, i) => {
    const delivery = deliveries[i]
    return delivery === undefined || member.grief?.seedWithheld ? 0 : deliveredBy(delivery, at) * PACKET_BITS
  })
  const own = members.map((member): number | null => {
    const received = ownSeconds(member, at + member.path.returnSeconds)
    if (member.grief !== undefined) return claimedOwn(member.grief.own, received, random)
    return random.chance(ACK_LOSS) ? null : received
  })
  return { bits, ownSeconds: own }
}

function corruptAcks(
  plan: Collusion,
  members: readonly Member[],
  deliveries: readonly Delivery[],
  slot: { readonly packets: number; readonly tauSeconds: number; readonly honestTimes: readonly number[] },
  random: Random,
): TeamAck[] {
  const without = members.map(() => random.chance(plan.withheld))
  const all = slot.packets * PACKET_BITS
  return corruptAckTimes(plan, slot.honestTimes, slot.tauSeconds, random).map((at): TeamAck => {
    const bits = members.map(({ corrupt, victim }, i) => {
      const delivery = deliveries[i]
      const came = delivery === undefined ? 0 : deliveredBy(delivery, at) * PACKET_BITS
      if (!corrupt) return victim ? came * (1 - plan.undercount) : came
      const credited = {
        all,
        true: came,
        scaled: came * plan.credit.value,
        none: 0,
        random: random.next() * all,
      }[plan.credit.kind]
      return Math.min(all, credited)
    })
    const own = members.map((member, i): number | null => {
      const arrival = at + member.path.returnSeconds * plan.returnFactor + random.between(0, plan.holdSeconds)
      const received = ownSeconds(member, arrival)
      if (member.corrupt) return claimedOwn(plan.own, received, random)
      const withheld = plan.withheldFixed ? without[i] === true : random.chance(plan.withheld)
      // Nothing that came before the first send is an ack of this train.
      return withheld || received <= 0 ? null : received
    })
    return { bits, ownSeconds: own }
  })
}
