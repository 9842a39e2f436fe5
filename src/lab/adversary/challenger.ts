/** Corrupt challengers: the real daemon with one seam replaced. */
import { randomBytes } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { TrainBehaviour } from '../../dataplane/index.js'
import { type ChallengerBehaviour, honestChallenger, type MemberStep } from '../../roles/behaviour.js'
import { Refusal } from '../../roles/protocol-error.js'
import type { ChallengerAttack } from './attack.js'
import { leak } from './side-channel.js'

const LIE_FACTOR = 2

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
  const scale = attack === 'lie-high' ? 1 / LIE_FACTOR : attack === 'lie-low' ? LIE_FACTOR : 1
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
    seedHash: (honest) => (attack === 'copy-commit' ? new Uint8Array(randomBytes(honest.length)) : honest),
    testimony: (honest) => ({
      ...honest,
      ownMicros: honest.ownMicros.map((micros) => Math.round(micros * scale)),
    }),
  }
}

async function before(attack: ChallengerAttack, step: MemberStep): Promise<void> {
  if (attack === 'crash' && step === 'arm') process.kill(process.pid, 'SIGKILL')
  if (attack === 'silent' && step !== 'session') await new Promise(() => {})
  if (attack === 'withhold-seed' && step === 'reveal') throw new Refusal('denied', 'no')
}
