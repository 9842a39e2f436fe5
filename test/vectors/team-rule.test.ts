/**
 * The team rule and the strict parameters against results of an independent implementation.
 * VECTORS_DIR points at another set of the same kind.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { guaranteed } from '../../src/pob/aggregate/guaranteed.js'
import { cleanTeams, faultyMembers, type Rational } from '../../src/pob/parameters.js'

interface Cases {
  cases: {
    tauSeconds: number
    rho: number
    claimBps: number
    f: number
    j: number
    teams: { m: number; acks: { bits: number[]; own: (number | null)[] }[] }[]
    expect: { V: number[][]; guaranteedBps: number }
  }[]
  strict: { beta: string; delta: string; m: number; G: number; j: number; fDelta: number }[]
}

const own = new URL('../fixtures/vectors', import.meta.url).pathname
const directory = process.env.VECTORS_DIR ?? own
/** `team-rule/*.json` below the directory, or `cases.json` in it; the repository's where it has neither. */
function vectorFiles(): string[] {
  const single = join(directory, 'cases.json')
  if (existsSync(single)) return [single]
  const folder = [directory, own].map((path) => join(path, 'team-rule')).find((path) => existsSync(path))
  if (folder === undefined) throw new Error('there are no vectors')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(folder, name))
}
const files = vectorFiles().map((path) => JSON.parse(readFileSync(path, 'utf8')) as Cases)
const data: Cases = {
  cases: files.flatMap((file) => file.cases),
  strict: files.flatMap((file) => file.strict ?? []),
}

function rational(text: string): Rational {
  const [numerator, denominator] = text.split('/')
  return { numerator: BigInt(numerator ?? ''), denominator: BigInt(denominator ?? '1') }
}

/** Another language may add in another order: agreement to a few units in the last place. */
function close(actual: number, expected: number): boolean {
  return Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected))
}

describe('team rule vectors', () => {
  it.each(data.cases.map((entry, index) => [index, entry] as const))('aggregation %i', (_, entry) => {
    const result = guaranteed(
      entry.teams.map((team) => ({
        memberCount: team.m,
        acks: team.acks.map((ack) => ({ bits: ack.bits, ownSeconds: ack.own })),
      })),
      {
        tauSeconds: entry.tauSeconds,
        capBps: entry.rho * entry.claimBps,
        faulty: entry.f,
        cleanTeams: entry.j,
      },
      { allValues: true },
    )
    entry.expect.V.forEach((team, g) => {
      team.forEach((value, q) => {
        expect(close(result.values[g]?.[q] ?? Number.NaN, value), `V_${g}(${q})`).toBe(true)
      })
    })
    expect(close(result.bps, entry.expect.guaranteedBps)).toBe(true)
  })

  it.each(data.strict.map((entry, index) => [index, entry] as const))('strict parameters %i', (_, entry) => {
    const [beta, delta] = [rational(entry.beta), rational(entry.delta)]
    expect(cleanTeams(beta, delta, entry.G, entry.m)).toBe(entry.j)
    expect(faultyMembers(beta, delta, entry.G * entry.m)).toBe(entry.fDelta)
  })
})
