import { describe, expect, it } from 'vitest'
import {
  CHALLENGER_ATTACKS,
  type ChallengerAttack,
  MISSING_ATTACKS,
  parseAttack,
  proverColludes,
} from '../../../src/lab/adversary/attack.js'
import { corruptChallenger } from '../../../src/lab/adversary/challenger.js'
import { corruptProver } from '../../../src/lab/adversary/prover.js'
import { SideChannel } from '../../../src/lab/adversary/side-channel.js'
import { guaranteed } from '../../../src/pob/aggregate/guaranteed.js'
import { type TeamMeasurement, teamValue } from '../../../src/pob/aggregate/team-value.js'

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

const context = { publicKey: new Uint8Array(33), sideChannelPath: '/nowhere' }

function testified(attack: ChallengerAttack, ownMicros: readonly number[] = HONEST_OWN): readonly number[] {
  const honest = {
    seed: new Uint8Array(32),
    ackListHash: new Uint8Array(32),
    ownMicros: [...ownMicros],
    rttMicros: RTT_MICROS,
    latenessMicros: 0,
    sentPackets: 1,
  }
  return corruptChallenger(attack, context).testimony(honest, { tauMicros: TAU_MICROS }).ownMicros
}

/** A link of theta with an honest prover behind it; `liars` of the team lie about their own times. */
function team(liars: number, attack: ChallengerAttack = 'lie-high', liarsOwn = HONEST_OWN): TeamMeasurement {
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

describe('early-ack', () => {
  it('makes up the first member’s train at once, with another seed each time', async () => {
    const prover = corruptProver(['early-ack'], new SideChannel())
    const capture = () =>
      prover.capture({ slot: 0, attempt: 0 }, new Uint8Array(32), [new Uint8Array(33)], 1000)
    const [first, second] = [await capture(), await capture()]
    expect(first?.phantoms).toMatchObject([{ position: 0, packetCount: 1000, afterMs: 0 }])
    expect(first?.phantoms?.[0]?.seed).not.toEqual(second?.phantoms?.[0]?.seed)
  })
})

describe('the names of attacks', () => {
  it('are read for challengers and the prover', () => {
    const plan = parseAttack('lie-high:2,early-ack:prover', 10)
    expect(plan).toEqual({ challengers: ['lie-high', 'lie-high'], prover: ['early-ack'] })
    expect(proverColludes(plan)).toBe(true)
  })

  it.each(MISSING_ATTACKS)('%s is known, and said not to be there yet', (name) => {
    expect(Object.hasOwn(CHALLENGER_ATTACKS, name)).toBe(false)
    expect(() => parseAttack(`${name}:1`, 10)).toThrow('yet')
  })

  it('send overclaiming to --claim', () => {
    expect(() => parseAttack('overclaim:prover', 10)).toThrow('--claim')
  })
})
