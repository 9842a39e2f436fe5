/**
 * The attacks of `lab --attack`: `name:count` for challengers, `name:prover`, `name:coordinator`, `name:network`, joined
 * by commas. A challenger can do several things at once: `rush+lie-high:2`; `silent@arm:2` fails in one step alone.
 */
import { UserError } from '../../errors.js'
import { isPhaseAttack, PHASE_FAILURES, PHASE_OF, type PhaseAttack } from './phases.js'

/** Attacks of challengers. */
export const CHALLENGER_ATTACKS = {
  rush: 'gives its seed to the colluding prover before the slot and sends next to nothing',
  withhold: 'sends a third of what it committed to',
  slow: 'sends at half the rate',
  'lie-low': 'testifies twice the time it took',
  'lie-echo':
    'of an uplink, testifies that all it sent came back within the shortest time that counts, just above 0.8 tau',
  'lie-high': 'testifies the shortest times that count: just above 0.8 tau, however late the acks came',
  'lie-late': 'testifies that its train was late, so that its slot is run again',
  'clock-shift':
    'has a clock that falls back by 100 ms once its train is out, so that every ack seems so much earlier',
  equivocate:
    'signs two testimonies, two votes and two results, and hands the second of each, with higher rates, to its accomplices',
  silent: 'opens a session and then answers nothing',
  stall: 'answers everything 4 s late',
  'hang-up': 'keeps whoever asks it anything waiting for 5 s, and then breaks all its connections off',
  crash: 'ends its process when it is armed',
  'withhold-seed': 'never reveals what it sent',
  'false-commit': 'commits to a seed that it does not have',
  'copy-commit':
    "commits to a teammate's seed, which the colluding coordinator tells it, and the colluding prover counts the teammate's packets twice",
  garbage: 'sends other bytes than its keystream',
  flood: 'sends every packet three times',
  'ack-flood': "floods the other members with acks from the prover's address",
  replay:
    'sends packets that were captured on the way again, from their own addresses, and control messages of this and earlier challenges',
  spoof:
    "sends made-up data from the other members' addresses, and made-up go, stop, ack and consent from the prover's",
} as const
export type NamedChallengerAttack = keyof typeof CHALLENGER_ATTACKS
/** One of the list, or a failure in one step alone. */
export type ChallengerAttack = NamedChallengerAttack | PhaseAttack

export const PROVER_ATTACKS = {
  'rtt-inflate': 'answers the members’ probes 50 ms late',
  'hold-acks': 'sends its acks 20 ms late',
  drop: 'drops a fifth of the packets',
  stagger: 'starts half of each team 40 ms late',
  'early-ack': "acknowledges the first member's whole train at once, with bytes it made up",
  'equivocate-ack': 'sends other acks to the first member of each team',
  'two-lists':
    'signs a second list of acks for each slot, which the colluding coordinator shows to the members when they have testified about the first',
  'ack-flood': 'sends every ack a hundred times, and as many that it never lists',
  reflect: "opens its paths from a third party's address as well, and starts trains from there",
} as const
export type ProverAttack = keyof typeof PROVER_ATTACKS

export const COORDINATOR_ATTACKS = {
  'two-plans': 'signs two plans, tells f - 1 members the second one first, and then everybody both',
  'two-evidence':
    'makes two sets of evidence, has f - 1 members vote for the second one first, and then asks everybody for both',
} as const
export type CoordinatorAttack = keyof typeof COORDINATOR_ATTACKS

export const NETWORK_ATTACKS = {
  'rtt-inflate': 'holds what the prover answers to probes for 50 ms',
  'hold-acks': 'holds acks for 20 ms',
  stagger: 'holds what half of the challengers send for 40 ms',
  drop: 'drops a tenth of the data for 150 ms, then a third of the acks for 150 ms, and so on',
  delay: 'holds what now these, now those challengers send and get, for 10 to 50 ms, changing every 100 ms',
  partition:
    'cuts now one, now two challengers off for 1 to 4 s, in both directions or in one, by a schedule that --seed draws, and another in every run of the laboratory without one',
} as const
export type NetworkAttack = keyof typeof NETWORK_ATTACKS

