/**
 * The simulator's table: the team rule, all-on and the published rule side by side, relative to theta. Run by
 * `npm run bench -- simulator`.
 */
import {
  allOnRange,
  attack,
  attackPublishedOnce,
  evaluateOnce,
  evaluatePublishedOnce,
  MEMBERS,
  teamsRange,
} from './campaign.js'
import { seededRandom } from './random.js'
import { sampleStrict } from './strict.js'

export interface ReportOptions {
  /** Random strategies with at most f corrupt. */
  readonly strategies: number
  /** Runs behind each cell of the table. */
  readonly runsPerCell: number
  readonly seed: number
}

/** Honest mean, worst inflation, worst deflation, relative to theta. */
export interface Cell {
  readonly honestMean: number
  readonly worstInflation: number
  readonly worstDeflation: number
}

export interface Row {
  readonly rule: string
  /** By corrupt fraction of ten members. */
  readonly cells: Readonly<Record<string, Cell>>
}

export interface Report {
  readonly rows: readonly Row[]
  readonly soundness: {
    readonly strategies: number
    readonly violations: number
    readonly violatingSeeds: readonly number[]
    readonly worstRatio: number
    readonly beyondRuns: number
    readonly beyondViolations: number
    readonly publishedRuns: number
    readonly publishedViolations: number
  }
  readonly strict: readonly {
    readonly beta: number
    readonly delta: number
    readonly teams: number
    readonly teamSize: number
    readonly violationShare: number
  }[]
}

const FRACTIONS = [
  ['0.1', 0.1],
  ['0.2', 0.2],
  ['0.3', 0.3],
  ['1/3', 1 / 3],
] as const

type Conduct = 'honest' | 'grief' | 'collude'

function cell(seeds: readonly number[], run: (seed: number, conduct: Conduct) => number): Cell {
  const honest = seeds.map((seed) => run(seed, 'honest'))
  return {
    honestMean: honest.reduce((sum, value) => sum + value, 0) / honest.length,
    worstInflation: Math.max(...seeds.map((seed) => run(seed, 'collude'))),
    worstDeflation: Math.min(...seeds.map((seed) => run(seed, 'grief'))),
  }
}

export function simulatorReport(options: ReportOptions): Report {
  const seeds = Array.from({ length: options.runsPerCell }, (_, i) => options.seed + i)
  const rules: readonly [string, (faulty: number) => (seed: number, conduct: Conduct) => number][] = [
    ['published, 100 ms', (faulty) => (seed, conduct) => evaluatePublishedOnce(seed, faulty, conduct)],
    [
      'all-on, any f deleted, 500 ms',
      (faulty) => (seed, conduct) => evaluateOnce(seed, allOnRange(faulty), conduct).guaranteed,
    ],
    [
      'teams, G = 2f + 1, 200 ms',
      (faulty) => (seed, conduct) => evaluateOnce(seed, teamsRange(faulty), conduct).guaranteed,
    ],
    [
      'teams, G = 2f + 1, 500 ms',
      (faulty) => (seed, conduct) => evaluateOnce(seed, teamsRange(faulty, 0.5), conduct).guaranteed,
    ],
    [
      'the estimate of teams, 200 ms',
      (faulty) => (seed, conduct) => evaluateOnce(seed, teamsRange(faulty), conduct).estimate,
    ],
  ]
  const rows = rules.map(([rule, runner]): Row => {
    const cells = FRACTIONS.map(([name, beta]) => [
      name,
      cell(seeds, runner(Math.floor(beta * MEMBERS + 1e-9))),
    ])
    return { rule, cells: Object.fromEntries(cells) as Record<string, Cell> }
  })
  const sound = attack(options.seed, options.strategies)
  const beyondRuns = Math.min(1000, options.strategies)
  const beyond = attack(options.seed, beyondRuns, 1)
  const published = seeds.map((seed) => attackPublishedOnce(seed, 2))
  const random = seededRandom(options.seed)
  const strictSettings = [
    { beta: 0.1, delta: 0.05, teams: 10, teamSize: 1, registry: 1000 },
    { beta: 0.2, delta: 0.05, teams: 16, teamSize: 1, registry: 1000 },
    { beta: 0.1, delta: 0.05, teams: 12, teamSize: 2, registry: 1000 },
    { beta: 0.3, delta: 0.1, teams: 20, teamSize: 1, registry: 1000 },
  ]
  return {
    rows,
    soundness: {
      strategies: sound.runs,
      violations: sound.violations.length,
      violatingSeeds: sound.violations.slice(0, 10).map(({ seed }) => seed),
      worstRatio: sound.worst.ratio,
      beyondRuns,
      beyondViolations: beyond.violations.length,
      publishedRuns: published.length,
      publishedViolations: published.filter((ratio) => ratio > 1.05).length,
    },
    strict: strictSettings.map((setting) => {
      const { violations, samples } = sampleStrict(setting, options.strategies, random)
      const { beta, delta, teams, teamSize } = setting
      return { beta, delta, teams, teamSize, violationShare: violations / samples }
    }),
  }
}

/** For people: the design's table, then the counts. */
export function formatReport({ rows, soundness, strict }: Report): string {
  const number = (value: number) => (value >= 10 ? value.toFixed(0) : value.toFixed(2))
  const cellText = (each: Cell | undefined) =>
    each === undefined
      ? ''
      : [each.honestMean, each.worstInflation, each.worstDeflation].map(number).join('/')
  const lines = [
    `Relative to theta, n = ${MEMBERS}, RTT 5-30 ms: honest mean / worst inflation / worst deflation`,
    ['rule'.padEnd(32), ...FRACTIONS.map(([name]) => `beta=${name}`.padEnd(16))].join(''),
    ...rows.map(({ rule, cells }) =>
      [rule.padEnd(32), ...FRACTIONS.map(([name]) => cellText(cells[name]).padEnd(16))].join('').trimEnd(),
    ),
    '',
    `${soundness.strategies} random strategies, at most f corrupt: ${soundness.violations} violations, worst ${soundness.worstRatio.toFixed(4)} of theta + b / (0.8 tau)`,
    `f + 1 corrupt: ${soundness.beyondViolations} of ${soundness.beyondRuns} violate`,
    `published rule, f corrupt: ${soundness.publishedViolations} of ${soundness.publishedRuns} exceed theta by more than 5 %`,
    ...strict.map(
      ({ beta, delta, teams, teamSize, violationShare }) =>
        `strict, beta ${beta}, delta ${delta}, ${teams} teams of ${teamSize}: ${violationShare.toFixed(4)} of the committees violate`,
    ),
  ]
  if (soundness.violatingSeeds.length > 0)
    lines.push(
      `violating seeds: ${soundness.violatingSeeds.join(' ')} (SIMULATOR_SEED=<seed> SIMULATOR_RUNS=1)`,
    )
  return lines.join('\n')
}
