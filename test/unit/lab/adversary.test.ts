import { describe, expect, it } from 'vitest'
import { Identity } from '../../../src/crypto/identity.js'
import {
  coordinatorColludes,
  needsTap,
  needsVictim,
  parseAttack,
  proverColludes,
} from '../../../src/lab/adversary/attack.js'
import { corruptChallenger } from '../../../src/lab/adversary/challenger.js'
import { lieHigh, lieLate, lieLow, shiftClock } from '../../../src/lab/adversary/lies.js'
import type { SideChannel } from '../../../src/lab/adversary/side-channel.js'
import { guaranteed } from '../../../src/pob/aggregate/guaranteed.js'
import { type TeamMeasurement, teamValue } from '../../../src/pob/aggregate/team-value.js'
import type { TestimonyContext } from '../../../src/roles/behaviour.js'

const THETA_BPS = 100e6
const TAU_MICROS = 200_000
const RTT_MICROS = 10_000
/** The queue of the bottleneck: packets go on arriving for so long after tau. */
const QUEUE_MICROS = 50_000
const PARAMETERS = { tauSeconds: TAU_MICROS / 1e6, capBps: 1.44 * THETA_BPS }
const TEAMS = 5
const TEAM_SIZE = 2
const FAULTY = 2

/** When the prover acknowledges, after its first arrival: from 0.75 tau to the last packet. */
const ACK_MICROS = Array.from({ length: 21 }, (_, k) => 0.75 * TAU_MICROS + k * (TAU_MICROS / 40)).filter(
  (at) => at <= TAU_MICROS + QUEUE_MICROS,
)
const HONEST_OWN = ACK_MICROS.map((at) => at + RTT_MICROS)

const LIES = {
  'lie-high': (honest: Statement) => lieHigh(honest, TAU_MICROS),
  'clock-shift': shiftClock,
}
type Statement = Parameters<typeof lieLow>[0]
type Lie = keyof typeof LIES

function testified(attack: Lie, ownMicros: readonly number[] = HONEST_OWN): readonly number[] {
  const honest = {
    seed: new Uint8Array(32),
    ackListHash: new Uint8Array(32),
    ownMicros: [...ownMicros],
    rttMicros: RTT_MICROS,
    latenessMicros: 0,
    sentPackets: 1,
  }
  return LIES[attack](honest).ownMicros
}

/** A link of theta with an honest prover behind it; `liars` of the team lie about their own times. */
function team(liars: number, attack: Lie = 'lie-high', liarsOwn = HONEST_OWN): TeamMeasurement {
  const own = Array.from({ length: TEAM_SIZE }, (_, i) =>
    i < liars ? testified(attack, liarsOwn) : HONEST_OWN,
  )
  return {
    memberCount: TEAM_SIZE,
    acks: ACK_MICROS.map((at, k) => ({
      bits: Array.from({ length: TEAM_SIZE }, () => ((at / 1e6) * THETA_BPS) / TEAM_SIZE),
      ownSeconds: own.map((times) => (times[k] ?? 0) / 1e6),
    })),
  }
}
const teams = (...liars: number[]) => Array.from({ length: TEAMS }, (_, g) => team(liars[g] ?? 0))
const rule = (measured: readonly TeamMeasurement[]) =>
  guaranteed(measured, { ...PARAMETERS, faulty: FAULTY, cleanTeams: TEAMS - FAULTY }).bps

describe('lie-high', () => {
  it('moves every time that counts down to where it still counts, in order', () => {
    const lies = testified('lie-high')
    const floor = 0.8 * TAU_MICROS
    expect(lies).toHaveLength(HONEST_OWN.length)
    lies.forEach((lie, k) => {
      const honest = HONEST_OWN[k] ?? 0
      if (honest <= floor) expect(lie).toBe(honest)
      else {
        expect(lie).toBeGreaterThan(floor)
        expect(lie).toBeLessThan(floor + 100)
      }
      expect(lie).toBeGreaterThan(lies[k - 1] ?? 0)
      expect(Number.isInteger(lie)).toBe(true)
    })
  })

  it('leaves alone the acks that it never got', () => {
    expect(testified('lie-high', [0, 190_000, 0, 180_000])).toEqual([0, 160_002, 0, 160_001])
  })

  it('raises the value of a team above the truth where both members lie, and not where one does', () => {
    expect(teamValue(team(0), 0, PARAMETERS).bps).toBeLessThan(THETA_BPS)
    expect(teamValue(team(1), 0, PARAMETERS).bps).toBeLessThan(THETA_BPS)
    expect(teamValue(team(2), 0, PARAMETERS).bps).toBeGreaterThan(1.2 * THETA_BPS)
  })

  it('does not move the guarantee while the liars are at most f, together or apart', () => {
    const honest = rule(teams())
    expect(honest).toBeGreaterThan(0.9 * THETA_BPS)
    for (const measured of [teams(2), teams(1, 1), teams(1)]) {
      expect(rule(measured)).toBeLessThanOrEqual(THETA_BPS)
      expect(rule(measured)).toBeCloseTo(honest, 0)
    }
  })

  it('breaks the rule with f + 1 teams of liars, so that the test above can fail', () => {
    expect(rule(teams(2, 2, 2))).toBeGreaterThan(1.2 * THETA_BPS)
  })
})

