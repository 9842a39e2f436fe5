/**
 * A challenger that is honest but in one step of a challenge: every way to fail in every step, so that what a challenge bears can
 * be shown step by step. `silent@arm:2`: two that answer nothing when they are armed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChallengerBehaviour, MemberStep } from '../../roles/behaviour.js'
import { Refusal } from '../../roles/protocol-error.js'

/** Steps of a challenge by what a member is asked with, and the phase of the challenge that each belongs to. */
export const PHASE_OF = {
  session: 'request',
  plan: 'acceptance',
  arm: 'commit',
  train: 'train',
  reveal: 'reveal',
  evidence: 'report',
  sign: 'report',
} as const
export type PhaseStep = keyof typeof PHASE_OF

export const PHASE_FAILURES = {
  silent: 'answers nothing, or sends next to nothing',
  slow: 'answers 4 s late, or sends at half the rate',
  crash: 'ends its process',
  lie: 'commits to a seed that it does not have, sends other bytes, testifies the shortest times that count; elsewhere it refuses for a reason that is not true',
} as const
export type PhaseFailure = keyof typeof PHASE_FAILURES
export type PhaseAttack = `${PhaseFailure}@${PhaseStep}`

/** Attacks that are a lie in their step. */
export const LIES = { arm: 'false-commit', train: 'garbage', reveal: 'lie-high' } as const

/** Below the 6 s after which a member counts as silent. */
export const STALL_MS = 4000
/** Of a train: some packets. */
const NEXT_TO_NOTHING = 0.001
/** From being armed into its train: the start comes after the last of the team is armed. */
const INTO_TRAIN_MS = 150

export function isPhaseAttack(name: string): name is PhaseAttack {
  const [failure = '', step = '', ...rest] = name.split('@')
  return rest.length === 0 && Object.hasOwn(PHASE_FAILURES, failure) && Object.hasOwn(PHASE_OF, step)
}

export function partsOf(attack: PhaseAttack): { readonly failure: PhaseFailure; readonly step: PhaseStep } {
  const [failure, step] = attack.split('@') as [PhaseFailure, PhaseStep]
  return { failure, step }
}

/** What an attack does that is not one of `LIES`. */
export function failingAt(attack: PhaseAttack): Partial<ChallengerBehaviour> {
  const { failure, step } = partsOf(attack)
  if (step === 'train') return { train: () => inTrain(failure) }
  return {
    before: async (asked: MemberStep) => {
      if (asked === step) await fail(failure)
    },
  }
}

const die = () => void process.kill(process.pid, 'SIGKILL')

async function fail(failure: PhaseFailure): Promise<void> {
  if (failure === 'silent') await new Promise(() => {})
  if (failure === 'slow') await sleep(STALL_MS)
  if (failure === 'crash') die()
  if (failure === 'lie') throw new Refusal('denied', 'this challenge has expired')
}

function inTrain(failure: PhaseFailure) {
  if (failure === 'crash') setTimeout(die, INTO_TRAIN_MS)
  if (failure === 'silent') return { sendShare: NEXT_TO_NOTHING }
  return failure === 'slow' ? { rateFactor: 0.5 } : undefined
}