export interface AttackPlan {
  /** Attacks of each corrupt challenger, in the registry's order from the first. */
  readonly challengers: readonly (readonly ChallengerAttack[])[]
  readonly prover: readonly ProverAttack[]
  readonly coordinator: readonly CoordinatorAttack[]
  readonly network: readonly NetworkAttack[]
}

export const NO_ATTACK: AttackPlan = { challengers: [], prover: [], coordinator: [], network: [] }

/** Whoever is no challenger, and what it can do. */
const OTHERS = {
  prover: PROVER_ATTACKS,
  coordinator: COORDINATOR_ATTACKS,
  network: NETWORK_ATTACKS,
} as const

function bad(message: string): UserError {
  const names = [
    ...Object.keys(CHALLENGER_ATTACKS).map((name) => `${name}:N`),
    `${Object.keys(PHASE_FAILURES).join('|')}@${Object.keys(PHASE_OF).join('|')}:N`,
    ...Object.entries(OTHERS).flatMap(([whom, attacks]) =>
      Object.keys(attacks).map((name) => `${name}:${whom}`),
    ),
  ]
  return new UserError(message, {
    code: 'BAD_ARGUMENT',
    remedy: `join with commas any of ${names.join(' ')}`,
    exitStatus: 2,
  })
}

/** @throws UserError BAD_ARGUMENT */
export function parseAttack(text: string | undefined, challengers: number): AttackPlan {
  if (text === undefined || text === '' || text === 'none') return NO_ATTACK
  const corrupt: ChallengerAttack[][] = []
  const others = { prover: [] as string[], coordinator: [] as string[], network: [] as string[] }
  for (const part of text.split(',')) {
    const [name = '', whom = '1'] = part.trim().split(':')
    if (name === 'overclaim') throw bad('overclaiming is --claim with a ratio above 1')
    if (whom === 'prover' || whom === 'coordinator' || whom === 'network') {
      if (!Object.hasOwn(OTHERS[whom], name)) throw bad(`"${part}" is no attack of a ${whom}`)
      others[whom].push(name)
      continue
    }
    const names = name.split('+')
    const isKnown = (each: string): each is ChallengerAttack =>
      Object.hasOwn(CHALLENGER_ATTACKS, each) || isPhaseAttack(each)
    if (!names.every(isKnown) || new Set(names).size < names.length)
      throw bad(`"${part}" is no attack of challengers`)
    const count = Number(whom)
    if (!Number.isInteger(count) || count < 1) throw bad(`"${part}" names no number of challengers`)
    if (corrupt.length + count > challengers)
      throw bad(`the attack needs more challengers than the ${challengers} there are`)
    for (let i = 0; i < count; i++) corrupt.push(names)
  }
  return {
    challengers: corrupt,
    prover: others.prover as ProverAttack[],
    coordinator: others.coordinator as CoordinatorAttack[],
    network: others.network as NetworkAttack[],
  }
}

const includesOneOf = (plan: AttackPlan, names: readonly ChallengerAttack[]) =>
  plan.challengers.some((attacks) => attacks.some((name) => names.includes(name)))

/** Whether the prover acts dishonestly, alone or with challengers that need its help. */
export function proverColludes(plan: AttackPlan): boolean {
  return plan.prover.length > 0 || includesOneOf(plan, ['rush', 'copy-commit'])
}

/** Whether the coordinator does; commitments are copied from what it has seen, and second lists are of use to it alone. */
export function coordinatorColludes(plan: AttackPlan): boolean {
  return (
    plan.coordinator.length > 0 || plan.prover.includes('two-lists') || includesOneOf(plan, ['copy-commit'])
  )
}

/** Whether somebody listens on the path between members and prover, for those who inject packets. */
export function needsTap(plan: AttackPlan): boolean {
  return includesOneOf(plan, ['ack-flood', 'replay', 'spoof'])
}

/** Whether there is a third party to be hit. */
export function needsVictim(plan: AttackPlan): boolean {
  return plan.prover.includes('reflect')
}