describe('clock-shift', () => {
  // Far away, so that acks of the whole train still count once they are 100 ms earlier.
  const farOwn = HONEST_OWN.map((own) => own + 20_000)
  const shiftedTeams = (...liars: number[]) =>
    Array.from({ length: TEAMS }, (_, g) => team(liars[g] ?? 0, 'clock-shift', farOwn))

  it('makes every time 100 ms shorter, and none of an ack that never came', () => {
    expect(testified('clock-shift', [0, 190_000, 250_000, 40_000])).toEqual([0, 90_000, 150_000, 1])
  })

  it('does not raise the guarantee where at most f clocks jump, together or apart', () => {
    const honest = rule(teams())
    for (const measured of [shiftedTeams(1), shiftedTeams(1, 1), shiftedTeams(2)])
      expect(rule(measured)).toBeLessThanOrEqual(Math.min(THETA_BPS, honest * 1.000001))
    // More than f of them break it, so the lines above can fail.
    expect(rule(shiftedTeams(2, 2, 2))).toBeGreaterThan(1.2 * THETA_BPS)
  })
})

describe('other lies', () => {
  const honest = {
    seed: new Uint8Array(32),
    ackListHash: new Uint8Array(32),
    ownMicros: [0, 170_000],
    rttMicros: RTT_MICROS,
    latenessMicros: 10,
    sentPackets: 1,
  }

  it('lie-low doubles the times, and lie-late makes the slot dirty at every tau', () => {
    expect(lieLow(honest).ownMicros).toEqual([0, 340_000])
    expect(lieLate(honest)).toMatchObject({ ownMicros: honest.ownMicros })
    expect(lieLate(honest).latenessMicros).toBeGreaterThan(3 * (1_000_000 / 100))
  })
})

describe('a challenger that does several things at once', () => {
  it('does each at its seam, one after the other', async () => {
    const told: string[] = []
    const channel = { tell: (fact: string) => void told.push(fact) } as unknown as SideChannel
    const context = { identity: Identity.generate(), channel }
    const honest: Parameters<ReturnType<typeof corruptChallenger>['testimony']>[0] = {
      seed: new Uint8Array(32),
      ackListHash: new Uint8Array(32),
      ownMicros: [0, 170_000, 250_000],
      rttMicros: 10_000,
      latenessMicros: 0,
      sentPackets: 10,
    }
    const both = corruptChallenger(['rush', 'lie-high', 'garbage'], () => context)
    expect(both.train()).toEqual({ sendShare: 0.02, garbage: true })
    const seed = new Uint8Array(32)
    expect(both.seed(seed, new Uint8Array(32), { slot: 0, attempt: 0 })).toBe(seed)
    expect(told).toHaveLength(1)
    const where = { tauMicros: 200_000 } as TestimonyContext
    const alone = corruptChallenger(['lie-high'], () => context)
    expect(await both.testimony(honest, where)).toEqual(await alone.testimony(honest, where))
    expect(await both.testimony(honest, where)).not.toEqual(honest)
    await expect(
      corruptChallenger(['lie-low', 'withhold-seed'], () => context).before('reveal', undefined),
    ).rejects.toThrow('no')
  })
})

describe('the names of attacks', () => {
  it('are read for challengers, prover, coordinator and network', () => {
    const text = 'rush+lie-high:2,silent,early-ack:prover,two-plans:coordinator,delay:network'
    expect(parseAttack(text, 10)).toEqual({
      challengers: [['rush', 'lie-high'], ['rush', 'lie-high'], ['silent']],
      prover: ['early-ack'],
      coordinator: ['two-plans'],
      network: ['delay'],
    })
  })

  it('say who has to help', () => {
    const plan = (text: string) => parseAttack(text, 10)
    expect(proverColludes(plan('lie-high:2'))).toBe(false)
    expect(proverColludes(plan('rush:1'))).toBe(true)
    expect(proverColludes(plan('lie-high+rush:1'))).toBe(true)
    expect(proverColludes(plan('drop:prover'))).toBe(true)
    expect(coordinatorColludes(plan('rush:1,drop:prover'))).toBe(false)
    expect(coordinatorColludes(plan('copy-commit:1'))).toBe(true)
    expect(needsTap(plan('spoof:1'))).toBe(true)
    expect(needsTap(plan('flood:1'))).toBe(false)
    expect(needsVictim(plan('reflect:prover'))).toBe(true)
  })

  it.each([
    'bribe:2',
    'rush+bribe:1',
    'rush+rush:1',
    'rush+:1',
    'two-plans:prover',
    'rush:network',
    'delay:2',
    'withhold:0',
    'withhold:6,slow:5',
  ])('refuse %s', (text) => {
    expect(() => parseAttack(text, 10)).toThrow()
  })

  it('send overclaiming to --claim', () => {
    expect(() => parseAttack('overclaim:prover', 10)).toThrow('--claim')
  })
})
