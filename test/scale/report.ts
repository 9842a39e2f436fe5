/** What `npm run bench -- scale` prints: selection, messages, fairness, detection and admission at the size of a large network. */
import { type CommitteeInput, drawCommittee } from '../../src/pob/committee.js'
import { seededRandom } from '../simulator/random.js'
import { requestFor } from '../support/candidates.js'
import { RATES, type Rates } from './conduct.js'
import { COMMITTEE, type Day, daysUntilFound, FAULTY, fairnessOf, simulateDay } from './day.js'
import { type Population, populate } from './population.js'
import { type ControlTraffic, controlTraffic, type Line, lineThrough } from './traffic.js'

export interface ScaleOptions {
  readonly nodes: number
  readonly challenges: number
  readonly draws: number
  readonly committees: readonly number[]
  readonly beta: number
  readonly seed: number
  /** What goes wrong, and how often; RATES unless given. */
  readonly rates?: Rates
}

export interface ScaleReport extends Pick<ScaleOptions, 'nodes' | 'challenges' | 'beta'> {
  /** Processor time of one draw from a registry file, ms; the first packs the keys. */
  readonly selectionMs: { readonly first: number; readonly median: number; readonly worst: number }
  /** The chain's draw with the simulated challenge around it, ms each. */
  readonly challengeMs: number
  readonly rates: Rates
  /** Of the day. */
  readonly day: Pick<Day, 'endings' | 'events' | 'counted' | 'slotsMean' | 'attemptsMean' | 'guaranteedMean'>
  readonly traffic: readonly ControlTraffic[]
  readonly line: Line
  readonly fairness: {
    readonly slotsPerSeat: Readonly<Record<string, number>>
    readonly spread: number
    readonly dispersion: number
  }
  readonly admission: {
    readonly peakAtOnce: number
    readonly waitedShare: number
    readonly refusedShare: number
    readonly sharedPrefixShare: number
  }
  readonly detection: { readonly fooledShare: number; readonly daysHalf: number; readonly days99: number }
}

/** Of this process: others on the machine do not count. */
function processorMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function selection({ entries }: Population, draws: number) {
  const times = Array.from({ length: draws }, (_, i) => {
    const randomness = new Uint8Array(32).fill(i)
    const input: CommitteeInput = {
      request: requestFor('standard'),
      registryHash: new Uint8Array(32),
      entries,
      randomness,
    }
    return processorMs(() => {
      if (typeof drawCommittee(input) === 'string') throw new Error('no committee')
    })
  })
  const [first = 0, ...later] = times
  later.sort((a, b) => a - b)
  return { first, median: later[later.length >> 1] ?? first, worst: later.at(-1) ?? first }
}

/** Of the day's challenges, so many simulated for each committee size of the line. */
const TRAFFIC_SHARE = 1 / 50
const LEAST_TRAFFIC = 300

export function scaleReport(options: ScaleOptions): ScaleReport {
  const { nodes, challenges, beta, rates = RATES } = options
  const random = seededRandom(options.seed)
  const population = populate(nodes, random)
  const selectionMs = selection(population, options.draws)
  let day: Day | undefined
  const dayMs = processorMs(() => {
    day = simulateDay(population, { challenges, members: COMMITTEE, beta, rates }, random)
  })
  if (day === undefined) throw new Error('no day')
  const each = Math.max(LEAST_TRAFFIC, Math.ceil(challenges * TRAFFIC_SHARE))
  const traffic = options.committees.map((members) =>
    controlTraffic(population, { members, challenges: each, beta, rates }, random),
  )
  const { perSeat, spread, dispersion } = fairnessOf(population, day)
  const { endings, events, counted, slotsMean, attemptsMean, guaranteedMean } = day
  return {
    nodes,
    challenges,
    beta,
    rates,
    selectionMs,
    challengeMs: dayMs / challenges,
    day: { endings, events, counted, slotsMean, attemptsMean, guaranteedMean },
    traffic,
    line: lineThrough(traffic),
    fairness: { slotsPerSeat: Object.fromEntries(perSeat), spread, dispersion },
    admission: {
      peakAtOnce: day.peakAtOnce,
      waitedShare: day.waitedShare,
      refusedShare: day.refusedShare,
      sharedPrefixShare: day.sharedPrefixShare,
    },
    detection: {
      fooledShare: day.fooledShare,
      daysHalf: daysUntilFound(day.fooledShare, 0.5),
      days99: daysUntilFound(day.fooledShare, 0.99),
    },
  }
}

