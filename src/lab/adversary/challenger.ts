/** Corrupt challengers: the real daemon with one seam replaced. */
import { randomBytes } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { TrainBehaviour } from '../../dataplane/index.js'
import { MIN_TAU_SHARE } from '../../pob/constants.js'
import { type ChallengerBehaviour, honestChallenger, type MemberStep } from '../../roles/behaviour.js'
import { Refusal } from '../../roles/protocol-error.js'
import type { ChallengerAttack } from './attack.js'
import { leak } from './side-channel.js'

const LIE_LOW_FACTOR = 2
/** A clock that is wrong all the time shifts nothing: own times are differences. One that jumps shifts them all. */
const CLOCK_SHIFT_MICROS = 100_000

const TRAINS: Partial<Record<ChallengerAttack, TrainBehaviour>> = {
  rush: { sendShare: 0.02 },
  withhold: { sendShare: 1 / 3 },
  slow: { rateFactor: 0.5 },
  garbage: { garbage: true },
  flood: { copies: 3 },
}

export interface ChallengerContext {
  readonly publicKey: Uint8Array
  /** Socket of the colluding prover. */
  readonly sideChannelPath: string
}

export function corruptChallenger(attack: ChallengerAttack, context: ChallengerContext): ChallengerBehaviour {
  return {
    ...honestChallenger,
    before: (step) => before(attack, step),
    train: () => TRAINS[attack],
    seed: (drawn, challengeId, { slot, attempt }) => {
      if (attack === 'rush')
        leak(context.sideChannelPath, {
          challengeId: bytesToHex(challengeId),
          slot,
          attempt,
          member: bytesToHex(context.publicKey),
          seed: bytesToHex(drawn),
        })
      return drawn
    },
    seedHash: (honest) => (attack === 'false-commit' ? new Uint8Array(randomBytes(honest.length)) : honest),
    testimony: (honest, { tauMicros }) => ({
      ...honest,
      ownMicros:
        attack === 'lie-high'
          ? leastCounted(honest.ownMicros, tauMicros)
          : attack === 'lie-low'
            ? honest.ownMicros.map((micros) => micros * LIE_LOW_FACTOR)
            : attack === 'clock-shift'
              ? honest.ownMicros.map(shifted)
              : honest.ownMicros,
    }),
  }
}

/**
 * The strongest lie about own times: the rule discards those below 0.8 tau, so every longer one becomes the least that
 * counts, in the order they had. What arrived until the last ack then seems to have arrived within 0.8 tau.
 */
function leastCounted(ownMicros: readonly number[], tauMicros: number): number[] {
  const floor = Math.floor(MIN_TAU_SHARE * tauMicros)
  const counted = [...new Set(ownMicros.filter((micros) => micros > floor))].sort((a, b) => a - b)
  const lie = new Map(counted.map((micros, rank) => [micros, floor + 1 + rank]))
  return ownMicros.map((micros) => lie.get(micros) ?? micros)
}

/** 0 stands for an ack that never came, and stays. */
function shifted(micros: number): number {
  return micros === 0 ? 0 : Math.max(1, micros - CLOCK_SHIFT_MICROS)
}

async function before(attack: ChallengerAttack, step: MemberStep): Promise<void> {
  if (attack === 'crash' && step === 'arm') process.kill(process.pid, 'SIGKILL')
  if (attack === 'silent' && step !== 'session') await new Promise(() => {})
  if (attack === 'withhold-seed' && step === 'reveal') throw new Refusal('denied', 'no')
}
