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
  samplePublishedOnce,
  teamsRange,
} from './campaign.js'
import { seededRandom } from './random.js'
import { leastTeams, sampleStrict } from './strict.js'

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
    readonly registry: number
    readonly attempts: number
    readonly cleanTeams: number
    readonly faulty: number
    readonly samples: number
    readonly violationShare: number
    /** Of the published rule with ten members drawn from the same registry. */
    readonly publishedShare: number
  }[]
}

const FRACTIONS = [
  ['0.1', 0.1],
  ['0.2', 0.2],
  ['0.3', 0.3],
  ['1/3', 1 / 3],
] as const

/** The fewest teams that griefing cannot lower, at each beta, from large and small registries, for one challenge and for the best of three. */
function strictSettings() {
  return [0.1, 0.2, 0.3].flatMap((beta) =>
    [0.01, 0.05].flatMap((delta) =>
      [
        { registry: 1000, attempts: 1, teamSize: 1 },
        { registry: 1000, attempts: 1, teamSize: 2 },
        { registry: 100, attempts: 1, teamSize: 1 },
        { registry: 30, attempts: 1, teamSize: 1 },
        { registry: 1000, attempts: 3, teamSize: 1 },
      ].flatMap((rest) => {
        const teams = leastTeams({ beta, delta, ...rest })
        return teams === undefined ? [] : [{ beta, delta, teams, ...rest }]
      }),
    ),
  )
}

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
    strict: strictSettings().map((setting) => {
      const samples = Math.ceil(options.strategies / setting.attempts)
      const { violations, cleanTeams, faulty } = sampleStrict(setting, samples, random)
      const published = seeds.filter((seed) => samplePublishedOnce(seed, setting.beta))
      return {
        ...setting,
        cleanTeams,
        faulty,
        samples,
        violationShare: violations / samples,
        publishedShare: published.length / seeds.length,
      }
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
    '',
    'strict: share of the sampled committees (or best-of attempts) whose guarantee exceeds the truth',
    'beta  delta  registry  attempts  G x m    j   f   strict  published, n = 10',
    ...strict.map((each) =>
      [
        String(each.beta).padEnd(6),
        String(each.delta).padEnd(7),
        String(each.registry).padStart(8),
        String(each.attempts).padStart(10),
        `${each.teams} x ${each.teamSize}`.padStart(8),
        String(each.cleanTeams).padStart(4),
        String(each.faulty).padStart(4),
        `${(100 * each.violationShare).toFixed(2)} %`.padStart(9),
        `${(100 * each.publishedShare).toFixed(1)} %`.padStart(12),
      ].join(''),
    ),
  ]
  if (soundness.violatingSeeds.length > 0)
    lines.push(
      `violating seeds: ${soundness.violatingSeeds.join(' ')} (SIMULATOR_SEED=<seed> SIMULATOR_RUNS=1)`,
    )
  return lines.join('\n')
}