export function formatScale(report: ScaleReport): string {
  const { selectionMs, traffic, line, fairness, admission, detection, rates, day } = report
  const percent = (share: number) => `${(100 * share).toFixed(3)} %`
  const cells = (values: readonly (string | number)[], widths: readonly number[]) =>
    values.map((value, i) => String(value).padStart(widths[i] ?? 8)).join('')
  const widths = [7, 10, 8, 8, 8, 13, 10, 12, 13]
  return [
    `${report.nodes} nodes, ${report.challenges} challenges in a day, beta ${report.beta}`,
    '',
    `selection from a registry file: ${selectionMs.median.toFixed(1)} ms of processor (worst ${selectionMs.worst.toFixed(1)}, first ${selectionMs.first.toFixed(1)})`,
    `a simulated challenge with its selection by seats: ${report.challengeMs.toFixed(3)} ms`,
    '',
    `what goes wrong: ${Object.entries(rates)
      .map(([name, share]) => `${name} ${100 * share} %`)
      .join(', ')}`,
    `how they end: ${Object.entries(day.endings)
      .map(([ending, count]) => `${count} ${ending}`)
      .join(
        ', ',
      )}; ${day.slotsMean.toFixed(2)} slots and ${day.attemptsMean.toFixed(2)} trains each, guaranteed ${percent(day.guaranteedMean)} of the truth`,
    `${day.events} events; ${day.counted.messages} control messages, ${day.counted.again} of them asked again, ${(day.counted.bytes / 1e9).toFixed(1)} GB; ` +
      `${day.counted.unanswered} questions without an answer in time, ${day.counted.failedDials} dials that failed`,
    '',
    cells(
      ['members', 'messages', 'p99', 'most', 'again', 'undisturbed', 'a member', 'control kB', 'kB a member'],
      widths,
    ),
    ...traffic.map(({ members, mean, p99, most, again, undisturbed, bytes }) =>
      cells(
        [
          members,
          mean.toFixed(1),
          p99,
          most,
          again.toFixed(1),
          undisturbed,
          (mean / members).toFixed(1),
          (bytes / 1000).toFixed(0),
          (bytes / members / 1000).toFixed(1),
        ],
        widths,
      ),
    ),
    `a line through the messages: ${line.base.toFixed(1)} + ${line.perMember.toFixed(2)} a member, off by at most ${percent(line.worst)}; as a power of the members ${line.exponent.toFixed(3)}`,
    '',
    `slots served for each seat: ${Object.entries(fairness.slotsPerSeat)
      .map(([seats, rate]) => `${rate.toFixed(2)} (nodes with ${seats})`)
      .join(
        ', ',
      )}; largest over smallest ${fairness.spread.toFixed(3)}, dispersion ${fairness.dispersion.toFixed(2)} (1 is chance)`,
    `at once: ${admission.peakAtOnce} challenges; armings that met a busy member ${percent(admission.waitedShare)}, refused for it ${percent(admission.refusedShare)}; ` +
      `another prover of the same prefix meanwhile ${percent(admission.sharedPrefixShare)}`,
    `a cheater with beta ${report.beta} of the nodes: a standard committee (f = ${FAULTY}) believes it in ${percent(detection.fooledShare)}; ` +
      `measured once a day it is found within ${detection.daysHalf} days in half of the cases, within ${detection.days99} in 99 of 100`,
  ].join('\n')
}
