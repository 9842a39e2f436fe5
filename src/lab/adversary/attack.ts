/** The attacks of `lab --attack`: `name:count` for challengers, `name:prover` for the prover, joined by commas. */
import { UserError } from '../../errors.js'

/** Attacks of challengers, and whether they collude with the prover. */
export const CHALLENGER_ATTACKS = {
  rush: 'gives its seed to the colluding prover before the slot and sends next to nothing',
  withhold: 'sends a third of what it committed to',
  slow: 'sends at half the rate',
  'lie-low': 'testifies twice the time it took',
  'lie-high': 'testifies the shortest times that count: just above 0.8 tau, however late the acks came',
  'clock-shift':
    'has a clock that falls back by 100 ms once its train is out, so that every ack seems so much earlier',
  silent: 'opens a session and then answers nothing',
  crash: 'ends its process when it is armed',
  'withhold-seed': 'never reveals what it sent',
  'false-commit': 'commits to a seed that it does not have',
  garbage: 'sends other bytes than its keystream',
  flood: 'sends every packet three times',
} as const
export type ChallengerAttack = keyof typeof CHALLENGER_ATTACKS

export const PROVER_ATTACKS = {
  'rtt-inflate': 'answers the members’ probes 50 ms late',
  'hold-acks': 'sends its acks 20 ms late',
  drop: 'drops a fifth of the packets',
  stagger: 'starts half of each team 40 ms late',
  'early-ack': "acknowledges the first member's whole train at once, with bytes it made up",
  'equivocate-ack': 'sends other acks to the first member of each team',
} as const
export type ProverAttack = keyof typeof PROVER_ATTACKS

/** Attacks of the design that the laboratory cannot make yet. */
export const MISSING_ATTACKS = [
  'equivocate',
  'copy-commit',
  'ack-flood',
  'replay',
  'spoof',
  'two-plans',
  'two-evidence',
] as const

export interface AttackPlan {
  /** Attack of each corrupt challenger, in the registry's order from the first. */
  readonly challengers: readonly ChallengerAttack[]
  readonly prover: readonly ProverAttack[]
}

export const NO_ATTACK: AttackPlan = { challengers: [], prover: [] }

function bad(message: string): UserError {
  const names = [...Object.keys(CHALLENGER_ATTACKS).map((name) => `${name}:N`)]
  const provers = Object.keys(PROVER_ATTACKS).map((name) => `${name}:prover`)
  return new UserError(message, {
    code: 'BAD_ARGUMENT',
    remedy: `join with commas any of ${[...names, ...provers].join(' ')}`,
    exitStatus: 2,
  })
}

/** @throws UserError BAD_ARGUMENT */
export function parseAttack(text: string | undefined, challengers: number): AttackPlan {
  if (text === undefined || text === '' || text === 'none') return NO_ATTACK
  const plan = { challengers: [] as ChallengerAttack[], prover: [] as ProverAttack[] }
  for (const part of text.split(',')) {
    const [name = '', whom = '1'] = part.trim().split(':')
    if (MISSING_ATTACKS.some((missing) => missing === name))
      throw bad(`the laboratory has no attack "${name}" yet`)
    if (name === 'overclaim') throw bad('overclaiming is --claim with a ratio above 1')
    if (whom === 'prover') {
      if (!Object.hasOwn(PROVER_ATTACKS, name)) throw bad(`"${part}" is no attack of a prover`)
      plan.prover.push(name as ProverAttack)
      continue
    }
    if (!Object.hasOwn(CHALLENGER_ATTACKS, name)) throw bad(`"${part}" is no attack of challengers`)
    const count = Number(whom)
    if (!Number.isInteger(count) || count < 1) throw bad(`"${part}" names no number of challengers`)
    for (let i = 0; i < count; i++) plan.challengers.push(name as ChallengerAttack)
  }
  if (plan.challengers.length > challengers)
    throw bad(`the attack needs ${plan.challengers.length} challengers, there are ${challengers}`)
  return plan
}

/** Whether the prover acts dishonestly, alone or with rushing challengers. */
export function proverColludes(plan: AttackPlan): boolean {
  return plan.prover.length > 0 || plan.challengers.includes('rush')
}
