/** What `npm run bench -- scale` prints: selection, messages, fairness, detection and admission at the size of a large network. */
import { type CommitteeInput, drawCommittee } from '../../src/pob/committee.js'
import { seededRandom } from '../simulator/random.js'
import { requestFor } from '../support/candidates.js'
import { daysUntilFound, FAULTY, fairnessOf, simulateDay } from './day.js'
import { type Population, populate } from './population.js'
import { type ControlTraffic, controlTraffic } from './traffic.js'

export interface ScaleOptions {
  readonly nodes: number
  readonly challenges: number
  readonly draws: number
  readonly committees: readonly number[]
  readonly beta: number
  readonly seed: number
}

export interface ScaleReport extends Pick<ScaleOptions, 'nodes' | 'challenges' | 'beta'> {
  /** Processor time of one draw from a registry file, ms; the first packs the keys. */
  readonly selectionMs: { readonly first: number; readonly median: number; readonly worst: number }
  /** The chain's draw, ms each. */
  readonly seatSelectionMs: number
  readonly traffic: readonly ControlTraffic[]
  readonly fairness: {
    readonly slotsPerSeat: Readonly<Record<string, number>>
    readonly spread: number
    readonly dispersion: number
  }
  readonly admission: {
    readonly peakAtOnce: number
    readonly busyShare: number
    readonly sharedPrefixShare: number
    readonly voidShare: number
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

export function scaleReport(options: ScaleOptions): ScaleReport {
  const { nodes, challenges, beta } = options
  const random = seededRandom(options.seed)
  const population = populate(nodes, random)
  const selectionMs = selection(population, options.draws)
  let day: ReturnType<typeof simulateDay> | undefined
  const seatMs = processorMs(() => {
    day = simulateDay(population, challenges, beta, random)
  })
  if (day === undefined) throw new Error('no day')
  const { perSeat, spread, dispersion } = fairnessOf(population, day)
  return {
    nodes,
    challenges,
    beta,
    selectionMs,
    seatSelectionMs: seatMs / challenges,
    traffic: options.committees.map(controlTraffic),
    fairness: { slotsPerSeat: Object.fromEntries(perSeat), spread, dispersion },
    admission: {
      peakAtOnce: day.peakAtOnce,
      busyShare: day.busyShare,
      sharedPrefixShare: day.sharedPrefixShare,
      voidShare: day.void / challenges,
    },
    detection: {
      fooledShare: day.fooledShare,
      daysHalf: daysUntilFound(day.fooledShare, 0.5),
      days99: daysUntilFound(day.fooledShare, 0.99),
    },
  }
}

export function formatScale(report: ScaleReport): string {
  const { selectionMs, traffic, fairness, admission, detection } = report
  const percent = (share: number) => `${(100 * share).toFixed(3)} %`
  return [
    `${report.nodes} nodes, ${report.challenges} challenges in a day, beta ${report.beta}`,
    '',
    `selection from a registry file: ${selectionMs.median.toFixed(1)} ms of processor (worst ${selectionMs.worst.toFixed(1)}, first ${selectionMs.first.toFixed(1)})`,
    `selection by seats, with the day around it: ${report.seatSelectionMs.toFixed(3)} ms a challenge`,
    '',
    'members  exchanges  a member   control kB  a member',
    ...traffic.map(({ members, exchanges, bytes, bytesPerMember }) =>
      [
        String(members).padStart(7),
        String(exchanges).padStart(11),
        (exchanges / members).toFixed(1).padStart(10),
        (bytes / 1000).toFixed(0).padStart(13),
        (bytesPerMember / 1000).toFixed(1).padStart(10),
      ].join(''),
    ),
    '',
    `slots served for each seat: ${Object.entries(fairness.slotsPerSeat)
      .map(([seats, rate]) => `${rate.toFixed(2)} (nodes with ${seats})`)
      .join(
        ', ',
      )}; largest over smallest ${fairness.spread.toFixed(3)}, dispersion ${fairness.dispersion.toFixed(2)} (1 is chance)`,
    `at once: ${admission.peakAtOnce} challenges; armings that met a busy member ${percent(admission.busyShare)}; ` +
      `another prover of the same prefix meanwhile ${percent(admission.sharedPrefixShare)}; void ${percent(admission.voidShare)}`,
    `a cheater with beta ${report.beta} of the nodes: a standard committee (f = ${FAULTY}) believes it in ${percent(detection.fooledShare)}; ` +
      `measured once a day it is found within ${detection.daysHalf} days in half of the cases, within ${detection.days99} in 99 of 100`,
  ].join('\n')
}
