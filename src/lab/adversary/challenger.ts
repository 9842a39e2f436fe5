/** Corrupt challengers: the real daemon with one seam replaced. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Signer } from '../../crypto/identity.js'
import type { Plan } from '../../pob/plan.js'
import { type ChallengerBehaviour, honestChallenger, type MemberStep } from '../../roles/behaviour.js'
import type { PlanBody } from '../../roles/control-messages.js'
import { Refusal } from '../../roles/protocol-error.js'
import type { ChallengerAttack, NamedChallengerAttack } from './attack.js'
import { copier } from './copy-commit.js'
import { equivocator } from './equivocate.js'
import { memberFact } from './facts.js'
import { lieEcho, lieHigh, lieLate, lieLow, shiftClock } from './lies.js'
import { failingAt, isPhaseAttack, LIES, partsOf, STALL_MS } from './phases.js'
import type { SideChannel } from './side-channel.js'

const HANG_UP_MS = 5000

export interface ChallengerContext {
  readonly identity: Signer
  readonly channel: SideChannel
  /** Starts to send packets of its own making; for attacks that do. */
  readonly inject?: (plan: Plan) => void
  /** Breaks off all connections of this process. */
  readonly hangUp?: () => void
  /** Sends captured control messages again. */
  readonly replay?: (step: MemberStep, message: unknown) => void
}

/** @param contextOf for each attack its own: some bring tools with them */
export function corruptChallenger(
  attacks: readonly ChallengerAttack[],
  contextOf: (attack: ChallengerAttack) => ChallengerContext,
): ChallengerBehaviour {
  return attacks
    .map((attack): ChallengerBehaviour => ({ ...honestChallenger, ...behaviourOf(attack, contextOf) }))
    .reduce(atOnce, honestChallenger)
}

function behaviourOf(
  attack: ChallengerAttack,
  contextOf: (attack: ChallengerAttack) => ChallengerContext,
): Partial<ChallengerBehaviour> {
  if (!isPhaseAttack(attack)) return ATTACKS[attack](contextOf(attack))
  const { failure, step } = partsOf(attack)
  if (failure === 'lie' && (step === 'arm' || step === 'train' || step === 'reveal'))
    return ATTACKS[LIES[step]](contextOf(attack))
  return failingAt(attack)
}

/** One after the other at every seam. */
function atOnce(first: ChallengerBehaviour, second: ChallengerBehaviour): ChallengerBehaviour {
  return {
    before: async (step, message) => {
      await first.before(step, message)
      await second.before(step, message)
    },
    seed: (drawn, ...rest) => second.seed(first.seed(drawn, ...rest), ...rest),
    seedHash: async (honest, ...rest) => second.seedHash(await first.seedHash(honest, ...rest), ...rest),
    train: () => {
      const [one, other] = [first.train(), second.train()]
      return one === undefined ? other : { ...one, ...other }
    },
    testimony: async (honest, context) => second.testimony(await first.testimony(honest, context), context),
  }
}

type Attack = (context: ChallengerContext) => Partial<ChallengerBehaviour>

/** From the plan on there is traffic to mix with. */
const injector: Attack = ({ inject }) => ({
  before: async (step, message) => {
    if (step === 'plan') inject?.((message as PlanBody).plan)
  },
})

const ATTACKS: Readonly<Record<NamedChallengerAttack, Attack>> = {
  rush: ({ identity, channel }) => ({
    train: () => ({ sendShare: 0.02 }),
    seed: (drawn, challengeId, id) => {
      channel.tell(memberFact('seed', challengeId, id, identity.publicKey), bytesToHex(drawn))
      return drawn
    },
  }),
  withhold: () => ({ train: () => ({ sendShare: 1 / 3 }) }),
  slow: () => ({ train: () => ({ rateFactor: 0.5 }) }),
  garbage: () => ({ train: () => ({ garbage: true }) }),
  flood: () => ({ train: () => ({ copies: 3 }) }),
  'lie-low': () => ({ testimony: async (honest) => lieLow(honest) }),
  'lie-echo': () => ({ testimony: async (honest, { tauMicros }) => lieEcho(honest, tauMicros) }),
  'lie-high': () => ({ testimony: async (honest, { tauMicros }) => lieHigh(honest, tauMicros) }),
  'lie-late': () => ({ testimony: async (honest) => lieLate(honest) }),
  'clock-shift': () => ({ testimony: async (honest) => shiftClock(honest) }),
  equivocate: (context) => equivocator(context),
  silent: () => ({
    before: async (step) => {
      if (step !== 'session') await new Promise(() => {})
    },
  }),
  stall: () => ({ before: async () => void (await sleep(STALL_MS)) }),
  'hang-up': ({ hangUp }) => ({
    before: async () => {
      await sleep(HANG_UP_MS)
      hangUp?.()
    },
  }),
  crash: () => ({
    before: async (step) => {
      if (step === 'arm') process.kill(process.pid, 'SIGKILL')
    },
  }),
  'withhold-seed': () => ({
    before: async (step) => {
      if (step === 'reveal') throw new Refusal('denied', 'no')
    },
  }),
  'false-commit': () => ({ seedHash: async (honest) => new Uint8Array(randomBytes(honest.length)) }),
  'copy-commit': ({ identity, channel }) => copier(identity.publicKey, channel),
  'ack-flood': injector,
  spoof: injector,
  replay: (context) => ({
    before: async (step, message) => {
      if (step === 'plan') context.inject?.((message as PlanBody).plan)
      context.replay?.(step, message)
    },
  }),
}
