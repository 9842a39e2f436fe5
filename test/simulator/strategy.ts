/**
 * Strategies. Griefers face an honest prover: they send and testify what they like, but their bits are what arrived.
 * Colluders share everything with a corrupt prover: it may credit them any bits at any time, and decides who gets
 * which ack when, who starts when, and whose packets get lost.
 */
import type { Random } from './random.js'
import type { Scene } from './scene.js'

/** What a corrupt member puts on the wire, relative to its part. */
export interface Sending {
  /** 0 silent, 1 as committed, above 1 rushing. */
  readonly rate: number
  /** Share of its packets after which it stops. */
  readonly share: number
  readonly lateSeconds: number
}

export interface OwnTimeClaim {
  readonly kind: 'true' | 'scaled' | 'shifted' | 'constant' | 'absent' | 'random'
  readonly value: number
}

export interface Grief {
  readonly sending: Sending
  readonly own: OwnTimeClaim
  /** Its seed does not open its commitment: nothing of it counts. */
  readonly seedWithheld: boolean
}

export interface Credit {
  readonly kind: 'all' | 'true' | 'scaled' | 'none' | 'random'
  readonly value: number
}

export interface Collusion {
  readonly ackTimes: 'regular' | 'dense' | 'late' | 'random'
  readonly acks: number
  /** Acks reach honest members without their return delay, through a friend beside them. */
  readonly returnFactor: number
  /** Longest time an ack is kept back, by ack and member. */
  readonly holdSeconds: number
  /** Share of honest members from which an ack is kept altogether, or who got another one in its place. */
  readonly withheld: number
  /** The same members throughout, or others at each ack. */
  readonly withheldFixed: boolean
  /** The latest start the prover gives an honest member. */
  readonly staggerSeconds: number
  /** Probability that an honest member is a victim, and the share of its packets that then get lost. */
  readonly victims: number
  readonly victimLoss: number
  /** Acks count less of the victims than came through. */
  readonly undercount: number
  readonly credit: Credit
  readonly own: OwnTimeClaim
  readonly sending: Sending
  /** Slots are repeated as often as that is allowed, and the best attempt is made the last. */
  readonly repeats: boolean
}

export interface Strategy {
  /** Corrupt members' indices. */
  readonly corrupt: ReadonlySet<number>
  readonly collusion: Collusion | undefined
  readonly griefs: ReadonlyMap<number, Grief>
}

function drawSending(random: Random): Sending {
  return {
    rate: random.pick([0, 0.3, 0.9, 1, 1, 2, 6]),
    share: random.pick([0.1, 0.5, 0.9, 1, 1, 1]),
    lateSeconds: random.pick([0, 0, 0, 0.02, 0.1]),
  }
}

function drawOwn(random: Random, tauSeconds: number): OwnTimeClaim {
  const kind = random.pick(['true', 'scaled', 'shifted', 'constant', 'absent', 'random'] as const)
  const constants = [1e-6, 0.5 * tauSeconds, 0.8 * tauSeconds, 0.81 * tauSeconds, tauSeconds, 99, 4294]
  const value = {
    true: 0,
    absent: 0,
    scaled: random.between(0.2, 3),
    shifted: random.between(-0.2, 0.2),
    constant: random.pick(constants),
    random: random.between(0.1, 3) * tauSeconds,
  }[kind]
  return { kind, value }
}

function drawCredit(random: Random): Credit {
  const kind = random.pick(['all', 'all', 'true', 'scaled', 'none', 'random'] as const)
  return { kind, value: random.between(0.3, 5) }
}

export function drawGrief(random: Random, tauSeconds: number): Grief {
  return {
    sending: drawSending(random),
    own: drawOwn(random, tauSeconds),
    seedWithheld: random.chance(0.2),
  }
}

/** Half of the draws vary the strongest known attack a little; the other half is anything. */
export function drawCollusion(random: Random, tauSeconds: number): Collusion {
  const strong: Collusion = {
    ackTimes: random.pick(['regular', 'dense']),
    acks: random.integer(5, 40),
    returnFactor: random.pick([0, 0, 1]),
    holdSeconds: 0,
    withheld: 0,
    withheldFixed: true,
    staggerSeconds: 0,
    victims: 0,
    victimLoss: 0,
    undercount: 0,
    credit: { kind: 'all', value: 0 },
    own: { kind: 'constant', value: 0.8 * tauSeconds },
    sending: { rate: 0, share: 1, lateSeconds: 0 },
    repeats: false,
  }
  const anything: Collusion = {
    ackTimes: random.pick(['regular', 'dense', 'late', 'random']),
    acks: random.integer(1, 40),
    returnFactor: random.pick([0, 0.5, 1]),
    holdSeconds: random.pick([0, 0, 0.01, 0.1]),
    withheld: random.pick([0, 0, 0.2, 0.5]),
    withheldFixed: random.chance(0.5),
    staggerSeconds: random.pick([0, 0, 0.02, 0.1, 0.5 * tauSeconds, tauSeconds]),
    victims: random.pick([0, 0, 0.3, 0.6]),
    victimLoss: random.pick([0.1, 0.5, 1]),
    undercount: random.pick([0, 0, 0.1, 0.5, 1]),
    credit: drawCredit(random),
    own: drawOwn(random, tauSeconds),
    sending: drawSending(random),
    repeats: random.chance(0.15),
  }
  if (random.chance(0.5)) return anything
  const keys = Object.keys(strong) as (keyof Collusion)[]
  const changed = random.pick(keys)
  return random.chance(0.5) ? strong : { ...strong, [changed]: anything[changed] }
}

/** `count` corrupt members, in as few teams as hold them or anywhere. */
function drawCorrupt(scene: Scene, count: number, random: Random): Set<number> {
  const everybody = scene.paths.map((_, member) => member)
  if (random.chance(0.3)) {
    const first = random.integer(0, scene.teams - 1) * scene.teamSize
    return new Set(everybody.map((member) => (member + first) % everybody.length).slice(0, count))
  }
  if (random.chance(0.5)) {
    // One in each team, as far as they go: spoils the most teams.
    const teams = random.shuffled(Array.from({ length: scene.teams }, (_, g) => g))
    const spread = everybody.map((i) => {
      const team = teams[i % scene.teams] ?? 0
      return team * scene.teamSize + Math.floor(i / scene.teams)
    })
    return new Set(spread.slice(0, count))
  }
  return new Set(random.shuffled(everybody).slice(0, count))
}

export function honestStrategy(): Strategy {
  return { corrupt: new Set(), collusion: undefined, griefs: new Map() }
}

export function drawColluders(scene: Scene, count: number, random: Random): Strategy {
  const corrupt = drawCorrupt(scene, count, random)
  return { corrupt, collusion: drawCollusion(random, scene.tauSeconds), griefs: new Map() }
}

export function drawGriefers(scene: Scene, count: number, random: Random): Strategy {
  const corrupt = drawCorrupt(scene, count, random)
  const griefs = new Map([...corrupt].map((member) => [member, drawGrief(random, scene.tauSeconds)]))
  return { corrupt, collusion: undefined, griefs }
}
